"""Contextual decomposition (Murdoch, Liu & Yu 2018): the share of chosen tokens in every state, and so in the logits.

Each quantity of the forward pass is split in three: what the tokens of a span make of it (relevant), what the other
tokens make of it, alone or together with the span (the rest), and what the biases make of it. Of a product, the span
gets what it makes with itself and with the biases. What the biases alone make falls to the span where the step reads
a token of it, its first and its last included (as in the paper; some published code leaves out the last one), else
to the rest.

Taken as it is, not split: the output gate of an LSTM (as in the paper), the weights of attention, and which token is
the largest in max pooling. The rest is computed, not taken as what is missing: the split is stable only so, where
one of the two is nearly 0. All in double precision: the parts of a state can grow far beyond it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from rnnx.models.engine.cells import GRU, LSTM, RNN, Cell
from rnnx.models.engine.layer import Layer, Run
from rnnx.models.engine.network import Network, Pass, beside
from rnnx.models.engine.pooling import Last, Max, by_unit
from rnnx.models.protocols import Array, Decomposition, Integers, Mask

ROWS, TOKENS = 256, 65_536  # spans computed together, and spans times tokens: 64 MB of states with 128 units

Squash = Callable[[Array], Array]


class Split(NamedTuple):
    """A quantity in three: what the span and what the rest make of it, (2, …, n, H), and what biases do, (…, 1, H)."""

    parts: Array
    bias: Array


# (tokens (n,), the input's parts (2, gates, n, H), the state's parts (2, parts of the state, n, H), whether the tokens
# are in the span (n, 1)) -> the next state's parts, one (2, n, H) a part of the state.
Step = Callable[[Integers, Array, Array, Mask], tuple[Array, ...]]


@dataclass(frozen=True)
class _Reader:
    """A direction of a layer after a forward pass: how it splits a step, and the weights of its input.

    ``px`` (gates, N, H) is the input's share of the pre-activations, without the bias, ``before`` (parts, N, H) the
    states that the step begins in.
    """

    layer: Layer
    run: Run
    w: Array
    px: Array
    step: Step
    before: Array


def decomposition(network: Network, x: Array, lengths: Integers) -> Decomposition:
    """Run over embeddings x (B, T, E), to be asked for the shares of any spans."""
    network, x = network.double(), x.astype(np.float64)
    done = network.forward(x, lengths)
    packing = done.packing
    seen = [packing.pack(x), *(beside([r.h for r in runs]) for runs in done.runs)]
    levels = [
        [_reader(layer, run, h) for layer, run in zip(level, runs, strict=True)]
        for level, runs, h in zip(network.levels, done.runs, seen, strict=False)
    ]
    pool, place = _pooling(network, done, seen[-1]), packing.place

    def share(texts: Integers, spans: Mask) -> Array:
        out = np.zeros((2, len(texts), network.w_out.shape[1]), x.dtype)
        size = min(ROWS, max(1, TOKENS // spans.shape[1]))
        for chunk in (slice(start, start + size) for start in range(0, len(texts), size)):
            n = lengths[texts[chunk]]
            steps, rows = np.arange(n.max())[:, None], place[texts[chunk]]
            both = _through(levels, rows, spans[chunk].T[: len(steps)] & (steps < n), steps < n)
            out[:, chunk] = np.stack([pool(h, rows) for h in both]) @ network.w_out
        return out

    return Decomposition(done.logits, network.b_out, share)


def _through(levels: list[list[_Reader]], rows: Integers, inside: Mask, real: Mask) -> Array:
    """The parts of the states of the top level, (2, T, n, H)."""
    below: Array | None = None
    there = inside
    for level in levels:
        found = [_read(reader, below, rows, inside, there, real) for reader in level]
        below, there = beside([h for h, _ in found]), np.any([begun for _, begun in found], axis=0)
    assert below is not None
    return below


def _read(
    reader: _Reader, below: Array | None, rows: Integers, inside: Mask, there: Mask, real: Mask
) -> tuple[Array, Mask]:
    """The parts of the states (2, T, n, H), and where the span has begun; before, all is the rest's.

    ``below`` has those of the level below, None for the embeddings, which are the span's where they are ``inside``.
    """
    packing, size = reader.run.packing, reader.layer.size
    order = range(len(inside))[:: -1 if reader.layer.reverse else 1]
    begun = np.logical_or.accumulate(there[order], axis=0)[:: order.step] & real
    h = np.zeros((2, len(inside), len(rows), size), reader.px.dtype)
    h[1] = packing.grid(reader.run.h)[: len(inside), rows]
    state = np.zeros((2, reader.layer.cell.parts, len(rows), size), reader.px.dtype)
    fresh = np.ones(len(rows), bool)
    for t in order:
        on = np.flatnonzero(begun[t])
        tokens, here, starts = packing.at(np.array(t), rows[on]), inside[t, on][:, None], fresh[on]
        state[1][:, on[starts]] = reader.before[:, tokens[starts]]
        fresh[on] = False
        px = _fed(reader.px[:, tokens], here) if below is None else below[:, None, t, on] @ reader.w
        for part, value in enumerate(reader.step(tokens, px, state[:, :, on], here)):
            state[:, part, on] = value
        h[:, t, on] = state[:, 0, on]
    return h, begun


def _fed(px: Array, inside: Mask) -> Array:
    """All of it to the span or to the rest."""
    return np.stack([px * inside, px * ~inside])


def _pooling(network: Network, done: Pass, h: Array) -> Callable[[Array, Integers], Array]:
    """From a part of the states of texts (T, n, H) to that of the pooled vector (n, H)."""
    packing = done.packing
    if isinstance(network.pooling, Last):
        size = network.pooling.forwards
        return lambda b, rows: np.concatenate(
            [b[packing.lengths[rows] - 1, np.arange(len(rows)), :size], b[0, :, size:]], axis=1
        )
    if isinstance(network.pooling, Max):
        winners = packing.grid(h, padding=-np.inf).argmax(0)
        return lambda b, rows: np.take_along_axis(b, winners[None, rows], axis=0)[0]
    weights = packing.grid(done.pooled.weights)

    def weighted(b: Array, rows: Integers) -> Array:
        pooled: Array = (b * by_unit(weights[: len(b), rows], b.shape[-1])).sum(0)
        return pooled

    return weighted


def _reader(layer: Layer, run: Run, x: Array) -> _Reader:
    """For the input x (N, E)."""
    w, step = _SPLITS[type(layer.cell)](layer, run)
    return _Reader(layer, run, w, x @ w, step, run.told(run.before()))


def _squash(f: Squash, p: Split) -> Split:
    """F(p) split: the biases first, then the span before or after the rest, the mean of both orders.

    This is the paper's linearisation by Shapley's rule, with the biases always first.
    """
    bias, (span, rest), whole = f(p.bias), f(p.parts + p.bias), f(p.parts[0] + p.bias + p.parts[1])
    change, difference = whole - bias, span - rest
    return Split(np.stack([change + difference, change - difference]) / 2, bias)


def _gate(squashed: Split) -> Split:
    """Sigma(p) split, from tanh(p / 2) split."""
    return Split(squashed.parts / 2, (1 + squashed.bias) / 2)


def _times(a: Split, b: Split) -> Split:
    """A product split: the span gets what it makes with itself and the biases, and not what it makes with the rest."""
    span = a.parts[0] * (b.parts[0] + b.bias) + a.bias * b.parts[0]
    rest = a.parts[1] * (b.parts.sum(0) + b.bias) + (a.parts[0] + a.bias) * b.parts[1]
    return Split(np.stack([span, rest]), a.bias * b.bias)


def _settled(split: Split, inside: Mask) -> Array:
    """Both parts, what is the biases' given to one of them."""
    return split.parts + _fed(split.bias, inside)


def _gates(split: Split) -> list[Split]:
    """One by one."""
    return [Split(split.parts[:, gate], bias) for gate, bias in enumerate(split.bias)]


def _lstm(layer: Layer, run: Run) -> tuple[Array, Step]:
    """C' = f c + i g; h' = o tanh(c'), o as it is."""
    w, u, bias = (gates[[0, 1, 3]] for gates in (layer.w, layer.u, layer.w_bias + layer.u_bias))
    o = run.told(run.saved[2])

    def step(tokens: Integers, px: Array, state: Array, inside: Mask) -> tuple[Array, ...]:
        i, f, g = _gates(_squash(np.tanh, Split(px + state[:, :1] @ u, bias)))
        i, f, none = _gate(i), _gate(f), np.zeros(1, px.dtype)
        c = _settled(_times(i, g), inside) + _times(f, Split(state[:, 1], none)).parts
        return o[tokens] * _squash(np.tanh, Split(c, none)).parts, c

    return w, step


def _gru(layer: Layer, run: Run) -> tuple[Array, Step]:
    """N = tanh(px + r ph), h' = (1 - z) n + z h: both gates are split, for they multiply what is split."""
    w_bias, u_bias = layer.w_bias, layer.u_bias

    def step(tokens: Integers, px: Array, state: Array, inside: Mask) -> tuple[Array, ...]:
        ph = state[:, :1] @ layer.u
        p = Split(px[:, :2] + ph[:, :2], w_bias[:2] + u_bias[:2])
        r, z = map(_gate, _gates(_squash(np.tanh, p)))
        past = _times(r, Split(ph[:, 2], u_bias[2]))
        n = _squash(np.tanh, Split(px[:, 2] + past.parts, w_bias[2] + past.bias))
        kept = _times(z, Split(state[:, 0], np.zeros(1, px.dtype))).parts
        return (_settled(_times(Split(-z.parts, 1 - z.bias), n), inside) + kept,)

    return layer.w, step


def _rnn(layer: Layer, run: Run) -> tuple[Array, Step]:
    """H' = tanh or relu of px + ph."""
    f = _positive if isinstance(layer.cell, RNN) and layer.cell.relu else np.tanh
    bias = layer.w_bias + layer.u_bias

    def step(tokens: Integers, px: Array, state: Array, inside: Mask) -> tuple[Array, ...]:
        (h,) = _gates(_squash(f, Split(px + state[:, :1] @ layer.u, bias)))
        return (_settled(h, inside),)

    return layer.w, step


def _positive(p: Array) -> Array:
    return np.maximum(p, 0)


_SPLITS: dict[type[Cell], Callable[[Layer, Run], tuple[Array, Step]]] = {LSTM: _lstm, GRU: _gru, RNN: _rnn}
