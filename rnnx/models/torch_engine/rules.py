"""Local rules: of what a step is made, and what autograd multiplies with where the network is not linear.

All rules give the same values going forward. They differ in the multiplier of a squashing function y = f(p), and in
what stands for a factor of a product (a gate and what it gates), as in ``rnnx.models.engine.rules``:

- ``GRADIENT``: the derivative; the other factor.
- ``RELEVANCE`` (LRP): y / p; gates, the weights of attention among them, are constants.
- ``FIXED``: the gradient, with constant weights of attention.
- ``SECANT`` (DeepLIFT): (y - y0) / (p - p0); the mean of the other factor and of its baseline. The batch is in two
  halves, the texts and below them their baselines; the multipliers are those of the upper half.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Generic, Protocol, Self, TypeVar

import torch
from torch import Tensor

from rnnx.models.engine.rules import NEAR

Squash = Callable[[Tensor], Tensor]


class Value(Protocol):
    """What a step computes with: a tensor (B, units), or a tensor in parts."""

    def __add__(self, other: Self, /) -> Self:
        """Unit by unit."""

    def __rsub__(self, other: float, /) -> Self:
        """A number less this."""

    def chunk(self, chunks: int, dim: int, /) -> tuple[Self, ...]:
        """Blocks of units, along dim -1."""


V = TypeVar("V", bound=Value)


def _as_it_is(value: V) -> V:
    return value


@dataclass(frozen=True, kw_only=True)
class Rule(Generic[V]):
    """What a step asks for: f(p) for a tanh or relu f, sigma(p) of a gate, and a product.

    ``output`` is the output gate of an LSTM; ``settle`` sees what a step has added to the state.
    """

    squash: Callable[[Squash, V], V]
    gate: Callable[[V], V]
    times: Callable[[V, V], V]
    output: Callable[[V], V]
    settle: Callable[[V], V] = _as_it_is


@dataclass(frozen=True, kw_only=True)
class Backward(Rule[Tensor]):
    """A rule for autograd. ``softmax`` is of scores (B, T, heads) over the real tokens, by a mask (B, T, 1);
    ``largest`` is the value of h (B, T, H) at the token that a mask of the same shape says is the largest.
    """

    softmax: Callable[[Tensor, Tensor], Tensor]
    largest: Callable[[Tensor, Tensor], Tensor]


DERIVATIVES: dict[Squash, Callable[[Tensor], Tensor]] = {  # by the value
    torch.tanh: lambda y: 1 - y * y,
    torch.relu: lambda y: (y > 0).to(y),
}


def _free(p: Tensor) -> Tensor:
    """0, with the derivative 1: multiplied with a slope and added to a value, it gives the value that slope."""
    return p - p.detach()


def _divided(y: Tensor, p: Tensor, slope: Tensor) -> Tensor:
    near = p.abs() < NEAR
    return torch.where(near, slope, y / torch.where(near, 1, p))


def _sigmoid(squash: Callable[[Squash, Tensor], Tensor], p: Tensor) -> Tensor:
    return (1 + squash(torch.tanh, p / 2)) / 2


def _masked_softmax(scores: Tensor, real: Tensor) -> Tensor:
    return scores.masked_fill(~real, -torch.inf).softmax(1)


def _ratio(f: Squash, p: Tensor) -> Tensor:
    """F(p), worth f(p) / p."""
    at = p.detach()
    y = f(at)
    return y + _divided(y, at, DERIVATIVES[f](y)) * _free(p)


def _halves(values: Tensor) -> tuple[Tensor, ...]:
    """Of the texts, and of their baselines."""
    return values.detach().chunk(2)


def _twice(values: Tensor) -> Tensor:
    """For both halves, of which only the upper one counts."""
    return torch.cat([values, values])


def _mean(values: Tensor) -> Tensor:
    text, base = _halves(values)
    return _twice((text + base) / 2)


def _rise(values: Tensor) -> Tensor:
    text, base = _halves(values)
    return _twice(text - base)


def _secant(f: Squash, p: Tensor) -> Tensor:
    y = f(p.detach())
    return y + _divided(_rise(y), _rise(p), _mean(DERIVATIVES[f](y))) * _free(p)


def _shared(a: Tensor, b: Tensor) -> Tensor:
    """A product; the difference of both factors is shared out in full."""
    return a.detach() * b.detach() + _mean(b) * _free(a) + _mean(a) * _free(b)


def _softmax_secant(scores: Tensor, real: Tensor) -> Tensor:
    """Between two runs dw_t = m_t (ds_t - sum of m ds / sum of m), m_t being the logarithmic mean of the weights."""
    log = scores.detach().masked_fill(~real, -torch.inf).log_softmax(1)
    weights, log = log.exp(), log.masked_fill(~real, 0)
    m, change = _divided(_rise(weights), _rise(log), _mean(weights)), _free(scores)
    return weights + m * (change - (m * change).sum(1, keepdim=True) / m.sum(1, keepdim=True))


def _both_winners(h: Tensor, winners: Tensor) -> Tensor:
    """Where another token wins than in the baseline, to both, so that their changes make up that of the largest."""
    vector = (h.detach() * winners).sum(1)
    (now, before), (text, base), (top, base_top) = map(_halves, (winners, h, vector))
    rise, fall = (((text - base) * first).sum(1) for first in (now, before))
    apart = torch.where(rise > fall, rise - fall, 1)
    share = torch.where(rise > fall, (top - base_top - fall) / apart, 0.5)[:, None]
    return vector + (_twice(share * now + (1 - share) * before) * _free(h)).sum(1)


def _constant(p: Tensor) -> Tensor:
    return torch.sigmoid(p.detach())


GRADIENT = Backward(
    squash=lambda f, p: f(p),
    gate=torch.sigmoid,
    times=torch.mul,
    output=torch.sigmoid,
    softmax=_masked_softmax,
    largest=lambda h, winners: (h * winners).sum(1),
)
RELEVANCE = replace(
    GRADIENT,
    squash=_ratio,
    gate=_constant,
    output=_constant,
    softmax=lambda scores, real: _masked_softmax(scores.detach(), real),
)
FIXED = replace(GRADIENT, softmax=RELEVANCE.softmax)
SECANT = Backward(
    squash=_secant,
    gate=partial(_sigmoid, _secant),
    times=_shared,
    output=partial(_sigmoid, _secant),
    softmax=_softmax_secant,
    largest=_both_winners,
)
