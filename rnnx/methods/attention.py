"""The attention that a model has, shown as it is."""

from __future__ import annotations

from rnnx.models.protocols import Array, Attentive, Batch, Integers


def attention(model: Attentive, batch: Batch, target: Integers) -> Array:
    """The weight of each token's hidden state in the vector that the output layer reads.

    Bahdanau et al. 2015; as an explanation, and why to be careful with it: Jain & Wallace 2019. The weights
    have no sign, add up to 1 over a text, and are the same for every target. A weight belongs to a hidden
    state, which has read the tokens before it as well: it says where the model looked, not what it saw there.

    Returns (batch, token) scores; padding is 0.
    """
    return model.attention(batch)
