"""What stands for "nothing said here", for the methods that compare a text with it."""

from __future__ import annotations

import numpy as np

from rnnx.models.protocols import Array, Batch, Differentiable
from rnnx.settings import Baseline


def baselines(model: Differentiable, batch: Batch, name: Baseline) -> Array:
    """The embeddings (B, T, E) that stand in for every token of the texts.

    - ``zero``: zeros.
    - ``pad``: the embedding of the padding; in the networks that rnnx trains this is zeros too.
    - ``unk``: that of an unknown word.
    - ``mean``: the mean embedding of the vocabulary's words, each counted once.
    """
    if name == "zero":
        return np.zeros_like(model.embed(batch))
    if name == "mean":
        words = model.word_ids
        mean = model.embed(Batch(words[None], np.array([len(words)]))).mean(axis=1, keepdims=True)
        return np.broadcast_to(mean, (*batch.ids.shape, mean.shape[-1]))
    token = {"pad": 0, "unk": model.unknown}[name]
    return model.embed(Batch(np.full_like(batch.ids, token), batch.lengths))
