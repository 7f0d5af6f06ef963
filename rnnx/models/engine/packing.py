"""A batch of texts as one row a token, without padding: what the engine computes on.

The texts are sorted by falling length and their tokens kept step by step, so that the tokens of step t are
neighbours and belong to the first texts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnx.models.protocols import Array, Integers


def pieces(lengths: Integers, budget: int) -> list[Integers]:
    """The texts of these lengths by falling length, in groups of about ``budget`` tokens."""
    order = np.argsort(-lengths, kind="stable")
    groups = (lengths[order].cumsum() - 1) // budget
    return np.split(order, 1 + np.flatnonzero(np.diff(groups)))


@dataclass(frozen=True)
class Packing:
    """Where the N tokens of B texts are. A row is a text, in the order of falling length.

    ``order`` (B,) has the caller's text of each row, ``lengths`` (B,) those of the rows. At step t the first
    ``active[t]`` rows have a token; these begin at ``starts[t]``. ``steps`` and ``rows`` (N,) are those of each token.
    """

    order: Integers
    lengths: Integers
    active: list[int]
    starts: list[int]
    steps: Integers
    rows: Integers

    @classmethod
    def of(cls, lengths: Integers) -> Packing:
        """For texts of these lengths."""
        order = np.argsort(-lengths, kind="stable")
        sorted_ = lengths[order]
        there = np.arange(sorted_.max(initial=0))[:, None] < sorted_
        active = there.sum(1)
        return cls(order, sorted_, active.tolist(), (active.cumsum() - active).tolist(), *np.nonzero(there))

    @cached_property
    def place(self) -> Integers:
        """The row of each of the caller's texts."""
        return np.argsort(self.order)

    @cached_property
    def last(self) -> Integers:
        """The last token of each row."""
        return self.at(self.lengths - 1, np.arange(len(self.order)))

    @cached_property
    def earlier(self) -> Integers:
        """Of each token the one before it, in a list that begins with one for each row, before its first token."""
        texts = len(self.order)
        return np.where(self.steps == 0, self.rows, texts + self.at(self.steps - 1, self.rows))

    @cached_property
    def turned(self) -> Integers:
        """In the place of each token the one that comes there when each text is read from its end; its own inverse."""
        return self.at(self.lengths[self.rows] - 1 - self.steps, self.rows)

    def at(self, steps: Integers, rows: Integers) -> Integers:
        """The tokens of these steps of these rows."""
        found: Integers = np.asarray(self.starts)[steps] + rows
        return found

    def pack(self, values: NDArray[Any]) -> NDArray[Any]:
        """(B, T, …), as the caller has it, to (N, …)."""
        return values[self.order[self.rows], self.steps]

    def restore(self, values: Array) -> Array:
        """(N, …) to (B, T, …), as the caller has it; padding is 0."""
        out = np.zeros((len(self.order), len(self.active), *values.shape[1:]), values.dtype)
        out[self.order[self.rows], self.steps] = values
        return out

    def grid(self, values: Array, padding: float = 0) -> Array:
        """(N, …) to (T, B, …), row by row."""
        out = np.full((len(self.active), len(self.order), *values.shape[1:]), padding, values.dtype)
        out[self.steps, self.rows] = values
        return out

    def chunks(self, size: int) -> Iterator[tuple[slice, list[slice]]]:
        """From the last step to the first: the tokens of some steps, about ``size`` together, and those of each."""
        steps: list[slice] = []
        for n, start in zip(reversed(self.active), reversed(self.starts), strict=True):
            if steps and steps[0].stop - start > size:
                yield slice(steps[-1].start, steps[0].stop), steps
                steps = []
            steps.append(slice(start, start + n))
        if steps:
            yield slice(steps[-1].start, steps[0].stop), steps

    def total(self, values: Array) -> Array:
        """The sum over the tokens of each row, (N, …) to (B, …)."""
        out = np.zeros((len(self.order), *values.shape[1:]), values.dtype)
        for n, start in zip(self.active, self.starts, strict=True):
            out[:n] += values[start : start + n]
        return out
