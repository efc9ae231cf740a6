"""A softmax over the taps of generated kernels, and its gradient, in place.

The kernels of a pixel are (groups, taps) where they are numbers, each for a group of channels, or
(taps, channels) where they are vectors, with an entry for each channel (see `fused`).
"""

import math
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from involbench.ops.cpu.vectors import (
    add,
    add_product,
    divide,
    get,
    largest_of,
    load,
    maximum,
    merge,
    multiply,
    part,
    splat,
    store,
    subtract,
    sum_of,
    zeros,
)

_LN_2 = math.log(2)


@intrinsic
def exp(typing: Any, vector: Any) -> Any:
    """e to the power of a vector whose lanes are at most 0, to rounding; NaN stays NaN.

    x = n ln 2 + r with a whole number n, and a Taylor polynomial for e^r, |r| <= ln 2 / 2.
    """
    single = vector.dtype == types.float32
    degree, mantissa, bits = (7, 23, 32) if single else (13, 52, 64)
    bias = 2 ** (bits - mantissa - 2) - 1
    lowest = (1 - bias) * _LN_2  # The smallest normal number, in place of all smaller results.
    to_whole = 1.5 * 2**mantissa  # A small number added to it is rounded to a whole one.
    high = math.ldexp(math.floor(math.ldexp(_LN_2, 12)), -12)  # n * high is exact.

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = args[0].type
        whole = ir.VectorType(ir.IntType(bits), vector.lanes)

        def constant(value: float, of: Any = kind) -> Any:
            return ir.Constant(of, [value] * vector.lanes)

        def fused(a: Any, b: Any, c: Any) -> Any:
            return builder.fadd(builder.fmul(a, b, flags=("contract",)), c, flags=("contract",))

        below = builder.fcmp_ordered("<", args[0], constant(lowest))
        x = builder.select(below, constant(lowest), args[0])
        n = builder.fsub(fused(x, constant(1 / _LN_2), constant(to_whole)), constant(to_whole))
        r = fused(n, constant(high - _LN_2), fused(n, constant(-high), x))
        power = constant(1 / math.factorial(degree))
        for order in reversed(range(degree)):
            power = fused(power, r, constant(1 / math.factorial(order)))
        exponent = builder.add(builder.fptosi(n, whole), constant(bias, whole))
        scale = builder.bitcast(builder.shl(exponent, constant(mantissa, whole)), kind)
        return builder.fmul(power, scale)

    return vector(vector), emit


@part
def softmax_of_numbers(kernels, at, groups, taps, lanes):
    """The softmax of one pixel's kernels (groups, taps)."""
    for start in range(at, at + groups * taps, taps):
        largest = load(kernels, start, lanes)
        largest = merge(largest, taps, splat(get(kernels, start), largest))
        for k in range(len(lanes), taps, len(lanes)):
            more = load(kernels, start + k, lanes)
            largest = maximum(merge(more, taps - k, largest), largest)
        top, total = splat(largest_of(largest), largest), zeros(kernels, lanes)
        for k in range(0, taps, len(lanes)):
            logits = load(kernels, start + k, lanes)
            powers = exp(subtract(logits, top))
            total = add(total, merge(powers, taps - k, zeros(kernels, lanes)))
            store(kernels, start + k, merge(powers, taps - k, logits))
        total = splat(sum_of(total), total)
        for k in range(0, taps, len(lanes)):
            powers = load(kernels, start + k, lanes)
            store(kernels, start + k, merge(divide(powers, total), taps - k, powers))


@part
def gradient_by_numbers(kernels, gradient, at, groups, taps, lanes):
    """The gradient by the logits of one pixel, in place of that by the softmax `kernels`."""
    for start in range(at, at + groups * taps, taps):
        total = zeros(kernels, lanes)
        for k in range(0, taps, len(lanes)):
            product = multiply(load(kernels, start + k, lanes), load(gradient, start + k, lanes))
            total = add(total, merge(product, taps - k, zeros(kernels, lanes)))
        mean = splat(sum_of(total), total)
        for k in range(0, taps, len(lanes)):
            dp = load(gradient, start + k, lanes)
            ds = multiply(load(kernels, start + k, lanes), subtract(dp, mean))
            store(gradient, start + k, merge(ds, taps - k, dp))


@part
def softmax_of_vectors(kernels, at, taps, width, lanes):
    """The softmax of one pixel's kernels (taps, width)."""
    end = taps * width
    for start in range(at, at + width, len(lanes)):
        top = load(kernels, start, lanes)
        for k in range(width, end, width):
            top = maximum(load(kernels, start + k, lanes), top)
        total = zeros(kernels, lanes)
        for k in range(0, end, width):
            powers = exp(subtract(load(kernels, start + k, lanes), top))
            total = add(total, powers)
            store(kernels, start + k, powers)
        for k in range(0, end, width):
            store(kernels, start + k, divide(load(kernels, start + k, lanes), total))


@part
def gradient_by_vectors(kernels, gradient, at, taps, width, lanes):
    """The gradient by the logits of one pixel, in place of that by the softmax `kernels`."""
    end = taps * width
    for start in range(at, at + width, len(lanes)):
        mean = zeros(kernels, lanes)
        for k in range(start, start + end, width):
            mean = add_product(mean, load(kernels, k, lanes), load(gradient, k, lanes))
        for k in range(start, start + end, width):
            ds = multiply(load(kernels, k, lanes), subtract(load(gradient, k, lanes), mean))
            store(gradient, k, ds)
