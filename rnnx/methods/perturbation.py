"""How far a score falls when something is done to the text."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rnnx.models.protocols import Array, Batch, Classifier, Integers
from rnnx.models.scores import score
from rnnx.models.variants import Variants, logits


def falls(model: Classifier, variants: Variants, target: Integers, of: str) -> Array:
    """By how much the score of its text's target falls in each variant, (N,): where nothing is changed not even by what
    rounding makes of the same text read beside others.
    """
    texts = np.arange(len(variants.base))
    text = np.concatenate([variants.text, texts])  # the texts themselves, on the way of their variants
    scores = score(logits(model, replace(variants, text=text)), np.asarray(target)[text], of)
    found: Array = scores[len(variants) + variants.text] - scores[: len(variants)]
    return np.where(variants.changed, found, 0.0)


def each_token(batch: Batch, count: int) -> tuple[Integers, Integers, Integers]:
    """Text, draw and place (N,) of each token in each of ``count`` draws, those of a text together."""
    texts, tokens = batch.ids.shape
    text, draw, place = np.nonzero(np.broadcast_to(batch.mask[:, None], (texts, count, tokens)))
    return text, draw, place


def over_tokens(values: Array, batch: Batch, count: int) -> Array:
    """Values (N, Q) of ``each_token`` as (text, draw, token, Q); 0 on padding."""
    found = np.zeros((len(batch.ids), count, batch.ids.shape[1], values.shape[1]))
    found[each_token(batch, count)] = values
    return found
