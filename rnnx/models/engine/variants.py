"""Logits of many variants of texts by one walk along the tree of what they have in common.

A direction that reads from the end shares what variants end in, by a tree of its own. Above two directions nothing is
shared any more: every state there has read all of the text.
"""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import numpy as np

from rnnx.models.engine import pooling
from rnnx.models.engine.layer import Layer
from rnnx.models.engine.network import Network
from rnnx.models.engine.running import Attention, running
from rnnx.models.engine.trie import grow
from rnnx.models.engine.walking import blocks, walk
from rnnx.models.progress import tell
from rnnx.models.protocols import Array, Integers
from rnnx.models.variants import ABSENT, AT_ONCE, Variants

PAIRS = 1024  # weighed together
STATES = 2**25  # bytes of states kept at once
WAITING = 2**27  # bytes of what is kept of states until they are paired


def shares(network: Network) -> bool:
    """Whether variants have anything in common that is worth a tree: not above a level of two directions."""
    return len(network.levels) == 1 or all(len(level) == 1 for level in network.levels)


def logits(network: Network, variants: Variants, unknown: int) -> Array:
    """Logits (N, C), for a network that ``shares``; ``unknown`` is the id of what an empty variant is read as."""
    x, coded, unknown = _coded(network, variants, unknown)
    paired = len(network.levels[0]) == 2 and isinstance(network.pooling, pooling.Attention)
    outputs = _of_pairs if paired else _by_direction
    state = sum(layer.cell.parts * layer.size for level in network.levels for layer in level) * x.itemsize
    size = max(1, min(AT_ONCE // coded.base.shape[1], STATES // state))
    found = [outputs(network, x, part.rows(unknown, len(x)), len(x)) for part in coded.parts(size)]
    out: Array = np.concatenate(found) + network.b_out
    return out


def _coded(network: Network, variants: Variants, unknown: int) -> tuple[Array, Variants, int]:
    """The embeddings (R, E) of all symbols that occur, the variants and ``unknown`` with their rows for symbols.

    ``ABSENT`` becomes R.
    """
    extra = network.embedding[:0] if variants.extra is None else variants.extra.astype(network.embedding.dtype)
    zero = len(extra) + 1  # place of id 0 among all symbols
    occurs = np.zeros(zero + len(network.embedding), bool)
    for used in (variants.base, variants.symbol, unknown):
        occurs[used + zero] = True
    occurs[ABSENT + zero] = False
    symbols = np.flatnonzero(occurs) - zero
    x = np.concatenate([extra[-2 - symbols[symbols < 0]], network.embedding[symbols[symbols >= 0]]])
    code = np.full(len(occurs), len(x), np.int32)
    code[symbols + zero] = np.arange(len(x))
    coded = replace(variants, base=code[variants.base + zero], symbol=code[variants.symbol + zero])
    return x, coded, int(code[unknown + zero])


def _by_direction(network: Network, x: Array, rows: Integers, absent: int) -> Array:
    """Logits without their bias, the sum of what each direction's units make of them by themselves."""
    out = np.zeros((len(rows), len(network.b_out)), x.dtype)
    shares = np.split(network.w_out, len(network.levels[-1]))
    for layers, w_out in zip(zip(*network.levels, strict=True), shares, strict=True):
        trie = grow(_read(rows, layers[0]), absent)
        kept = running(network.pooling, w_out, len(trie.start))
        for states in walk(layers, x, trie, kept):
            h = states
            tell(len(rows) / rows.shape[1] / len(shares))
        out += kept.outputs(h)[trie.slot]
    return out


def _of_pairs(network: Network, x: Array, rows: Integers, absent: int) -> Array:
    """Logits without their bias, where attention weighs the states of both directions together.

    A token of a variant is a pair of states: what those of the reverse direction make of its score and of the logits
    is kept until the other direction comes there.
    """
    (ahead, back), trees = network.levels[0], [grow(_read(rows, layer), absent) for layer in network.levels[0]]
    kept = cast(Attention, running(network.pooling, network.w_out, len(rows)))
    weights, weights_back = np.split(kept.weights, [ahead.size])
    if len(rows) > 1 and trees[1].alive.sum() * kept.weights[0].nbytes > WAITING:
        return np.concatenate([_of_pairs(network, x, half, absent) for half in np.array_split(rows, 2)])
    behind = [h @ weights_back for h in walk([back], x, trees[1])][::-1]
    slots = zip(trees[0].slots(), trees[1].slots()[::-1], strict=True)
    states = (h @ weights + kept.bias for h in walk([ahead], x, trees[0]))
    for codes, share, share_back, (i, j) in zip(rows.T, states, behind, slots, strict=True):
        tell(len(rows) / rows.shape[1])
        for block in blocks(codes != absent, PAIRS):
            kept.weigh(block, share.take(i[block], axis=0) + share_back.take(j[block], axis=0))
    return kept.outputs()


def _read(rows: Integers, layer: Layer) -> Integers:
    """In the order in which a layer reads them."""
    return rows[:, ::-1] if layer.reverse else rows
