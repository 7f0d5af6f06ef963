"""Along straight lines between embeddings: slopes and logits at many points, from one projection of their ends.

The bottom level's pre-activations are linear in the embeddings, so those at a point of the line lie on the line
between those of its ends. And a token's slope, (x_t - base_t) . d score / d x_t, is the same product one level
higher: neither the points nor the gradients are ever multiplied with the input weights, and step by step they are
used while they are in the cache.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rnnx.models.engine import layer as layers
from rnnx.models.engine.layer import Layer
from rnnx.models.engine.network import Network
from rnnx.models.engine.packing import Packing, pieces
from rnnx.models.progress import tell
from rnnx.models.protocols import Array, Base, Integers

Cotangent = Callable[[Array, Integers], Array]  # from logits (R, C) and the texts that they are of (R,)


@dataclass(frozen=True)
class _Lines:
    """The bottom level's inputs at points of lines, in the order of reading: each has its end among the ``tops``
    (gates, …, H), its beginning among the ``bases``, and is so far along, ``share`` (N, 1).
    """

    tops: Array
    bases: Array
    top: Integers
    base: Integers
    share: Array

    def __call__(self, tokens: slice) -> Array:
        px = self.bases.take(self.base[tokens], 1)
        rise = self.tops.take(self.top[tokens], 1)
        rise -= px
        rise *= self.share[tokens]
        px += rise
        return px

    def rise(self, tokens: slice) -> Array:
        """From the beginnings to the ends."""
        rise = self.tops.take(self.top[tokens], 1)
        rise -= self.bases.take(self.base[tokens], 1)
        return rise


def slopes(
    network: Network, x: Array, base: Base, lengths: Integers, at: Array, cotangent: Cotangent, budget: int
) -> tuple[Array, Array]:
    """Slopes (B, n, T) and logits (B, n, C) at the shares ``at`` (B, n) of the lines from ``base`` to x (B, T, E).

    About ``budget`` tokens are read at once.
    """
    (texts, points), steps = at.shape, x.shape[1]
    whole, which = Packing.of(lengths), np.broadcast_to(base.which, (texts, points, steps))
    tops, bases = network.project(whole.pack(x)), network.project(base.rows)
    found, logits = np.zeros((texts, points, steps), x.dtype), np.empty((*at.shape, network.w_out.shape[1]), x.dtype)
    for chosen in pieces(np.repeat(lengths, points), budget):
        text, point = np.divmod(chosen, points)
        packing = Packing.of(lengths[text])
        row = packing.order[packing.rows]
        top, ground = whole.at(packing.steps, whole.place[text[row]]), which[text[row], point[row], packing.steps]
        share, turned = at[text, point][row, None].astype(x.dtype), packing.turned
        told = _Lines(tops[0], bases[0], top, ground, share)
        back = _Lines(tops[-1], bases[-1], top[turned], ground[turned], share[turned])
        lines = [back if layer.reverse else told for layer in network.levels[0]]
        done = network.read(lines, packing)
        dh, _ = network.descend(done, cotangent(done.logits, text))
        shares = np.split(dh, len(lines), axis=1)
        runs = zip(network.levels[0], done.runs[0], shares, lines, strict=True)
        slope = packing.restore(sum((_slopes(*each) for each in runs), np.zeros(len(row), x.dtype)))
        found[text, point, : slope.shape[1]] = slope
        logits[text, point] = done.logits
        tell(len(chosen))
    return found, logits


def _slopes(layer: Layer, run: layers.Run, dh: Array, lines: _Lines) -> Array:
    """Of each token along its line, (N,)."""
    found = np.empty((len(dh), 1), dh.dtype)
    for step, _, px, _ in layers.descend(layer, [run], dh):
        found[step, 0] = np.einsum("gnh,gnh->n", px, lines.rise(step))
    return run.told(found)[:, 0]
