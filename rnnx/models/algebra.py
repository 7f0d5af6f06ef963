"""Linear algebra that engines and methods share."""

from __future__ import annotations

import numpy as np

from rnnx.models.protocols import Array


def largest_singular_value(matrices: Array) -> Array:
    """Of matrices (…, M, N), (…): how much longer they make a vector at most.

    By way of the largest eigenvalue of the smaller Gram matrix, which is faster than all singular values. The squares
    in it must neither overflow nor vanish.
    """
    size = np.abs(matrices).max((-1, -2), keepdims=True)
    scaled = matrices / np.where(size > 0, size, 1)
    turned = scaled.swapaxes(-1, -2)
    gram = turned @ scaled if scaled.shape[-1] <= scaled.shape[-2] else scaled @ turned
    largest: Array = size[..., 0, 0] * np.sqrt(np.linalg.eigvalsh(gram)[..., -1].clip(0))
    return largest
