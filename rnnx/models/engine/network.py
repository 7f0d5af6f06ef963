"""Layers, pooling and output composed: logits from embeddings, and the gradient back to them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rnnx.models.engine import layer as layers
from rnnx.models.engine.layer import Layer, Run
from rnnx.models.engine.pooling import Pooled, Pooling
from rnnx.models.protocols import Array, Integers, State


@dataclass(frozen=True)
class Pass:
    """A forward pass: logits (B, C) and final state in the caller's order, the rest time-major and sorted."""

    logits: Array
    state: State
    runs: tuple[Run, ...]
    pooled: Pooled
    order: Integers  # sorted row -> caller's row

    def restore(self, array: Array) -> Array:
        """(T, B, …) sorted to (B, T, …) in the caller's order."""
        out = np.empty((array.shape[1], array.shape[0], *array.shape[2:]), array.dtype)
        out[self.order] = array.swapaxes(0, 1)
        return out


@dataclass(frozen=True)
class Network:
    """Embedding (V, E), recurrent layers, pooling, and output weights (H, C) and bias (C,)."""

    embedding: Array
    layers: tuple[Layer, ...]
    pooling: Pooling
    w_out: Array
    b_out: Array

    def forward(self, x: Array, lengths: Integers, start: State | None = None) -> Pass:
        """Run over embeddings x (B, T, E), from ``start`` if a text is resumed in the middle."""
        order = np.argsort(-lengths, kind="stable")
        h = np.ascontiguousarray(x[order].swapaxes(0, 1))
        mask = np.arange(len(h))[:, None] < lengths[order]
        runs: list[Run] = []
        for i, layer in enumerate(self.layers):
            begin = None if start is None else start.layers[i][:, order]
            runs.append(layers.forward(layer, h, mask.sum(1), begin))
            h = runs[-1].h
        memory = () if start is None else tuple(part[order] for part in start.memory)
        pooled = self.pooling.forward(h, mask, memory)
        back = np.argsort(order)
        state = State(tuple(r.states[-1][:, back] for r in runs), tuple(part[back] for part in pooled.memory))
        logits = (pooled.vector @ self.w_out + self.b_out)[back]
        return Pass(logits, state, tuple(runs), pooled, order)

    def backward(self, done: Pass, cotangent: Array) -> tuple[Array, list[Array]]:
        """D score / d x, (B, T, E), from d score / d logits (B, C); with it each layer's adjoints, sorted."""
        d = self.pooling.backward(cotangent[done.order] @ self.w_out.T, done.runs[-1].h, done.pooled)
        adjoints: list[Array] = []
        for layer, run in zip(reversed(self.layers), reversed(done.runs), strict=True):
            d, adjoint = layers.backward(layer, run, d)
            adjoints.insert(0, adjoint)
        return done.restore(d), adjoints
