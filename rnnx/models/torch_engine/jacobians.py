"""The Jacobians of single steps, and of the state where the reading ends by those before it.

A step works unit by unit but for the products with its weights, so that its own backward with ones gives all of its
slopes at once.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from rnnx.models.torch_adapter import differentiable
from rnnx.models.torch_engine.network import Layer, Run
from rnnx.models.torch_engine.rules import GRADIENT


class Slopes(NamedTuple):
    """The derivatives of each part of a step's new state, unit by unit: by the input's and the state's share of the
    pre-activations (B, T, gates, H), and by each part of the state before, on the way past those (B, T, parts, H).
    """

    px: Tensor
    ph: Tensor
    past: Tensor


def slopes(layer: Layer, run: Run) -> list[Slopes]:
    """Of all steps at once, one a part of the new state."""
    with differentiable():
        past = [part.detach().requires_grad_() for part in before(layer, run)]
        px = run.px.detach().requires_grad_()
        ph = (past[0] @ layer.u.T + layer.u_bias).detach().requires_grad_()
        rows = [each.flatten(0, 1) for each in (px, ph, *past)]
        state = layer.cell(GRADIENT, rows[0], rows[1], tuple(rows[2:])).state
        found = []
        for part in state:
            dx, dh, *flows = torch.autograd.grad(part.sum(), [px, ph, *past], retain_graph=True, materialize_grads=True)
            found.append(Slopes(_by_gate(dx, layer), _by_gate(dh, layer), torch.stack(flows, 2)))
    return found


def before(layer: Layer, run: Run) -> tuple[Tensor, ...]:
    """The parts of the state before each step, (B, T, H), of a run that began with zeros."""
    first, rest = torch.zeros_like(run.after[:, :1]), run.after
    return torch.cat([rest[:, 1:], first] if layer.reverse else [first, rest[:, :-1]], 1).unbind(2)


def _by_gate(pre: Tensor, layer: Layer) -> Tensor:
    """(…, gates·H) to (…, gates, H)."""
    return pre.view(*pre.shape[:-1], -1, layer.size)


def of_steps(layer: Layer, run: Run) -> Tensor:
    """dh_t / dx_t of each step alone, the state before it held fixed: (B, T, H, E)."""
    px = slopes(layer, run)[0].px
    return torch.einsum("btgh,ghe->bthe", px, layer.w.view(-1, layer.size, layer.w.shape[1]))


def gains(layer: Layer, run: Run, real: Tensor) -> Tensor:
    """The largest singular values of dh_end / d each part of the state after each step, (B, T, parts).

    From the end backwards; ``now`` are the Jacobians, (B, parts, H, H).
    """
    steps = slopes(layer, run)
    now = torch.zeros(len(real), len(steps), layer.size, layer.size).to(layer.u)
    now[:, 0] = torch.eye(layer.size).to(now)
    found = {}
    for t in reversed(layer.order(real.shape[1])):
        found[t] = _largest_singular_value(now) * real[:, t, None]
        through = torch.stack([each.ph[:, t] for each in steps], 1)
        past = torch.stack([each.past[:, t] for each in steps], 1)
        earlier = torch.einsum("bpij,bpqj->bqij", now, past)
        earlier[:, 0] += torch.einsum("bpij,bpgj->bigj", now, through).flatten(2) @ layer.u
        now = torch.where(real[:, t, None, None, None], earlier, now)
    return torch.stack([found[t] for t in range(real.shape[1])], 1)


def _largest_singular_value(matrices: Tensor) -> Tensor:
    """As ``rnnx.models.algebra`` finds it: by the Gram matrix, whose squares must neither overflow nor vanish."""
    size = matrices.abs().amax((-1, -2), keepdim=True)
    scaled = matrices / torch.where(size > 0, size, 1)
    largest = torch.linalg.eigvalsh(scaled @ scaled.mT)[..., -1]
    found: Tensor = size[..., 0, 0] * largest.clamp(min=0).sqrt()
    return found
