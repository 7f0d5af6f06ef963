"""Layers, pooling and output composed: logits from embeddings, and the gradient back to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np

from rnnx.errors import UnknownName
from rnnx.models.engine import layer as layers
from rnnx.models.engine.layer import Flow, Layer, Run
from rnnx.models.engine.pooling import Pooled, Pooling
from rnnx.models.engine.rules import GRADIENT, Rule
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

    def check(self, layer: int) -> None:
        """Raise UnknownName for a layer that is not there."""
        if not -len(self.levels) <= layer < len(self.levels):
            raise UnknownName("layer", layer, map(str, range(len(self.levels))))

    def forward(self, x: Array, lengths: Integers, start: State | None = None) -> Pass:
        """Run over embeddings x (B, T, E), from ``start`` if a text is resumed in the middle."""
        order = np.argsort(-lengths, kind="stable")
        return self.read(self.project(x[order]), lengths, order, start)

    def project(self, x: Array) -> list[Array]:
        """What each direction of the bottom level makes of embeddings (B, T, E): (T, B, gates·H), linear in them."""
        h = np.ascontiguousarray(x.swapaxes(0, 1))
        return [layers.project(layer, h) for layer in self.levels[0]]

    def read(self, px: Sequence[Array], lengths: Integers, order: Integers, start: State | None = None) -> Pass:
        """Run over projected inputs, whose rows are sorted by falling length: row i is text ``order[i]``."""
        mask = np.arange(len(px[0]))[:, None] < lengths[order]
        active = mask.sum(1)
        runs: list[tuple[Run, ...]] = []
        for i, level in enumerate(self.levels):
            begin = None if start is None else start.layers[i][:, order]
            runs.append(tuple(layers.forward(*each, active, begin) for each in zip(level, px, strict=True)))
            h = beside([run.h for run in runs[-1]])
            px = [layers.project(layer, h) for layer in self.levels[i + 1]] if i + 1 < len(self.levels) else []
        memory = () if start is None else tuple(part[order] for part in start.memory)
        pooled = self.pooling.forward(h, mask, memory)
        back = np.argsort(order)
        state = None
        if self.resumable:
            state = State(tuple(r.after[-1][:, back] for (r,) in runs), tuple(part[back] for part in pooled.memory))
        logits = (pooled.vector @ self.w_out + self.b_out)[back]
        return Pass(logits, state, tuple(runs), pooled, order)

    def backward(self, done: Pass, cotangent: Array, rule: Rule = GRADIENT, base: Pass | None = None) -> Back:
        """D score / d x from d score / d logits (B, C), or what another rule has in its place.

        ``base`` is the pass over the baseline, of the same lengths, for a rule that compares with one.
        """
        passes = [done] if base is None else [done, base]
        tops = [(beside([run.h for run in p.runs[-1]]), p.pooled) for p in passes]
        d = self.pooling.backward(cotangent[done.order] @ self.w_out.T, tops, rule)
        bias = np.zeros(len(cotangent), d.dtype)
        for i in reversed(range(len(self.levels))):
            level, shares = self.levels[i], np.split(d, len(self.levels[i]), axis=2)
            runs = zip(*(p.runs[i] for p in passes), strict=True)  # of each direction
            flows = [layers.backward(*each, rule) for each in zip(level, runs, shares, strict=True)]
            bias[done.order] += reduce(np.add, [flow.bias for flow in flows])
            if i:
                d = _input(level, flows)
        return Back(done, level, flows, bias)


@dataclass(frozen=True)
class Back:
    """What a backward pass gives: the bottom level's ``flows``, one a direction, sorted; of all biases below the
    output's their share (B,), where the rule gives them one.
    """

    done: Pass
    level: Level
    flows: Sequence[Flow]
    bias: Array

    @property
    def x(self) -> Array:
        """D score / d x, (B, T, E)."""
        return self.done.restore(_input(self.level, self.flows))


def _input(level: Level, flows: Sequence[Flow]) -> Array:
    return reduce(np.add, [flow.px @ layer.w.T for layer, flow in zip(level, flows, strict=True)])


def beside(directions: Sequence[Array]) -> Array:
    """Side by side along the units, the last axis."""
    return directions[0] if len(directions) == 1 else np.concatenate(directions, axis=-1)
