"""Means over random draws, some of them computed together: so many that memory stays bounded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from rnnx.models.batching import BUDGET
from rnnx.models.protocols import Array, Batch, Integers


def groups(samples: int, batch: Batch, tokens: int = BUDGET) -> Iterator[slice]:
    """The draws in groups that are computed together for the whole batch: so many ``tokens``, or one draw."""
    size = max(1, tokens // batch.ids.size)
    return (slice(start, min(start + size, samples)) for start in range(0, samples, size))


def repeated(batch: Batch, part: slice) -> tuple[Integers, Batch]:
    """Each text once for each draw of the group: its row in the batch, and the batch of the copies."""
    rows = np.repeat(np.arange(len(batch.ids)), part.stop - part.start)
    return rows, Batch(batch.ids[rows], batch.lengths[rows])


class Moments(NamedTuple):
    """The mean over the draws, that of the squares, and the standard error of the mean; each (B, …)."""

    mean: Array
    squares: Array
    error: Array


def moments(parts: Iterable[Array], samples: int) -> Moments:
    """From the values of each group of draws, (B, draws, …)."""
    total = squares = np.zeros(1)
    for part in parts:
        values = part.astype(np.float64)  # sums of many numbers in single precision lose digits
        total, squares = total + values.sum(axis=1), squares + (values**2).sum(axis=1)
    mean, squares = total / samples, squares / samples
    return Moments(mean, squares, np.sqrt((squares - mean**2).clip(0) / max(1, samples - 1)))


def standard_error(errors: Array, batch: Batch, samples: int) -> dict[str, Array]:
    """The diagnostic: the mean of the tokens' errors (B, T). One draw alone says nothing of it."""
    return {"standard_error": errors.sum(axis=1) / batch.lengths} if samples > 1 else {}
