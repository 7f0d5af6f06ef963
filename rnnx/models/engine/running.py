"""What a pooling keeps of texts that grow token by token, slot by slot (see ``trie``).

Each has ``kept``, arrays (S, …) that a new branch takes over from its parent. ``add`` takes the states h (n, H) that
some slots have just reached, ``outputs`` gives what these states make of the logits if the texts end here, (S, C): the
pooled vector times the output weights (H, C), without the bias.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from rnnx.models.engine import pooling
from rnnx.models.engine.pooling import Pooling
from rnnx.models.protocols import Array, Integers

Rows = slice | Integers
RISE = 8.0  # how far a score may be above the one that weights are relative to, so that sums are rescaled seldom


class Running(Protocol):
    """What one pooling keeps."""

    @property
    def kept(self) -> tuple[Array, ...]:
        """(S, …) each."""

    def add(self, rows: Rows, h: Array) -> None:
        """One more token of the slots ``rows``."""

    def outputs(self, h: Array) -> Array:
        """(S, C), from the last states (S, H)."""


class Last:
    """The last state, which the walk itself keeps."""

    kept = ()

    def __init__(self, w_out: Array) -> None:
        self.w_out = w_out

    def add(self, rows: Rows, h: Array) -> None:
        """Nothing to keep."""

    def outputs(self, h: Array) -> Array:
        """Of the states."""
        out: Array = h @ self.w_out
        return out


class Mean:
    """Sum and number."""

    def __init__(self, w_out: Array, slots: int) -> None:
        self.w_out = w_out
        self.kept = np.zeros((slots, len(w_out)), w_out.dtype), np.zeros((slots, 1), w_out.dtype)

    def add(self, rows: Rows, h: Array) -> None:
        """To both."""
        total, count = self.kept
        total[rows] += h
        count[rows] += 1

    def outputs(self, h: Array) -> Array:
        """Of their ratio."""
        total, count = self.kept
        out: Array = (total / count) @ self.w_out
        return out


class Max:
    """The largest value of each unit."""

    def __init__(self, w_out: Array, slots: int) -> None:
        self.w_out = w_out
        self.kept = (np.full((slots, len(w_out)), -np.inf, w_out.dtype),)

    def add(self, rows: Rows, h: Array) -> None:
        """What is larger."""
        (largest,) = self.kept
        largest[rows] = np.maximum(largest[rows], h)

    def outputs(self, h: Array) -> Array:
        """Of the values."""
        out: Array = self.kept[0] @ self.w_out
        return out


class Attention:
    """Of a softmax over the tokens: numerator, denominator, and the score that both are relative to, head by head.

    The numerator is a sum of what the states make of the logits, not of the states: C numbers in place of H.
    """

    def __init__(self, attention: pooling.Attention, w_out: Array, slots: int) -> None:
        dtype, (units, classes), heads = w_out.dtype, w_out.shape, attention.queries.shape[1]
        own = np.arange(units)[:, None] % heads == np.arange(heads)
        outputs = (own[:, :, None] * w_out[:, None]).reshape(units, heads * classes)
        hidden = attention.hidden
        before = attention.queries if hidden is None else hidden.w
        self.width, self.queries = before.shape[1], None if hidden is None else attention.queries
        self.weights = np.concatenate([before, outputs], axis=1)
        self.bias = np.zeros(self.weights.shape[1], dtype)
        if hidden is not None:
            self.bias[: self.width] = hidden.b
        shape = slots, heads
        self.kept = np.zeros((*shape, classes), dtype), np.zeros(shape, dtype), np.full(shape, -np.inf, dtype)

    def add(self, rows: Rows, h: Array) -> None:
        """Weighed by its score."""
        projected = h @ self.weights
        projected += self.bias
        self.weigh(rows, projected)

    def weigh(self, rows: Rows, projected: Array) -> None:
        """Of states h, h @ ``weights`` + ``bias``: what they make of the scores' hidden layer and of the logits.

        It is overwritten.
        """
        summed, total, top = self.kept
        score, out = projected[:, : self.width], projected[:, self.width :]
        if self.queries is not None:
            score = np.tanh(score, out=score) @ self.queries
        (risen,) = np.nonzero((score > top[rows] + RISE).any(axis=1))
        if len(risen):
            self._rescale(np.arange(len(top))[rows][risen], np.maximum(score, top[rows])[risen])
        weight = np.exp(score - top[rows])
        summed[rows] += weight[:, :, None] * out.reshape(len(out), *summed.shape[1:])
        total[rows] += weight

    def _rescale(self, rows: Integers, score: Array) -> None:
        summed, total, top = self.kept
        faded = np.exp(top[rows] - score)
        summed[rows] *= faded[:, :, None]
        total[rows] *= faded
        top[rows] = score

    def outputs(self, h: Array | None = None) -> Array:
        """The ratio of the sums."""
        summed, total, _ = self.kept
        out: Array = (summed / total[:, :, None]).sum(1)
        return out


def running(kind: Pooling, w_out: Array, slots: int) -> Running:
    """What this pooling keeps of so many slots, whose states have the output weights ``w_out``."""
    if isinstance(kind, pooling.Attention):
        return Attention(kind, w_out, slots)
    if isinstance(kind, pooling.Last):
        return Last(w_out)
    return (Mean if isinstance(kind, pooling.Mean) else Max)(w_out, slots)
