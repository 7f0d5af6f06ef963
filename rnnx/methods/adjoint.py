"""Occlusion to the first order: all tokens from one forward and one backward pass."""

from __future__ import annotations

import numpy as np

from rnnx.methods.baselines import base_vector
from rnnx.models.protocols import Array, Batch, Integers, Recurrent
from rnnx.settings import Baseline, FixedRemoval, Of


def occlusion_fast(
    model: Recurrent,
    batch: Batch,
    target: Integers,
    *,
    removal: FixedRemoval = "mask",
    of: Of = "logit",
) -> Array:
    """About how far the target's score falls when a token is taken away: occlusion for long texts.

    Syed et al. 2023 (attribution patching), with the recurrent state for the activation. The step that the network
    really takes at token t leads to a state s_t; without the token, or with what stands in its place, the same step
    leads to another, s'_t. The score of token t is d score / d s_t . (s_t - s'_t), over both directions of the layer
    that reads the embeddings: the token's own step is exact, what the rest of the text makes of it is a straight line.
    It is ``rnnx methods occlusion`` where that is nearly straight; see there for ``removal``. A deleted token leaves
    the state before it a second time, which a mean over the tokens counts; in place of a text's only token stands an
    unknown word. Positive speaks for the target. The scores add up to nothing. ``of`` as in ``occlusion``.

    Returns (batch, token) scores; padding is 0.
    """
    name: dict[str, Baseline] = {"mask": "unk", "pad": "zero", "mean": "mean"}
    other = None if removal == "delete" else base_vector(model, name[removal])
    x, alone = model.embed(batch), np.flatnonzero(batch.lengths == 1)
    scores = model.skipped(x, other, batch, target, of)
    if other is None and len(alone):  # of a text of which nothing is left one unknown word is read
        one, unknown = Batch(batch.ids[alone, :1], batch.lengths[alone]), base_vector(model, "unk")
        scores[alone, :1] = model.skipped(x[alone, :1], unknown, one, np.asarray(target)[alone], of)
    return scores
