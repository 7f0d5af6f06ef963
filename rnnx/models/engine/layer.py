"""A cell run along a batch of texts, in one direction, and backwards.

Arrays here are time-major and their rows are sorted by falling length, so that the rows running at step t are
the first ``active[t]`` ones and padding is never computed: a reverse direction takes up each row where its
text ends.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rnnx.models.engine.cells import Cell
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
    """What a forward pass leaves, by token: the state before and after reading it, both (T, parts, B, H), and
    saved (T, B, saved·H); active (T,).

    A row that is not running keeps its state: read forwards, ``after[-1]`` is the final state of every row;
    backwards, ``after[0]`` is, and padding has a state of 0.
    """

    before: Array
    after: Array
    saved: Array
    active: Integers

    @property
    def h(self) -> Array:
        """Hidden outputs, (T, B, H)."""
        return self.after[:, 0]


def forward(layer: Layer, x: Array, active: Integers, start: Array | None = None) -> Run:
    """Run over x (T, B, E) from the state ``start`` (parts, B, H), zero if absent."""
    steps, rows, _ = x.shape
    cell, size = layer.cell, layer.size
    px = x @ layer.w + layer.w_bias
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
    return Run(before, after, saved, active)


def backward(layer: Layer, run: Run, dh: Array) -> tuple[Array, Array]:
    """From dh (T, B, H), what comes onto each h_t from above, to d / d x (T, B, E).

    Also gives the adjoints d score / d state after each step, (T, parts, B, H): all that flows into that
    state, from above and from later steps.
    """
    d = np.zeros_like(run.after[0])
    dp = np.zeros((*run.saved.shape[:2], layer.cell.gates * layer.size), dh.dtype)
    adjoints = np.zeros_like(run.after)
    for t in reversed(layer.order(len(dh))):
        n = run.active[t]
        d[0, :n] += dh[t, :n]
        adjoints[t, :, :n] = d[:, :n]
        px, ph, past = layer.cell.back(d[:, :n], run.saved[t, :n], run.before[t, :, :n])
        dp[t, :n] = px
        for part, value in enumerate(past):
            d[part, :n] = value
        d[0, :n] += ph @ layer.u.T
    return dp @ layer.w.T, adjoints


def jacobians(layer: Layer, run: Run) -> Array:
    """dh_t / dx_t of each step alone, the state before it held fixed: (T, B, H, E).

    A unit's output depends on its own pre-activations only, so one backward of the step gives all rows.
    """
    steps, rows, size = run.h.shape
    before = run.before.swapaxes(0, 1).reshape(layer.cell.parts, steps * rows, size)
    d = np.zeros_like(before)
    d[0] = 1
    dp, _, _ = layer.cell.back(d, run.saved.reshape(steps * rows, -1), before)
    by_gate = dp.reshape(steps * rows, layer.cell.gates, size)
    weights = layer.w.reshape(-1, layer.cell.gates, size)  # (E, gates, H)
    found: Array = np.einsum("ngh,egh->nhe", by_gate, weights, optimize=True)
    return found.reshape(steps, rows, size, -1)


def gates(layer: Layer, run: Run) -> dict[str, Array]:
    """Each gate's value at each step by its name, (T, B, H); 0 on padding."""
    blocks = np.split(run.saved, layer.cell.saved, axis=2)
    return dict(zip(layer.cell.names, blocks, strict=False))
