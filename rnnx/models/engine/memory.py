"""How much of earlier states is left in the state where the reading ends: the Jacobians dh_end / d state_t.

They are products of the Jacobians of the steps between, taken from the end backwards. A step works unit by unit but
for the product with the state's weights, so that the cell's own backward with ones gives all of its slopes at once.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from rnnx.models.algebra import largest_singular_value
from rnnx.models.engine.layer import Layer, Run
from rnnx.models.engine.network import Network
from rnnx.models.protocols import Array, Integers


def memory(network: Network, x: Array, lengths: Integers, layer: int = -1) -> Array:
    """``Recurrent.memory``, from embeddings x (B, T, E). Raises UnknownName for a layer that is not there."""
    network.check(layer)
    done = network.forward(x, lengths)
    found = [gains(*each) for each in zip(network.levels[layer], done.runs[layer], strict=True)]
    return done.restore(np.stack(found, axis=2))


def gains(layer: Layer, run: Run) -> Array:
    """The largest singular values of dh_end / d each part of the state after each step, (T, B, parts)."""
    steps, parts, rows, _ = run.after.shape
    found = np.zeros((steps, rows, parts), run.after.dtype)
    through, past = slopes(layer, run)
    for row, length in enumerate((run.active[:, None] > np.arange(rows)).sum(0)):
        of_row = jacobians(layer, through[:, :length, row], past[:, :, :length, row])
        for t, jacobian in zip(reversed(layer.order(length)), of_row, strict=True):
            found[t, row] = largest_singular_value(jacobian)
    return found


def slopes(layer: Layer, run: Run) -> tuple[Array, Array]:
    """The derivatives of each step alone, unit by unit.

    Of each part of the new state by the state's share of the pre-activations, (parts, T, B, gates·H), and by each
    part of the state before on the way past those, (parts, parts, T, B, H).
    """
    cell, (steps, rows, size) = layer.cell, run.h.shape
    moments = run.moments()
    through, past = [], []
    for part in range(cell.parts):
        ones = np.zeros_like(moments.before)
        ones[part] = 1
        _, ph, rest = cell.back(ones, [moments])
        through.append(ph.reshape(steps, rows, -1))
        past.append(np.stack(rest).reshape(cell.parts, steps, rows, size))
    return np.stack(through), np.stack(past)


def jacobians(layer: Layer, through: Array, past: Array) -> Iterator[Array]:
    """dh_end / d each part of the state (parts, H, H) of one text, after its last step read, the one before, and so on.

    From the slopes of its steps, (parts, T, gates·H) and (parts, parts, T, H).
    """
    parts, steps, _ = through.shape
    size = layer.size
    now = np.zeros((parts, size, size), through.dtype)
    now[0] = np.eye(size)
    for t in reversed(layer.order(steps)):
        yield now
        gates = through[:, t].reshape(parts, -1, size)
        shares = sum(now[p][:, None] * gates[p] for p in range(parts))  # dh_end / d pre-activations, (H, gates, H)
        now = np.stack([sum(now[p] * past[p, q, t] for p in range(parts)) for q in range(parts)])
        now[0] += shares.reshape(size, -1) @ layer.u.T
