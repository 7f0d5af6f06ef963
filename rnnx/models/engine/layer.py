"""A cell run along a batch of texts, in one direction, and backwards.

Arrays here are time-major and their rows are sorted by falling length, so that the rows running at step t are
the first ``active[t]`` ones and padding is never computed: a reverse direction takes up each row where its
text ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rnnx.models.engine.cells import Cell, Moment
from rnnx.models.engine.rules import GRADIENT, Rule
from rnnx.models.protocols import Array, Integers


@dataclass(frozen=True)
class Layer:
    """A cell with its weights: w (E, gates·H) for the input, u (H, gates·H) for the state, and their biases.

    ``reverse`` reads each text from its last token to its first.
    """

    cell: Cell
    w: Array
    u: Array
    w_bias: Array
    u_bias: Array
    reverse: bool = False

    @property
    def size(self) -> int:
        """H."""
        return len(self.u)

    def order(self, steps: int) -> range:
        """The steps in the order of reading."""
        return range(steps)[:: -1 if self.reverse else 1]


@dataclass(frozen=True)
class Run:
    """What a forward pass leaves, by token: the input's share of the pre-activations px (T, B, gates·H), the state
    before and after reading it, both (T, parts, B, H), and saved (T, B, saved·H); active (T,).

    A row that is not running keeps its state: read forwards, ``after[-1]`` is the final state of every row;
    backwards, ``after[0]`` is, and padding has a state of 0.
    """

    px: Array
    before: Array
    after: Array
    saved: Array
    active: Integers

    @property
    def h(self) -> Array:
        """Hidden outputs, (T, B, H)."""
        return self.after[:, 0]

    def moment(self, t: int, n: int, pre: Array | None = None) -> Moment:
        """What step t left of the first n rows."""
        return Moment(
            self.saved[t, :n], self.before[t, :, :n], self.after[t, :, :n], None if pre is None else pre[t, :n]
        )

    def moments(self) -> Moment:
        """What all steps left, as T·B rows of one."""
        steps, parts, rows, size = self.after.shape
        before, after = (s.swapaxes(0, 1).reshape(parts, steps * rows, size) for s in (self.before, self.after))
        return Moment(self.saved.reshape(steps * rows, -1), before, after)


@dataclass(frozen=True)
class Flow:
    """What a backward pass gives: d score / d px (T, B, gates·H), the adjoints d score / d state after each step
    (T, parts, B, H), which are all that flows into that state from above and from later steps, and, of a rule that
    sees the pre-activations, what the biases get (B,).
    """

    px: Array
    adjoints: Array
    bias: Array


def project(layer: Layer, x: Array) -> Array:
    """The input's share of the pre-activations, (T, B, gates·H), of x (T, B, E)."""
    px: Array = x @ layer.w + layer.w_bias
    return px


def forward(layer: Layer, px: Array, active: Integers, start: Array | None = None) -> Run:
    """Run over projected inputs from the state ``start`` (parts, B, H), zero if absent."""
    steps, rows, _ = px.shape
    cell, size = layer.cell, layer.size
    states = np.zeros((steps + 1, cell.parts, rows, size), px.dtype)
    saved = np.zeros((steps, rows, cell.saved * size), px.dtype)
    before, after = (states[1:], states[:-1]) if layer.reverse else (states[:-1], states[1:])
    if start is not None:
        before[layer.order(steps)[0]] = start
    for t in layer.order(steps):
        n = active[t]
        state = before[t, :, :n]
        ph = state[0] @ layer.u + layer.u_bias
        for part, value in enumerate(cell.step(px[t, :n], ph, state, saved[t, :n])):
            after[t, part, :n] = value
        after[t, :, n:] = before[t, :, n:]
    return Run(px, before, after, saved, active)


def backward(layer: Layer, runs: Sequence[Run], dh: Array, rule: Rule = GRADIENT) -> Flow:
    """From dh (T, B, H), what comes onto each h_t from above; ``runs`` as the rule wants them, see ``Cell.back``."""
    run = runs[0]
    pre = [_pre(layer, r) if rule.sees else None for r in runs]
    d, dp = np.zeros_like(run.after[0]), np.zeros_like(run.px)
    adjoints, bias = np.zeros_like(run.after), np.zeros(run.px.shape[1], run.px.dtype)
    for t in reversed(layer.order(len(dh))):
        n = run.active[t]
        d[0, :n] += dh[t, :n]
        adjoints[t, :, :n] = d[:, :n]
        px, ph, past = layer.cell.back(d[:, :n], [r.moment(t, n, p) for r, p in zip(runs, pre, strict=True)], rule)
        dp[t, :n] = px
        for part, value in enumerate(past):
            d[part, :n] = value
        d[0, :n] += ph @ layer.u.T
        if rule.sees:
            bias[:n] += px @ layer.w_bias + ph @ layer.u_bias
    return Flow(dp, adjoints, bias)


def _pre(layer: Layer, run: Run) -> Array:
    """The pre-activations of all steps at once."""
    return layer.cell.pre(run.px, run.before[:, 0] @ layer.u + layer.u_bias, run.saved)


def jacobians(layer: Layer, run: Run) -> Array:
    """dh_t / dx_t of each step alone, the state before it held fixed: (T, B, H, E).

    A unit's output depends on its own pre-activations only, so one backward of the step gives all rows.
    """
    steps, rows, size = run.h.shape
    moments = run.moments()
    d = np.zeros_like(moments.before)
    d[0] = 1
    dp, _, _ = layer.cell.back(d, [moments])
    by_gate = dp.reshape(steps * rows, layer.cell.gates, size)
    weights = layer.w.reshape(-1, layer.cell.gates, size)  # (E, gates, H)
    found: Array = np.einsum("ngh,egh->nhe", by_gate, weights, optimize=True)
    return found.reshape(steps, rows, size, -1)


def gates(layer: Layer, run: Run) -> dict[str, Array]:
    """Each gate's value at each step by its name, (T, B, H); 0 on padding."""
    blocks = np.split(run.saved, layer.cell.saved, axis=2)
    return dict(zip(layer.cell.names, blocks, strict=False))
