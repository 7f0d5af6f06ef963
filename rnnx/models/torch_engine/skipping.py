"""As ``rnnx.models.engine.skipping``: one token less, to the first order in the bottom layer's states."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from rnnx.models.torch_engine.jacobians import before
from rnnx.models.torch_engine.network import Layer, Run, beside
from rnnx.models.torch_engine.rules import GRADIENT


def skipped(level: Sequence[Layer], runs: Sequence[Run], adjoints: Tensor, other: Tensor | None) -> Tensor:
    """The adjoints (B, T, parts, H) times what the states would lack, (B, T); ``other`` (E,) is read instead."""
    after = beside([run.after for run in runs])
    instead = beside([_instead(layer, run, other) for layer, run in zip(level, runs, strict=True)])
    return (adjoints * (after - instead)).sum((2, 3))


def _instead(layer: Layer, run: Run, other: Tensor | None) -> Tensor:
    """The states if each step had read ``other``, or if None had not been taken: (B, T, parts, H)."""
    state = before(layer, run)
    if other is not None:
        px = layer.w @ other + layer.w_bias
        state = layer.cell(GRADIENT, px, state[0] @ layer.u.T + layer.u_bias, state).state
    return torch.stack(state, 2)
