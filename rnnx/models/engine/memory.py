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
    return done.packing.restore(np.stack(found, axis=1))


def gains(layer: Layer, run: Run) -> Array:
    """The largest singular values of dh_end / d each part of the state after each token, (N, parts)."""
    packing, (through, past) = run.packing, slopes(layer, run)
    found = np.zeros((run.saved.shape[1], layer.cell.parts), run.saved.dtype)
    for row, length in enumerate(packing.lengths):
        own = packing.at(np.arange(length), np.full(length, row))
        for token, jacobian in zip(own[::-1], jacobians(layer, through[:, :, own], past[:, :, own]), strict=True):
            found[token] = largest_singular_value(jacobian)
    return run.told(found)


def slopes(layer: Layer, run: Run) -> tuple[Array, Array]:
    """The derivatives of each step alone, unit by unit, in the order of reading.

    Of each part of the new state by the state's share of the pre-activations, (parts, gates, N, H), and by each
    part of the state before on the way past those, (parts, parts, N, H).
    """
    moments = run.moments()
    table = layer.cell.slopes([moments])
    through, past = [], []
    for part in range(layer.cell.parts):
        ones = np.zeros_like(moments.before)
        ones[part] = 1
        _, ph, rest = layer.cell.back(ones, table)
        through.append(ph)
        past.append(np.stack([np.broadcast_to(value, table[0].shape) for value in rest]))
    return np.stack(through), np.stack(past)


def jacobians(layer: Layer, through: Array, past: Array) -> Iterator[Array]:
    """dh_end / d each part of the state (parts, H, H) of one text, after its last step read, the one before, and so on.

    From the slopes of its steps in the order of reading, (parts, gates, T, H) and (parts, parts, T, H).
    """
    parts, _, steps, size = through.shape
    now = np.zeros((parts, size, size), through.dtype)
    now[0] = np.eye(size)
    for t in reversed(range(steps)):
        yield now
        shares = sum(now[p] * through[p, :, t, None] for p in range(parts))  # dh_end / d pre-activations, (gates, H, H)
        now = np.stack([sum(now[p] * past[p, q, t] for p in range(parts)) for q in range(parts)])
        now[0] += (shares @ layer.u.swapaxes(1, 2)).sum(0)
