"""Which texts are computed together, and as what."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from contextlib import suppress

import numpy as np

from rnnx.errors import DataError
from rnnx.models.protocols import Batch, Integers

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # as in malloc.h
BUDGET = 16384  # tokens computed together, padding included; see benchmarks/gradients.py


def hold_memory() -> None:
    """Keep what is freed for the next batch, for the rest of the process.

    The C library of Linux returns large arrays to the system and gets them again, emptied, with every batch, which
    takes up to a quarter of the time. Elsewhere nothing happens.
    """
    with suppress(AttributeError, OSError, TypeError):  # what other systems say of the lack of it
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_TRIM_THRESHOLD, 1 << 30)
        mallopt(_MMAP_THRESHOLD, 1 << 30)


def buckets(
    lengths: Sequence[int], tokens: int, *, texts: int = 2**31, by: Sequence[float] = ()
) -> Iterator[list[int]]:
    """Indexes of texts of like length, in groups of at most so many ``tokens``, padding included, and ``texts``.

    A text longer than that is a group by itself. ``by`` sorts in place of the lengths.
    """
    group: list[int] = []
    longest = 0
    for i in sorted(range(len(lengths)), key=(by or lengths).__getitem__):
        longest = max(longest, lengths[i])
        if group and (longest * (len(group) + 1) > tokens or len(group) == texts):
            yield group
            group, longest = [], lengths[i]
        group.append(i)
    if group:
        yield group


def distinct(ids: Integers) -> tuple[Integers, Integers]:
    """Each id once, in order, and for each of ``ids`` its place among them: ``np.unique`` without sorting."""
    there = np.zeros(ids.max(initial=0) + 1, bool)
    there[ids] = True
    return np.flatnonzero(there), (there.cumsum() - 1)[ids]


def padded(texts: Sequence[Sequence[int]]) -> Batch:
    """Texts as ids, padded on the right with 0. Raises DataError for one without any."""
    lengths = np.array([len(text) for text in texts], dtype=np.int64)
    if not lengths.all():
        raise DataError("a text has no words in it", "give at least one word")
    ids = np.zeros((len(texts), lengths.max(initial=0)), dtype=np.int64)
    for row, text in zip(ids, texts, strict=True):
        row[: len(text)] = text
    return Batch(ids, lengths)
