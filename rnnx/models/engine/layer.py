"""A cell run along a batch of texts, and backwards.

Arrays here are time-major and their rows are sorted by falling length, so that the rows still running at
step t are the first ``active[t]`` ones and padding is never computed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rnnx.models.engine.cells import Cell
from rnnx.models.protocols import Array, Integers


@dataclass(frozen=True)
class Layer:
    """A cell with its weights: w (E, gates·H) for the input, u (H, gates·H) for the state, and their biases."""

    cell: Cell
    w: Array
    u: Array
    w_bias: Array
    u_bias: Array

    @property
    def size(self) -> int:
        """H."""
        return len(self.u)


@dataclass(frozen=True)
class Run:
    """What a forward pass leaves: states (T+1, parts, B, H), saved (T, B, saved·H), active (T,).

    A text that has ended keeps its last state, so ``states[-1]`` is the final state of every row.
    """

    states: Array
    saved: Array
    active: Integers

    @property
    def h(self) -> Array:
        """Hidden outputs, (T, B, H); after the end of a text its last one is repeated."""
        return self.states[1:, 0]


def forward(layer: Layer, x: Array, active: Integers, start: Array | None = None) -> Run:
    """Run over x (T, B, E) from the state ``start`` (parts, B, H), zero if absent."""
    steps, rows, _ = x.shape
    cell, size = layer.cell, layer.size
    px = x @ layer.w + layer.w_bias
    states = np.zeros((steps + 1, cell.parts, rows, size), x.dtype)
    saved = np.zeros((steps, rows, cell.saved * size), x.dtype)
    if start is not None:
        states[0] = start
    for t, n in enumerate(active):
        before = states[t, :, :n]
        ph = before[0] @ layer.u + layer.u_bias
        for part, value in enumerate(cell.step(px[t, :n], ph, before, saved[t, :n])):
            states[t + 1, part, :n] = value
        states[t + 1, :, n:] = states[t, :, n:]
    return Run(states, saved, active)


def backward(layer: Layer, run: Run, dh: Array) -> tuple[Array, Array]:
    """From dh (T, B, H), what comes onto each h_t from above, to d / d x (T, B, E).

    Also gives the adjoints d score / d state after each step, (T, parts, B, H): all that flows into that
    state, from above and from later steps.
    """
    d = np.zeros_like(run.states[0])
    dp = np.zeros((*run.saved.shape[:2], layer.cell.gates * layer.size), dh.dtype)
    adjoints = np.zeros_like(run.states[1:])
    for t in reversed(range(len(dh))):
        n = run.active[t]
        d[0, :n] += dh[t, :n]
        adjoints[t, :, :n] = d[:, :n]
        px, ph, past = layer.cell.back(d[:, :n], run.saved[t, :n], run.states[t, :, :n])
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
    before = run.states[:-1].swapaxes(0, 1).reshape(layer.cell.parts, steps * rows, size)
    d = np.zeros_like(before)
    d[0] = 1
    dp, _, _ = layer.cell.back(d, run.saved.reshape(steps * rows, -1), before)
    by_gate = dp.reshape(steps * rows, layer.cell.gates, size)
    weights = layer.w.reshape(-1, layer.cell.gates, size)  # (E, gates, H)
    found: Array = np.einsum("ngh,egh->nhe", by_gate, weights, optimize=True)
    return found.reshape(steps, rows, size, -1)
