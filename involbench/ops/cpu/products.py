"""Products of small matrices in flat arrays, in tiles of six rows that stay in registers."""

from involbench.ops.cpu.vectors import add_product, get, load, part, store, zeros

TILE = 6


@part
def product(a, row, step, b, width, c, c_width, rows, depth, adds, lanes):
    """c[i, j] = sum over k < depth of a[i * row + k * step] * b[k, j], for j < `c_width`.

    `rows` are whole tiles, and `c_width` whole vectors; rows of b are `width` apart. With `adds`,
    the sums are added to what is in c.
    """
    for j in range(0, c_width, len(lanes)):
        for i in range(0, rows, TILE):
            to = i * c_width + j
            p = q = r = s = t = u = zeros(c, lanes)
            if adds:
                p, q = load(c, to, lanes), load(c, to + c_width, lanes)
                r, s = load(c, to + 2 * c_width, lanes), load(c, to + 3 * c_width, lanes)
                t, u = load(c, to + 4 * c_width, lanes), load(c, to + 5 * c_width, lanes)
            for k in range(depth):
                entries, at = load(b, k * width + j, lanes), i * row + k * step
                p = add_product(p, get(a, at), entries)
                q = add_product(q, get(a, at + row), entries)
                r = add_product(r, get(a, at + 2 * row), entries)
                s = add_product(s, get(a, at + 3 * row), entries)
                t = add_product(t, get(a, at + 4 * row), entries)
                u = add_product(u, get(a, at + 5 * row), entries)
            store(c, to, p)
            store(c, to + c_width, q)
            store(c, to + 2 * c_width, r)
            store(c, to + 3 * c_width, s)
            store(c, to + 4 * c_width, t)
            store(c, to + 5 * c_width, u)
