"""What stands for "nothing said here", for the methods that compare a text with it."""

from __future__ import annotations

import numpy as np

from rnnx.models.protocols import Array, Batch, Differentiable
from rnnx.settings import Baseline


def base_vector(model: Differentiable, name: Baseline) -> Array:
    """The embedding (E,) that stands in for every token of a text.

    - ``zero``: zeros.
    - ``pad``: the embedding of the padding; in the networks that rnnx trains this is zeros too.
    - ``unk``: that of an unknown word.
    - ``mean``: the mean embedding of the vocabulary's words, each counted once.
    """
    if name == "mean":
        mean: Array = every_word(model).mean(axis=0)
        return mean
    token = np.array([[model.unknown if name == "unk" else 0]])
    vector: Array = model.embed(Batch(token, np.ones(1, int)))[0, 0]
    return np.zeros_like(vector) if name == "zero" else vector


def every_word(model: Differentiable) -> Array:
    """The embeddings of the vocabulary's words (V, E)."""
    words = model.word_ids
    embedded: Array = model.embed(Batch(words[None], np.array([len(words)])))[0]
    return embedded
