"""From the hidden states of texts (B, T, H) to one vector each, by a rule."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from rnnx.models.torch_engine.rules import Backward

Memory = tuple[Tensor, ...]


@dataclass(frozen=True)
class Pooled:
    """``vector`` (B, H); the share of each state in it, ``weights`` (B, T, K), where unit j has the share j mod K; and
    ``memory``, for texts that are read on from here.
    """

    vector: Tensor
    weights: Tensor
    memory: Memory = ()


# From the states h (B, T, H), which tokens are real (B, T), the rule, and the memory of what was read before.
Pooling = Callable[[Tensor, Tensor, Backward, Memory], Pooled]


def last(forwards: int) -> Pooling:
    """The state where the reading ends: after the last token, for the units after the first ``forwards`` the first.

    States read forwards repeat the last one to the end.
    """

    def pool(h: Tensor, real: Tensor, rule: Backward, memory: Memory) -> Pooled:
        weights = torch.zeros_like(h)
        weights[torch.arange(len(h), device=h.device), real.sum(1) - 1, :forwards] = 1
        weights[:, 0, forwards:] = 1
        return Pooled(torch.cat([h[:, -1, :forwards], h[:, 0, forwards:]], -1), weights)

    return pool


def mean(h: Tensor, real: Tensor, rule: Backward, memory: Memory) -> Pooled:
    """The mean over the real tokens."""
    count = real.sum(1).to(h)
    return _weighted(h, (real / count[:, None])[..., None], count.log()[:, None], rule, memory)


def largest(h: Tensor, real: Tensor, rule: Backward, memory: Memory) -> Pooled:
    """Each unit's largest value over the real tokens; of equal ones the first counts."""
    first = h.masked_fill(~real[..., None], -torch.inf).argmax(1, keepdim=True)
    winners = torch.arange(h.shape[1], device=h.device)[:, None] == first
    vector = rule.largest(h, winners)
    if memory:
        vector = torch.maximum(vector, memory[0])
    return Pooled(vector, winners.to(h), (vector,))


def attention(queries: Tensor, hidden: tuple[Tensor, Tensor] | None) -> Pooling:
    """Additive attention: score_t = q · tanh(w h_t + b), for the queries (heads, A) and ``hidden``, w and b.

    Without ``hidden`` dot-product attention: score_t = q · h_t / sqrt(H). weights = softmax of the scores.
    """

    def pool(h: Tensor, real: Tensor, rule: Backward, memory: Memory) -> Pooled:
        scaled = h / h.shape[2] ** 0.5
        keys = rule.squash(torch.tanh, h @ hidden[0].T + hidden[1]) if hidden else scaled
        scores = keys @ queries.T
        mass = scores.masked_fill(~real[..., None], -torch.inf).logsumexp(1)
        return _weighted(h, rule.softmax(scores, real[..., None]), mass, rule, memory)

    return pool


def by_unit(values: Tensor, units: int) -> Tensor:
    """Values (…, K) for each of so many units, (…, H), or (…, 1) for all."""
    return values if values.shape[-1] == 1 else torch.cat([values] * (units // values.shape[-1]), -1)


def _weighted(h: Tensor, weights: Tensor, mass: Tensor, rule: Backward, memory: Memory) -> Pooled:
    """The weighted mean, and that of earlier tokens weighed with it by their (logarithmic) masses (B, K)."""
    units = h.shape[2]
    vector = rule.times(by_unit(weights, units), h).sum(1)
    if memory:
        before, earlier = memory
        vector = torch.lerp(earlier, vector, by_unit(torch.sigmoid(mass - before), units))
        mass = torch.logaddexp(before, mass)
    return Pooled(vector, weights, (mass, vector))


def _attention(weights: Mapping[str, Tensor], forwards: int) -> Pooling:
    hidden = weights["pooling.hidden.weight"], weights["pooling.hidden.bias"]
    return attention(weights["pooling.query.weight"], hidden)


# Each from the network's weights and how many units read forwards.
POOLINGS: dict[str, Callable[[Mapping[str, Tensor], int], Pooling]] = {
    "last": lambda weights, forwards: last(forwards),
    "mean": lambda weights, forwards: mean,
    "max": lambda weights, forwards: largest,
    "attention": _attention,
    "dot-attention": lambda weights, forwards: attention(weights["pooling.query.weight"], None),
}
