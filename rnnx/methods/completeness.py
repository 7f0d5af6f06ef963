"""What is left over where scores should add up."""

from __future__ import annotations

import numpy as np

from rnnx.models.protocols import Array


def missing(whole: Array, *parts: Array) -> Array:
    """What the parts, summed over tokens, lack."""
    total = sum(part.astype(np.float64).reshape(len(part), -1).sum(1) for part in parts)
    left: Array = whole.astype(np.float64) - total
    return left
