"""Means over texts, with the interval that other texts of the same kind would give."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rnnx.models.protocols import Array

DRAWS, LEVEL = 2000, 0.95


class Score(NamedTuple):
    """A mean over ``texts`` texts, from ``low`` to ``high`` with 95 % confidence; nan where there is none."""

    mean: float
    low: float
    high: float
    texts: int


def score(values: Array) -> Score:
    """The mean of values (N,), or of values (N, 2), precisions and recalls, the F1 of their means; without nan.

    Efron 1979 (bootstrap, percentiles of 2,000 draws of as many texts). The same texts are drawn for every method.
    """
    values = values[:, None] if values.ndim == 1 else values
    values = values[~np.isnan(values).any(axis=1)].astype(np.float64)
    if not len(values):
        return Score(np.nan, np.nan, np.nan, 0)
    rng = np.random.default_rng(0)
    counts = rng.multinomial(len(values), np.full(len(values), 1 / len(values)), DRAWS)
    drawn = _whole(counts @ values / len(values))
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Score(float(_whole(values.mean(axis=0)[None])[0]), float(low), float(high), len(values))


def _whole(means: Array) -> Array:
    """Of the means (N, 1) themselves, of (N, 2) their F1."""
    if means.shape[1] == 1:
        return means[:, 0]
    total = means.sum(axis=1)
    found: Array = 2 * means.prod(axis=1) / np.where(total, total, 1)
    return found
