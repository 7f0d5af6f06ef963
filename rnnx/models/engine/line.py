"""Along a straight line between embeddings: slopes and logits at many points, from one projection of its ends.

The bottom level's pre-activations are linear in the embeddings, so those at a point of the line lie on the line
between those of its ends. And a token's slope, (x_t - base_t) . d score / d x_t, is the same product one level
higher: neither the points nor the gradients are ever multiplied with the input weights.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rnnx.models.engine.network import Network
from rnnx.models.protocols import Array, Integers

Cotangent = Callable[[Array, Integers], Array]  # from logits (R, C) and the texts that they are of (R,)


def slopes(
    network: Network, x: Array, base: Array, lengths: Integers, at: Array, cotangent: Cotangent, budget: int
) -> tuple[Array, Array]:
    """Slopes (B, n, T) and logits (B, n, C) at the shares ``at`` (B, n) of the line from ``base`` to x, (B, T, E).

    At most ``budget`` tokens are read at once, or one text.
    """
    (texts, points), steps = at.shape, x.shape[1]
    ends = zip(network.project(x), network.project(base), strict=True)
    lines = [(start, end - start) for end, start in ends]
    found = np.zeros((texts * points, steps), x.dtype)
    logits = np.empty((texts * points, network.w_out.shape[1]), x.dtype)
    by_length = np.argsort(-lengths, kind="stable")
    rows = (by_length[:, None] * points + np.arange(points)).reshape(-1)
    size = max(1, budget // steps)
    for begin in range(0, len(rows), size):
        chosen = rows[begin : begin + size]
        text, longest = chosen // points, lengths[chosen[0] // points]
        share = at.reshape(-1)[chosen].astype(x.dtype)[:, None]
        px = [start[:longest, text] + share * rise[:longest, text] for start, rise in lines]
        done = network.read(px, lengths[text], np.arange(len(text)))
        flows = network.backward(done, cotangent(done.logits, text)).flows
        for flow, (_, rise) in zip(flows, lines, strict=True):
            found[chosen, :longest] += np.einsum("trg,trg->rt", flow.px, rise[:longest, text])
        logits[chosen] = done.logits
    return found.reshape(texts, points, steps), logits.reshape(texts, points, -1)
