"""How far two lists of numbers agree in their order."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rnnx.models.protocols import Array, Batch


def kendall(a: Array, b: Array) -> float:
    """Kendall's tau-b of a and b (N,): from -1 to 1, ties are allowed for; nan where one of them never changes.

    Kendall 1945.
    """
    rows, columns = np.triu_indices(len(a), 1)
    first, second = (np.sign(values[rows] - values[columns]) for values in (a, b))
    room = np.sqrt(np.count_nonzero(first) * np.count_nonzero(second))
    return float((first * second).sum() / room) if room else float("nan")


def spearman(a: Array, b: Array) -> float:
    """Spearman's correlation of a and b (N,): from -1 to 1, ties share a rank; nan where one of them never changes."""
    first, second = (_ranks(values) - (len(a) - 1) / 2 for values in (a, b))
    room = np.sqrt((first**2).sum() * (second**2).sum())
    return float((first * second).sum() / room) if room else float("nan")


def _ranks(values: Array) -> Array:
    """From 0; the mean of their ranks for those that are equal."""
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    means: Array = (ends - counts + ends - 1) / 2
    return means[which.reshape(-1)]


def by_text(measure: Callable[[Array, Array], float], a: Array, b: Array, batch: Batch) -> Array:
    """The measure of each text's own numbers in a and b (B, T), (B,)."""
    return np.array([measure(x[:n], y[:n]) for x, y, n in zip(a, b, batch.lengths.tolist(), strict=True)])
