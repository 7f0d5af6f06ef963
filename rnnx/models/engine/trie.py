"""Sequences as a tree of their prefixes, laid out so that all its branches can be walked together.

A slot holds the state of one branch. Where a branch divides, one of its sequences stays in the slot and each of the
others gets a new one, so that the slots alive at a step are the first ones, and no state ever moves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rnnx.models.protocols import Integers


@dataclass(frozen=True)
class Trie:
    """codes (L, S): what each slot reads at each step, ``absent`` where it waits. Slot s begins at step ``start[s]``,
    rising, with the state that ``parent[s]`` has before it, a slot that began earlier; the first one begins with
    nothing read. ``slot`` (N,) is where each sequence ends.
    """

    codes: Integers
    absent: int
    start: Integers
    parent: Integers
    slot: Integers

    @property
    def alive(self) -> Integers:
        """How many slots there are at each step, (L,)."""
        return np.searchsorted(self.start, np.arange(len(self.codes)), side="right")

    def slots(self) -> Integers:
        """In which slot each sequence is after each step, (L, N)."""
        found = np.empty((len(self.codes), len(self.slot)), self.slot.dtype)
        now = self.slot
        for t in reversed(range(len(found))):
            now = np.where(self.start[now] > t, self.parent[now], now)
            found[t] = now
        return found


def grow(rows: Integers, absent: int) -> Trie:
    """The tree of sequences of codes (N, L), which are not negative; ``absent`` is larger than all others.

    Sorted, sequences with the same beginning stand together: each is alone from the first column on in which it
    differs from the one before it, and until then in the branch of the last one above it that was alone earlier.
    """
    count, steps = rows.shape
    wide = ">u2" if absent < 2**16 else ">u4"  # big-endian, whose order as bytes is that of the numbers
    order = np.argsort(np.ascontiguousarray(rows, wide).view(f"S{steps * np.dtype(wide).itemsize}")[:, 0])
    rows = rows[order].astype(wide[1:])
    differs = rows[1:] != rows[:-1]
    alone = np.zeros(count, np.intp)
    alone[1:] = np.where(differs.any(axis=1), differs.argmax(axis=1), steps)
    above = _before(alone)
    waits = rows[np.arange(count), alone.clip(max=steps - 1)] == absent
    own = np.lexsort((waits, alone))[: np.count_nonzero(alone < steps)]  # those that wait last: fewer gaps
    slot = np.empty(count, np.int32)
    slot[own] = np.arange(len(own))
    first = np.maximum.accumulate(np.where(alone < steps, np.arange(count), 0))  # of equal ones
    ends = np.empty(count, np.int32)
    ends[order] = slot[first]
    return Trie(np.ascontiguousarray(rows[own].T), absent, alone[own], slot[above[own]], ends)


def _before(values: Integers) -> Integers:
    """For each the index of the last one before it that is smaller; 0 for the first, which no other is smaller than."""
    found = np.arange(len(values)) - 1
    while len(wrong := np.flatnonzero((found > 0) & (values[found] >= values))):
        found[wrong] = found[found[wrong]]
    return found.clip(0)
