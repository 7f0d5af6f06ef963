"""Means over texts, with the interval that other texts of the same kind would give."""

from __future__ import annotations

import numpy as np

from rnnx.models.protocols import Array
from rnnx.types import Score

DRAWS, LEVEL = 2000, 0.95
FEW = 5  # texts: of fewer no interval is known


def score(values: Array, least: int = FEW) -> Score:
    """The mean of values (N,), or of values (N, 2), precisions and recalls, the F1 of their means; without nan.

    Efron 1979 (bootstrap, percentiles of 2,000 draws of as many texts). The same texts are drawn for every method. Of
    fewer than ``least`` texts there is no interval.
    """
    return _score(_columns(values)[None], least)


def gain(values: Array, other: Array) -> Score:
    """What the mean of the values is above that of others of the same texts, where both are there."""
    return _score(np.stack([_columns(values), _columns(other)]), FEW)


def _columns(values: Array) -> Array:
    return (values[:, None] if values.ndim == 1 else values).astype(np.float64)


def _score(sides: Array, least: int) -> Score:
    """Of one side (1, N, Q), or the first without the second (2, N, Q)."""
    sides = sides[:, ~np.isnan(sides).any(axis=(0, 2))]
    count = sides.shape[1]
    if not count:
        return Score(np.nan, np.nan, np.nan, 0)
    draws = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), DRAWS) / count
    mean, drawn = _whole(sides.mean(axis=1, keepdims=True)), _whole(draws @ sides)
    if count < least:
        return Score(float(mean[0]), np.nan, np.nan, count)
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Score(float(mean[0]), float(low), float(high), count)


def _whole(means: Array) -> Array:
    """Of means (sides, D, 1) themselves, of (sides, D, 2) their F1; the difference of two sides. (D,)."""
    total = means.sum(axis=2)
    found: Array = total if means.shape[2] == 1 else 2 * means.prod(axis=2) / np.where(total, total, 1)
    if len(found) == 2:
        found = found[:1] - found[1:]
    return found.reshape(-1)
