"""The two attentions as slow loops in float64, written from the definitions.

Arrays are channels-last, (H, W, channels) for one image; weights are in the layers' own order.
"""

import numpy as np


def softmax(scores):
    powers = np.exp(scores - np.max(scores))
    return powers / powers.sum()


def pooled(image, strides):
    """The mean over windows of `strides` pixels, of what lies inside."""
    height, width, channels = image.shape
    result = np.zeros((-(-height // strides), -(-width // strides), channels))
    for h, w in np.ndindex(*result.shape[:2]):
        top, left = h * strides, w * strides
        result[h, w] = image[top : top + strides, left : left + strides].mean(axis=(0, 1))
    return result


def neighbours(shape, kernel_size, h, w):
    """The pixels of the window at (h, w) that lie inside, with their place in the window."""
    for i, j in np.ndindex(*kernel_size):
        row, column = h + i - kernel_size[0] // 2, w + j - kernel_size[1] // 2
        if 0 <= row < shape[0] and 0 <= column < shape[1]:
            yield (i, j), (row, column)


def local_self_attention(x, rows, columns, query, key, value, kernel_size, strides, heads):
    q, k, v = (x @ weights[0, 0] for weights in (query, key, value))
    result = np.zeros_like(v)
    width = v.shape[2] // heads
    for h, w, head in np.ndindex(*x.shape[:2], heads):
        own = slice(head * width, (head + 1) * width)
        around = list(neighbours(x.shape, kernel_size, h, w))
        scores = []
        for (i, j), pixel in around:
            position = np.concatenate([rows[i, head], columns[j, head]])
            scores.append(q[h, w, own] @ (k[pixel][own] + position))
        for weight, (_, pixel) in zip(softmax(np.array(scores)), around, strict=True):
            result[h, w, own] += weight * v[pixel][own]
    return pooled(result, strides)


def outlook_attention(
    x, value, attention, attention_bias, projection, projection_bias, kernel_size, strides, heads
):
    v, logits = x @ value[0, 0], x @ attention[0, 0] + attention_bias
    result = np.zeros_like(v)
    width, count = v.shape[2] // heads, np.prod(kernel_size)
    logits = logits.reshape(*x.shape[:2], heads, count, count) / np.sqrt(width)
    for h, w, head in np.ndindex(*x.shape[:2], heads):
        own = slice(head * width, (head + 1) * width)
        around = list(neighbours(x.shape, kernel_size, h, w))
        for to, to_pixel in around:
            weights = softmax(logits[h, w, head, to[0] * kernel_size[1] + to[1]])
            for at, pixel in around:
                result[to_pixel][own] += weights[at[0] * kernel_size[1] + at[1]] * v[pixel][own]
    return pooled(result, strides) @ projection[0, 0] + projection_bias
