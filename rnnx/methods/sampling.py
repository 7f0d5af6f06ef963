"""Means over random draws, some of them computed together: so many that memory stays bounded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from rnnx.models.batching import BUDGET
from rnnx.models.protocols import Array, Batch, Integers

TENTHS = 10  # parts of the draws whose sums are kept: more would take more memory, and say it a little more exactly


def groups(samples: int, batch: Batch, tokens: int = BUDGET) -> Iterator[slice]:
    """The draws in groups that are computed together for the whole batch: so many ``tokens``, or one draw."""
    size = max(1, tokens // batch.ids.size)
    return (slice(start, min(start + size, samples)) for start in range(0, samples, size))


def repeated(batch: Batch, part: slice) -> tuple[Integers, Batch]:
    """Each text once for each draw of the group: its row in the batch, and the batch of the copies."""
    rows = np.repeat(np.arange(len(batch.ids)), part.stop - part.start)
    return rows, Batch(batch.ids[rows], batch.lengths[rows])


def mean(parts: Iterable[Array], samples: int) -> tuple[Array, Array]:
    """The mean over the draws and its standard error, both (B, …), from the values of each group (B, draws, …)."""
    total = squares = np.zeros(1)
    for part in parts:
        values = part.astype(np.float64)  # sums of many numbers in single precision lose digits
        total, squares = total + values.sum(axis=1), squares + (values**2).sum(axis=1)
    found = total / samples
    return found, np.sqrt((squares / samples - found**2).clip(0) / max(1, samples - 1))


def jackknife(parts: Iterable[Array], samples: int, score: Callable[[Array], Array]) -> tuple[Array, Array]:
    """A score of the mean over the draws, and that score's standard error: of no mean, but of what is made of one.

    Quenouille 1956, Tukey 1958: from how the score changes without a tenth of the draws, each tenth in turn; Busing et
    al. 1999 where these differ in size. ``score`` takes the mean (B, …) of the values (B, draws, …).
    """
    tenths = np.arange(min(TENTHS, samples))
    sizes = samples // len(tenths) + (tenths < samples % len(tenths))
    sums = np.zeros(1)
    for k, draw in enumerate(draw for part in parts for draw in part.swapaxes(0, 1)):
        sums = sums if k else np.zeros((len(sizes), *draw.shape), draw.dtype)
        sums[k % len(sizes)] += draw
    total = sums.sum(axis=0, dtype=np.float64)
    whole = score(total / samples)
    if samples == 1:
        return whole, np.zeros_like(whole)
    without = np.stack([score((total - part) / (samples - n)) for part, n in zip(sums, sizes, strict=True)])
    of = (samples / sizes).reshape(-1, *[1] * whole.ndim)  # how many such parts make the whole
    centre = len(sizes) * whole - (without * (1 - 1 / of)).sum(axis=0)
    return whole, np.sqrt(((of * whole - (of - 1) * without - centre) ** 2 / (of - 1)).mean(axis=0))


def standard_error(errors: Array, batch: Batch, samples: int) -> dict[str, Array]:
    """The diagnostic: the mean of the tokens' errors (B, T). One draw alone says nothing of it."""
    return {"standard_error": errors.sum(axis=1) / batch.lengths} if samples > 1 else {}
