"""What a token's own step changes in the state, and what that is worth: one token less, to the first order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rnnx.models.engine.layer import ALL, Layer, Run, descend, project
from rnnx.models.engine.network import Level
from rnnx.models.protocols import Array


def skipped(level: Level, runs: Sequence[Run], dh: Array, other: Array | None) -> Array:
    """By how much lower the score were if each token, by itself, had not been read, to the first order: (N,).

    The adjoint of the state after it times what this state would lack, summed over the directions of the bottom level.
    ``dh`` (N, H) is what flows into the states from above. ``other`` (E,) is read instead, or nothing if it is None.
    """
    shares = np.split(dh, len(level), axis=1)
    found: Array = sum((_skipped(*each, other) for each in zip(level, runs, shares, strict=True)), np.zeros(1))
    return found


def _skipped(layer: Layer, run: Run, dh: Array, other: Array | None) -> Array:
    found, after = np.empty((len(dh), 1), dh.dtype), run.moments(ALL).after
    for step, adjoint, _, _ in descend(layer, [run], dh):
        before = run.before(step)
        instead = before if other is None else _stepped(layer, before, other)
        found[step, 0] = (adjoint * (after[:, step] - instead)).sum((0, 2))
    return run.told(found)[:, 0]


def _stepped(layer: Layer, state: Array, x: Array) -> Array:
    """The state (parts, n, H) after one step over x (E,)."""
    saved = np.empty((layer.cell.saved, *state.shape[1:]), state.dtype)
    px = project(layer, x[None].astype(state.dtype))
    after = np.empty_like(state)
    layer.cell.step(px, layer.recur(state[0]), state, saved, after)
    return after
