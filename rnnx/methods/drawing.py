"""Means over random draws, for each text as many as it needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from rnnx.methods.sampling import standard_error
from rnnx.models.protocols import Array, Batch, Integers
from rnnx.models.seeds import Rngs

ROUND = 16  # draws between two looks at the error, unless a method says otherwise
Draw = Callable[[Batch, Integers, Rngs, int], Array]


class Drawn(NamedTuple):
    """Means (B, T, Q) over the draws of each text, their standard errors, and how many draws there were, (B,)."""

    mean: Array
    error: Array
    draws: Array

    def diagnostics(self, batch: Batch) -> dict[str, Array]:
        """How far chance moves the first quantity, and the draws."""
        return {**standard_error(self.error[:, :, 0], batch, int(self.draws.max(initial=1))), "draws": self.draws}


def until(draw: Draw, batch: Batch, rngs: Rngs, samples: int, tolerance: float, size: int = ROUND) -> Drawn:
    """Means over at most ``samples`` draws; a text has enough of them when the mean of its standard errors is no more
    than the share ``tolerance`` of its largest absolute mean, both of the first quantity.

    ``draw`` gives the values (n, count, T, Q) of so many draws for some of the texts, each with its generator;
    ``size`` are made between two looks at the error.
    """
    rows, done, sums = np.arange(len(batch.ids)), 0, np.zeros(1)
    while len(rows) and done < samples:
        count = min(size, samples - done)
        values = draw(_chosen(batch, rows), rows, [rngs[i] for i in rows.tolist()], count).astype(np.float64)
        if not done:
            sums = np.zeros((2, *values.shape[:1], *values.shape[2:]))
            error, draws = np.zeros_like(sums[0]), np.zeros(len(rows), int)
        sums[:, rows] += values.sum(axis=1), (values**2).sum(axis=1)
        draws[rows] = done = done + count
        mean, squares = sums[:, rows] / done
        error[rows] = np.sqrt((squares - mean**2).clip(0) / max(1, done - 1))
        missing = error[rows, :, 0].sum(axis=1) / batch.lengths[rows]
        rows = rows[missing > tolerance * np.abs(mean[:, :, 0]).max(axis=1)]
    return Drawn(sums[0] / draws[:, None, None], error, draws)


def _chosen(batch: Batch, rows: Integers) -> Batch:
    tokens = [batch.tokens[i] for i in rows.tolist()] if batch.tokens else ()
    return Batch(batch.ids[rows], batch.lengths[rows], tokens)
