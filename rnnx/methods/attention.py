"""The attention that a model has: its weights as they are, and what they do."""

from __future__ import annotations

import numpy as np

from rnnx.methods.completeness import missing
from rnnx.models.attended import Attended, Attending
from rnnx.models.protocols import Array, Attentive, Batch, Diagnosed, Integers
from rnnx.models.scores import cotangent
from rnnx.settings import Of


def attention(model: Attentive, batch: Batch, target: Integers) -> Array:
    """The weight of each token's hidden state in the vector that the output layer reads.

    Bahdanau et al. 2015; as an explanation, and why to be careful with it: Jain & Wallace 2019. The weights
    have no sign, add up to 1 over a text, and are the same for every target. A weight belongs to a hidden
    state, which has read the tokens around it as well: it says where the model looked, not what it saw there. Of
    several heads it is their mean. Whether the weights explain anything, ``rnnx explain --check`` tests.

    Returns (batch, token) scores; padding is 0.
    """
    return model.attention(batch)


def attention_grad(model: Attending, batch: Batch, target: Integers, *, of: Of = "logit") -> Diagnosed:
    """Each attention weight times the gradient of the score by it: what the attended state does to the target.

    Serrano & Smith 2019 (attention x gradient). Positive speaks for the target. The logit is linear in the weights, so
    that the scores are its exact shares: they add up to the target's logit without the output layer's bias, and
    ``residual`` is what is missing, which is rounding. With ``of`` prob or loss they are shares to the first order and
    add up to nothing. A share belongs to a hidden state, which has read the tokens around it as well.

    Returns (batch, token) scores; padding is 0.
    """
    found = model.attended(batch)
    logits = model.forward(batch).astype(np.float64)
    d = cotangent(logits, target, of)
    scores = np.einsum("btk,btk->bt", found.weights, slopes(found, d))
    if of != "logit":
        return Diagnosed(scores, {})
    return Diagnosed(scores, {"residual": missing(((logits - found.bias) * d).sum(1), scores)})


def attention_norm(model: Attending, batch: Batch, target: Integers) -> Array:
    """The length of each state as it is weighed: of a large weight on next to nothing, next to nothing is left.

    Kobayashi et al. 2020. No sign, the same for every target, and the scores add up to nothing: states can cancel.

    Returns (batch, token) scores; padding is 0.
    """
    found: Array = np.linalg.norm(model.attended(batch).weighed, axis=-1)
    return found


def units(model: Attending, batch: Batch, target: Integers) -> tuple[Array, Array, Integers]:
    """What the output layer reads, (B, H), what each unit of it gives to the target's logit, and the place of the token
    that gives most to each, by size. The shares add up to the logit without the output layer's bias.
    """
    found = model.attended(batch)
    weighed = found.weighed
    values = weighed.sum(1)
    d = cotangent(model.forward(batch).astype(np.float64), target, "logit")
    return values, values * (d @ found.w_out.T), np.abs(weighed).argmax(1)


def slopes(found: Attended, d: Array) -> Array:
    """D score / d each weight, (B, T, K), from d score / d logits (B, C)."""
    slope: Array = np.einsum("btkc,bc->btk", found.gains, d)
    return slope
