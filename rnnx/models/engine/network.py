"""Layers, pooling and output composed: logits from embeddings, and the gradient back to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np

from rnnx.models.engine import layer as layers
from rnnx.models.engine.layer import Layer, Run
from rnnx.models.engine.pooling import Pooled, Pooling
from rnnx.models.protocols import Array, Integers, State

Level = tuple[Layer, ...]  # the directions that read the same input, one or two


@dataclass(frozen=True)
class Pass:
    """A forward pass: logits (B, C) and final state in the caller's order, the rest time-major and sorted.

    ``runs`` has one a level and direction. ``state`` is None where a reverse direction has read the end first.
    """

    logits: Array
    state: State | None
    runs: tuple[tuple[Run, ...], ...]
    pooled: Pooled
    order: Integers  # sorted row -> caller's row

    def restore(self, array: Array) -> Array:
        """(T, B, …) sorted to (B, T, …) in the caller's order."""
        out = np.empty((array.shape[1], array.shape[0], *array.shape[2:]), array.dtype)
        out[self.order] = array.swapaxes(0, 1)
        return out


@dataclass(frozen=True)
class Network:
    """Embedding (V, E), recurrent levels, pooling, and output weights (H, C) and bias (C,).

    H here counts both directions, where there are two. All is computed in the precision of the weights.
    """

    embedding: Array
    levels: tuple[Level, ...]
    pooling: Pooling
    w_out: Array
    b_out: Array

    @property
    def resumable(self) -> bool:
        """Whether a text can be read on from a cached state: no direction starts at its end."""
        return not any(layer.reverse for level in self.levels for layer in level)

    def forward(self, x: Array, lengths: Integers, start: State | None = None) -> Pass:
        """Run over embeddings x (B, T, E), from ``start`` if a text is resumed in the middle."""
        order = np.argsort(-lengths, kind="stable")
        h = np.ascontiguousarray(x[order].swapaxes(0, 1))
        mask = np.arange(len(h))[:, None] < lengths[order]
        active = mask.sum(1)
        runs: list[tuple[Run, ...]] = []
        for i, level in enumerate(self.levels):
            begin = None if start is None else start.layers[i][:, order]
            runs.append(tuple(layers.forward(layer, h, active, begin) for layer in level))
            h = beside([run.h for run in runs[-1]])
        memory = () if start is None else tuple(part[order] for part in start.memory)
        pooled = self.pooling.forward(h, mask, memory)
        back = np.argsort(order)
        state = None
        if self.resumable:
            state = State(tuple(r.after[-1][:, back] for (r,) in runs), tuple(part[back] for part in pooled.memory))
        logits = (pooled.vector @ self.w_out + self.b_out)[back]
        return Pass(logits, state, tuple(runs), pooled, order)

    def backward(self, done: Pass, cotangent: Array) -> tuple[Array, list[Array]]:
        """D score / d x, (B, T, E), from d score / d logits (B, C).

        With it the adjoints of the bottom level, sorted, one a direction.
        """
        h = beside([run.h for run in done.runs[-1]])
        d = self.pooling.backward(cotangent[done.order] @ self.w_out.T, h, done.pooled)
        adjoints: list[Array] = []
        for level, runs in zip(reversed(self.levels), reversed(done.runs), strict=True):
            shares = np.split(d, len(level), axis=2)
            found = [layers.backward(*each) for each in zip(level, runs, shares, strict=True)]
            d = reduce(np.add, [dx for dx, _ in found])
            adjoints = [adjoint for _, adjoint in found]
        return done.restore(d), adjoints


def beside(directions: Sequence[Array]) -> Array:
    """Side by side along the units, the last axis."""
    return directions[0] if len(directions) == 1 else np.concatenate(directions, axis=-1)
