"""A cell run along a batch of texts, in one direction, and backwards.

Arrays have one row a token, see ``packing``. A reverse direction is a forward one over texts that are turned round.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from rnnx.models.engine.cells import Cell, Moment
from rnnx.models.engine.packing import Packing
from rnnx.models.engine.rules import GRADIENT, Rule
from rnnx.models.protocols import Array, Integers

# The input's share of the pre-activations, (gates, n, H), of tokens in the order of reading.
Inputs = Callable[[slice], Array]

ALL = slice(None)
CHUNK = 512  # tokens whose slopes are computed together: they should stay in the cache until they are used


@dataclass(frozen=True)
class Layer:
    """A cell with its weights: w (gates, E, H) for the input, u (gates, H, H) for the state, and biases (gates, 1, H).

    ``reverse`` reads each text from its last token to its first.
    """

    cell: Cell
    w: Array
    u: Array
    w_bias: Array
    u_bias: Array
    reverse: bool = False

    @cached_property
    def size(self) -> int:
        """H."""
        return len(self.u[0])

    @cached_property
    def bias(self) -> Array:
        """What the input's share has for a bias: both where a gate sees but the sum of the shares."""
        sums = self.cell.gates - self.cell.apart
        return np.concatenate([self.w_bias[:sums] + self.u_bias[:sums], self.w_bias[sums:]])

    def recur(self, h: Array, out: Array | None = None) -> Array:
        """The state's share of the pre-activations, (gates, n, H), of h (n, H)."""
        ph: Array = np.matmul(h, self.u, out=out)
        if self.cell.apart:
            ph[-self.cell.apart :] += self.u_bias[-self.cell.apart :]
        return ph


@dataclass(frozen=True)
class Run:
    """What a forward pass of a layer leaves, in the order of reading: px, the input's share of the pre-activations,
    states (parts, B + N, H), first those that the rows began in, then the state after each token, and saved
    (saved, N, H).
    """

    packing: Packing
    reverse: bool
    px: Inputs
    states: Array
    saved: Array

    @property
    def after(self) -> Array:
        """The states after reading each token, (parts, N, H), in the order of the text."""
        return self.told(self.states[:, len(self.packing.order) :])

    @property
    def h(self) -> Array:
        """Hidden outputs, (N, H), in the order of the text."""
        return self.told(self.states[0, len(self.packing.order) :])

    @property
    def final(self) -> Array:
        """The states in which the rows end, (parts, B, H)."""
        return self.states[:, len(self.packing.order) + self.packing.last]

    def told(self, values: Array) -> Array:
        """What is in the order of reading in that of the text, (…, N, H), and back."""
        return values.take(self.packing.turned, -2) if self.reverse else values

    def before(self, tokens: slice = ALL) -> Array:
        """The states before reading each token, (parts, N, H)."""
        return self.states.take(self.packing.earlier[tokens], 1)

    def moments(self, tokens: slice = ALL) -> Moment:
        """What the steps of these tokens left."""
        return Moment(self.saved[:, tokens], self.before(tokens), self.states[:, len(self.packing.order) :][:, tokens])


def project(layer: Layer, x: Array) -> Array:
    """The input's share of the pre-activations, (gates, N, H), of x (N, E)."""
    px: Array = x @ layer.w
    px += layer.bias
    return px


def read(layer: Layer, x: Array, packing: Packing) -> Inputs:
    """The input's share of x (N, E), computed when it is asked for: kept, it would be most of a pass's memory."""
    turned = x[packing.turned] if layer.reverse else x
    return lambda tokens: project(layer, turned[tokens])


def looked_up(px: Array, which: Integers) -> Inputs:
    """The input's share, one of the rows of px (gates, …, H) for each token in the order of reading."""
    return lambda tokens: px.take(which[tokens], 1)


def forward(layer: Layer, px: Inputs, packing: Packing, start: Array | None = None, keep: bool = True) -> Run:
    """Run over projected inputs from the state ``start`` (parts, B, H), zero if absent.

    Without ``keep`` nothing is saved for a backward pass.
    """
    cell, rows, tokens = layer.cell, len(packing.order), len(packing.rows)
    states = np.empty((cell.parts, rows + tokens, layer.size), layer.u.dtype)
    states[:, :rows] = 0 if start is None else start
    saved = np.empty((cell.saved, tokens if keep else rows, layer.size), layer.u.dtype)
    ph, earlier = np.empty((cell.gates, rows, layer.size), layer.u.dtype), 0
    for n, first in zip(packing.active, packing.starts, strict=True):
        step, state = slice(first, first + n), states[:, earlier : earlier + n]
        earlier = rows + first
        left, after = saved[:, step if keep else slice(n)], states[:, earlier : earlier + n]
        cell.step(px(step), layer.recur(state[0], ph[:, :n]), state, left, after)
    return Run(packing, layer.reverse, px, states, saved if keep else saved[:, :0])


class Back(NamedTuple):
    """A step of a backward pass: its tokens, d score / d state after it (parts, n, H), d / d px and d / d ph, both
    (gates, n, H).
    """

    step: slice
    state: Array
    px: Array
    ph: Array


def descend(layer: Layer, runs: Sequence[Run], dh: Array, rule: Rule = GRADIENT) -> Iterator[Back]:
    """Step by step from the last one read, from dh (N, H), what comes onto each h_t from above.

    ``runs`` as the rule wants them, see ``Cell.slopes``. The arrays of a step are good until the next.
    """
    run, cell, packing = runs[0], layer.cell, runs[0].packing
    dh, back = run.told(dh), np.ascontiguousarray(layer.u.swapaxes(1, 2))
    d = np.zeros((cell.parts, len(packing.order), layer.size), dh.dtype)
    for tokens, steps in packing.chunks(CHUNK):
        slopes = cell.slopes([_seen(layer, r, tokens, rule) for r in runs], rule)
        for step in steps:
            state = d[:, : step.stop - step.start]
            state[0] += dh[step]
            px, ph, past = cell.back(state, slopes[:, step.start - tokens.start : step.stop - tokens.start])
            yield Back(step, state, px, ph)
            for part, value in zip(state, past, strict=True):
                part[:] = value
            state[0] += (ph @ back).sum(0)


def backward(layer: Layer, runs: Sequence[Run], dh: Array, rule: Rule = GRADIENT) -> tuple[Array, Array]:
    """D score / d the input (N, E), and, of a rule that sees the pre-activations, what the biases get (B,), by row."""
    w = np.ascontiguousarray(layer.w.swapaxes(1, 2))
    dx, bias = np.empty((len(dh), w.shape[2]), dh.dtype), np.zeros(len(runs[0].packing.order), dh.dtype)
    for step, _, px, ph in descend(layer, runs, dh, rule):
        np.add.reduce(px @ w, out=dx[step])
        if rule.sees:
            bias[: px.shape[1]] += (px * layer.w_bias + ph * layer.u_bias).sum((0, 2))
    return runs[0].told(dx), bias


def adjoints(layer: Layer, run: Run, dh: Array) -> Array:
    """D score / d state after each token (parts, N, H): all that flows into it from above and from later steps."""
    found = np.empty((layer.cell.parts, *dh.shape), dh.dtype)
    for step, state, _, _ in descend(layer, [run], dh):
        found[:, step] = state
    return run.told(found)


def _seen(layer: Layer, run: Run, tokens: slice, rule: Rule) -> Moment:
    """What the steps of these tokens left, with their pre-activations for a rule that sees them."""
    moment = run.moments(tokens)
    if not rule.sees:
        return moment
    return moment._replace(pre=layer.cell.pre(run.px(tokens), layer.recur(moment.before[0]), moment.saved))


def jacobians(layer: Layer, run: Run) -> Array:
    """dh_t / dx_t of each step alone, the state before it held fixed: (N, H, E).

    A unit's output depends on its own pre-activations only, so one backward of the step gives all rows.
    """
    moments = run.moments()
    d = np.zeros_like(moments.before)
    d[0] = 1
    dp, _, _ = layer.cell.back(d, layer.cell.slopes([moments]))
    found: Array = np.einsum("gnh,geh->nhe", run.told(dp), layer.w, optimize=True)
    return found


def gates(layer: Layer, run: Run) -> dict[str, Array]:
    """Each gate's value at each token by its name, (N, H)."""
    return dict(zip(layer.cell.names, run.told(run.saved), strict=False))
