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
    """``vector`` (B, H); the share of each state in it, ``weights`` (B, T, 1) or unit by unit (B, T, H); and
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
    return _weighted(h, real / count[:, None], count.log(), rule, memory)


def largest(h: Tensor, real: Tensor, rule: Backward, memory: Memory) -> Pooled:
    """Each unit's largest value over the real tokens; of equal ones the first counts."""
    first = h.masked_fill(~real[..., None], -torch.inf).argmax(1, keepdim=True)
    winners = torch.arange(h.shape[1], device=h.device)[:, None] == first
    vector = rule.largest(h, winners)
    if memory:
        vector = torch.maximum(vector, memory[0])
    return Pooled(vector, winners.to(h), (vector,))


def attention(w: Tensor, b: Tensor, v: Tensor) -> Pooling:
    """Additive attention: score_t = v · tanh(w h_t + b), weights = softmax of the scores."""

    def pool(h: Tensor, real: Tensor, rule: Backward, memory: Memory) -> Pooled:
        scores = rule.squash(torch.tanh, h @ w.T + b) @ v
        mass = scores.masked_fill(~real, -torch.inf).logsumexp(1)
        return _weighted(h, rule.softmax(scores, real), mass, rule, memory)

    return pool


def _weighted(h: Tensor, weights: Tensor, mass: Tensor, rule: Backward, memory: Memory) -> Pooled:
    """The weighted mean, and that of earlier tokens weighed with it by their (logarithmic) masses."""
    vector = rule.times(weights[..., None], h).sum(1)
    if memory:
        before, earlier = memory
        vector = torch.lerp(earlier, vector, torch.sigmoid(mass - before)[:, None])
        mass = torch.logaddexp(before, mass)
    return Pooled(vector, weights[..., None], (mass, vector))


def _attention(weights: Mapping[str, Tensor], forwards: int) -> Pooling:
    hidden, bias, query = (weights[f"pooling.{name}"] for name in ("hidden.weight", "hidden.bias", "query.weight"))
    return attention(hidden, bias, query[0])


# Each from the network's weights and how many units read forwards.
POOLINGS: dict[str, Callable[[Mapping[str, Tensor], int], Pooling]] = {
    "last": lambda weights, forwards: last(forwards),
    "mean": lambda weights, forwards: mean,
    "max": lambda weights, forwards: largest,
    "attention": _attention,
}
