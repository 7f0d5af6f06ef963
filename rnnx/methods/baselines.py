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
    ids = model.word_ids if name == "mean" else np.array([{"zero": 0, "pad": 0, "unk": model.unknown}[name]])
    mean: Array = model.embed(Batch(ids[None], np.array([len(ids)]))).mean(axis=(0, 1))
    return np.zeros_like(mean) if name == "zero" else mean
