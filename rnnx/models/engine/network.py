"""Layers, pooling and output composed: logits from embeddings, and the gradient back to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import reduce
from typing import Any

import numpy as np

from rnnx.errors import UnknownName
from rnnx.models.engine import layer as layers
from rnnx.models.engine.layer import Inputs, Layer, Run
from rnnx.models.engine.packing import Packing
from rnnx.models.engine.pooling import Pooled, Pooling
from rnnx.models.engine.rules import GRADIENT, Rule
from rnnx.models.protocols import Array, Integers, State

Level = tuple[Layer, ...]  # the directions that read the same input, one or two


@dataclass(frozen=True)
class Pass:
    """A forward pass: logits (B, C) and final state in the caller's order, the rest one row a token, as packed.

    ``runs`` has one a level and direction. ``state`` is None where a reverse direction has read the end first.
    """

    logits: Array
    state: State | None
    runs: tuple[tuple[Run, ...], ...]
    pooled: Pooled
    packing: Packing


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

    def double(self) -> Network:
        """The same without its embedding, in double precision."""
        found: Network = _double(replace(self, embedding=self.embedding[:0]))
        return found

    def check(self, layer: int) -> None:
        """Raise UnknownName for a layer that is not there."""
        if not -len(self.levels) <= layer < len(self.levels):
            raise UnknownName("layer", layer, map(str, range(len(self.levels))))

    def forward(self, x: Array, lengths: Integers, start: State | None = None) -> Pass:
        """Run over embeddings x (B, T, E), from ``start`` if a text is resumed in the middle."""
        packing = Packing.of(lengths)
        packed = packing.pack(x)
        return self.read([layers.read(layer, packed, packing) for layer in self.levels[0]], packing, start)

    def project(self, x: Array) -> list[Array]:
        """What each direction of the bottom level makes of embeddings (N, E): (gates, N, H), linear in them."""
        return [layers.project(layer, x) for layer in self.levels[0]]

    def read(self, px: Sequence[Inputs], packing: Packing, start: State | None = None, keep: bool = True) -> Pass:
        """Run over projected inputs; without ``keep`` there is no way back."""
        runs: list[tuple[Run, ...]] = []
        for i, level in enumerate(self.levels):
            begin = None if start is None else start.layers[i][:, packing.order]
            runs.append(tuple(layers.forward(*each, packing, begin, keep) for each in zip(level, px, strict=True)))
            h = beside([run.h for run in runs[-1]])
            above = self.levels[i + 1] if i + 1 < len(self.levels) else ()
            px = [layers.read(layer, h, packing) for layer in above]
        memory = () if start is None else tuple(part[packing.order] for part in start.memory)
        pooled, back = self.pooling.forward(h, packing, memory), packing.place
        state = None
        if self.resumable:
            state = State(tuple(r.final[:, back] for (r,) in runs), tuple(part[back] for part in pooled.memory))
        logits = (pooled.vector @ self.w_out + self.b_out)[back]
        return Pass(logits, state, tuple(runs), pooled, packing)

    def backward(
        self, done: Pass, cotangent: Array, rule: Rule = GRADIENT, base: Pass | None = None
    ) -> tuple[Array, Array]:
        """D score / d x (B, T, E) from d score / d logits (B, C), or what another rule has in its place.

        Also what the biases below the output get (B,), where the rule gives them something. ``base`` is the pass over
        the baseline, of the same lengths, for a rule that compares with one.
        """
        d, bias = self.descend(done, cotangent, rule, base)
        d = self._through(0, [done] if base is None else [done, base], d, rule, bias)
        return done.packing.restore(d), bias

    def descend(
        self, done: Pass, cotangent: Array, rule: Rule = GRADIENT, base: Pass | None = None
    ) -> tuple[Array, Array]:
        """The same down to the bottom level's states: d score / d h (N, H)."""
        passes = [done] if base is None else [done, base]
        tops = [(beside([run.h for run in p.runs[-1]]), p.pooled) for p in passes]
        d = self.pooling.backward(cotangent[done.packing.order] @ self.w_out.T, tops, done.packing, rule)
        bias = np.zeros(len(cotangent), d.dtype)
        for i in reversed(range(1, len(self.levels))):
            d = self._through(i, passes, d, rule, bias)
        return d, bias

    def _through(self, i: int, passes: Sequence[Pass], d: Array, rule: Rule, bias: Array) -> Array:
        """From d score / d the states of a level to d / d its input; what its biases get is added to ``bias``."""
        runs = zip(*(p.runs[i] for p in passes), strict=True)  # of each direction
        shares = zip(self.levels[i], runs, np.split(d, len(self.levels[i]), axis=1), strict=True)
        found, biases = zip(*(layers.backward(*each, rule) for each in shares), strict=True)
        bias[passes[0].packing.order] += reduce(np.add, biases)
        return reduce(np.add, found)


def _double(part: Any) -> Any:
    """Its arrays, and those of its parts."""
    if isinstance(part, np.ndarray):
        return part.astype(np.float64)
    if isinstance(part, tuple):
        return tuple(map(_double, part))
    if is_dataclass(part) and not isinstance(part, type):
        return replace(part, **{f.name: _double(getattr(part, f.name)) for f in fields(part)})
    return part


def beside(directions: Sequence[Array]) -> Array:
    """Side by side along the units, the last axis."""
    return directions[0] if len(directions) == 1 else np.concatenate(directions, axis=-1)
