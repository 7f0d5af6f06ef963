"""Contextual decomposition (Murdoch, Liu & Yu 2018) as a rule of the same steps, over quantities in three parts.

What the tokens of a span make of a quantity, what the other tokens make of it, alone or together with the span (the
rest), and what the biases do. The rule is that of ``rnnx.models.engine.contextual``, which says why.

In double precision whatever that of the network: the parts can be much larger than what they add up to.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from rnnx.models.torch_engine.network import Layer, Network, Pass, Run, beside
from rnnx.models.torch_engine.pooling import by_unit
from rnnx.models.torch_engine.rules import Rule, Squash

TOKENS = 32_768  # spans times tokens that are computed together: 64 MB of states with 128 units


@dataclass(frozen=True)
class Split:
    """What the span and what the rest make of a quantity, ``parts`` (2, n, units), and what the biases do."""

    parts: Tensor
    bias: Tensor

    def __add__(self, other: Split, /) -> Split:
        return Split(self.parts + other.parts, self.bias + other.bias)

    def __rsub__(self, other: float, /) -> Split:
        return Split(-self.parts, other - self.bias)

    def chunk(self, chunks: int, dim: int, /) -> tuple[Split, ...]:
        """Blocks of units."""
        both = zip(self.parts.chunk(chunks, dim), self.bias.chunk(chunks, dim), strict=True)
        return tuple(Split(*each) for each in both)


def _squash(f: Squash, p: Split) -> Split:
    """F(p) split: the biases first, then the span before or after the rest, the mean of both orders."""
    bias, (span, rest), whole = f(p.bias), f(p.parts + p.bias), f(p.parts.sum(0) + p.bias)
    change, difference = whole - bias, span - rest
    return Split(torch.stack([change + difference, change - difference]) / 2, bias)


def _times(a: Split, b: Split) -> Split:
    """A product split: the span gets what it makes with itself and the biases, and not what it makes with the rest."""
    span = a.parts[0] * (b.parts[0] + b.bias) + a.bias * b.parts[0]
    rest = a.parts[1] * (b.parts.sum(0) + b.bias) + (a.parts[0] + a.bias) * b.parts[1]
    return Split(torch.stack([span, rest]), a.bias * b.bias)


def rule(inside: Tensor, output: Tensor | None) -> Rule[Split]:
    """That of a step.

    What the biases alone make goes to the span where the step reads a token of it, ``inside`` (n, 1), else to the rest.
    An LSTM's ``output`` gate (n, H) is not split: it counts as a bias.
    """

    def settle(p: Split) -> Split:
        return Split(p.parts + _fed(p.bias, inside), torch.zeros_like(p.bias))

    def as_it_is(p: Split) -> Split:
        assert output is not None
        return Split(torch.zeros_like(p.parts), output)

    return Rule(squash=_squash, gate=partial(_squash, torch.sigmoid), times=_times, output=as_it_is, settle=settle)


def _fed(value: Tensor, inside: Tensor) -> Tensor:
    """All of it to the span or to the rest."""
    return torch.stack([value * inside, value * ~inside])


def shares(network: Network, done: Pass, texts: Tensor, spans: Tensor) -> Tensor:
    """The shares of spans, and of all else, in the logits (2, N, C): of texts (N,), as masks (N, T), after a pass."""
    size = max(1, TOKENS // spans.shape[1])
    chunks = (slice(i, i + size) for i in range(0, len(texts), size))
    return torch.cat([_pooled(network, done, texts[chunk], spans[chunk]) for chunk in chunks], 1) @ network.w_out.T


def _pooled(network: Network, done: Pass, texts: Tensor, spans: Tensor) -> Tensor:
    """The parts of the pooled vector (2, N, H).

    The weights of attention and the choice of max pooling are taken as they are.
    """
    steps = int(done.real[texts].sum(1).max())
    real = done.real[texts, :steps]
    chunk, below = _Chunk(texts, spans[:, :steps] & real, real), None
    for level, runs in zip(network.levels, done.runs, strict=True):
        below = beside([_read(layer, run, below, chunk) for layer, run in zip(level, runs, strict=True)])
    assert below is not None
    return (below * by_unit(done.pooled.weights[texts, :steps], below.shape[3])).sum(2)


@dataclass(frozen=True)
class _Chunk:
    """Spans that are computed together: of which texts (n,), which tokens are inside and which are real (n, T)."""

    texts: Tensor
    inside: Tensor
    real: Tensor


def _read(layer: Layer, done: Run, below: Tensor | None, chunk: _Chunk) -> Tensor:
    """The parts of the hidden states (2, n, T, H), from those of the level below, or if None from the embeddings."""
    zero, steps = layer.u.new_zeros(1), chunk.real.shape[1]
    state = (Split(layer.u.new_zeros(2, len(chunk.texts), layer.size), zero),) * layer.parts
    h: dict[int, Tensor] = {}
    for t in layer.order(steps):
        inside, real, output = chunk.inside[:, t, None], chunk.real[:, t, None], done.steps[t].gates.get("output")
        px = _fed(done.px[chunk.texts, t] - layer.w_bias, inside) if below is None else below[:, :, t] @ layer.w.T
        ph = Split(state[0].parts @ layer.u.T, layer.u_bias)
        by = rule(inside, None if output is None else output[chunk.texts])
        new = layer.cell(by, Split(px, layer.w_bias), ph, state).state
        state = tuple(Split(torch.where(real, n.parts, o.parts), zero) for n, o in zip(new, state, strict=True))
        h[t] = state[0].parts
    return torch.stack([h[t] for t in range(steps)], 2)
