"""Methods that read the state a text ends in as the sum of what each token changed in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from rnnx.methods.completeness import missing
from rnnx.models.protocols import Activations, Array, Batch, Diagnosed, Integers, Mask, Telescoping
from rnnx.models.scores import cotangent
from rnnx.settings import Logit

# States and gates (B, T, H) in the order of reading, where the tokens are (B, T, 1), and the lengths: what each token
# adds to the last h, (B, T, H).
Change = Callable[[Activations, Mask, Integers], Array]


def cell(
    model: Telescoping,
    batch: Batch,
    target: Integers,
    *,
    variant: Literal["beta", "gamma"] = "beta",
    of: Logit = "logit",
) -> Diagnosed:
    """How each token changes the cell state of an LSTM, as the output gate of the last token reads it.

    Murdoch & Szlam 2017. With o_T the last output gate and w the output weights, token t has
    w . o_T (tanh c_t - tanh c_{t-1}): ``beta``, what the cell state gained there. ``gamma`` takes the share of each
    c_t that the later forget gates leave of it in place of c_t: what came early and is forgotten counts less. Positive
    speaks for the target, negative against it.

    The scores add up to the logit less the output layer's bias, to the ``residual``. They say when the state changed,
    and not always which word was the reason: a step may only carry out what an earlier word has prepared. Of two
    directions each is read in its own order, and a token has the sum.

    Returns (batch, token) scores; padding is 0.
    """

    def change(seen: Activations, mask: Mask, lengths: Integers) -> Array:
        assert seen.c is not None
        o = seen.gates["output"][np.arange(len(lengths)), lengths - 1][:, None]
        kept = seen.c if variant == "beta" else _left_of(seen.gates["forget"], mask) * seen.c
        squashed = np.tanh(kept)
        difference: Array = o * (squashed - _before(squashed))
        return difference

    return _telescoped(model, batch, target, change)


def reat(model: Telescoping, batch: Batch, target: Integers, *, of: Logit = "logit") -> Diagnosed:
    """What each token writes into the hidden state, as far as the gates of the later tokens keep it.

    Du et al. 2019 (REAT). With a_t the gate that keeps the old state, token t has w . (a_{t+1} ... a_T) (h_t -
    a_t h_{t-1}). For a GRU a_t is its update gate, and the sum is what the network does; for an LSTM it is the forget
    gate, which keeps the cell state and not h: there it is a picture of it. Positive speaks for the target,
    negative against it.

    The scores add up to the logit less the output layer's bias, to the ``residual``, whatever the gates are. Of two
    directions each is read in its own order, and a token has the sum.

    Returns (batch, token) scores; padding is 0.
    """

    def change(seen: Activations, mask: Mask, lengths: Integers) -> Array:
        keeps = seen.gates["update" if seen.c is None else "forget"]
        written: Array = _left_of(keeps, mask) * (seen.h - keeps * _before(seen.h))
        return written

    return _telescoped(model, batch, target, change)


def _telescoped(model: Telescoping, batch: Batch, target: Integers, change: Change) -> Diagnosed:
    """The changes of each direction, weighted as the output layer does, in the order of the tokens."""
    out, mask = model.readout(batch), batch.mask
    choice = cotangent(out.logits, target, "logit")
    weights = choice @ out.weights.T  # (B, H)
    places = np.broadcast_to(np.arange(mask.shape[1]), mask.shape)
    backwards = np.where(mask, batch.lengths[:, None] - 1 - places, places)
    scores = np.zeros(mask.shape, np.float64)
    for units, order in ((slice(out.forwards), places), (slice(out.forwards, None), backwards)):
        if not weights[:, units].size:
            continue
        added = change(_read(out.activations, units, order), mask[:, :, None], batch.lengths)
        share = np.where(mask, np.einsum("bth,bh->bt", added, weights[:, units]), 0)
        scores += np.take_along_axis(share, order, 1)
    whole = ((out.logits - out.bias) * choice).sum(1)
    return Diagnosed(scores, {"residual": missing(whole, scores)})


def _read(seen: Activations, units: slice, order: Integers) -> Activations:
    """These units, their steps in this order."""

    def pick(values: Array) -> Array:
        picked: Array = np.take_along_axis(values[:, :, units], order[:, :, None], 1)
        return picked

    c = None if seen.c is None else pick(seen.c)
    return Activations(pick(seen.h), c, {name: pick(gate) for name, gate in seen.gates.items()})


def _before(values: Array) -> Array:
    """Those of the step before, 0 at first."""
    return np.concatenate([np.zeros_like(values[:, :1]), values[:, :-1]], axis=1)


def _left_of(gate: Array, mask: Mask) -> Array:
    """The product of the gates of all later steps."""
    later = np.where(mask, gate, 1)[:, :0:-1].cumprod(1)[:, ::-1]
    return np.concatenate([later, np.ones_like(gate[:, :1])], axis=1)
