"""Whether scores rank tokens as leaving each of them out does."""

from __future__ import annotations

import numpy as np

from rnnx.metrics.correlation import by_text, kendall
from rnnx.metrics.erasure import falls, game
from rnnx.models.protocols import Array, Batch, Classifier, Integers
from rnnx.settings import FixedRemoval


def leave_one_out(
    model: Classifier,
    batch: Batch,
    target: Integers,
    scores: Array,
    signed: bool,
    *,
    removal: FixedRemoval = "delete",
) -> Array:
    """The rank correlation of scores and the fall of the target's probability without each token by itself.

    Jain & Wallace 2019; Attanasio et al. 2023 (tau-LOO). Kendall's tau-b, from -1 to 1; higher is better. Scores that
    are not ``signed`` are compared with the size of the falls. Where words stand in for each other it is no fault of a
    method to disagree. nan for a text of one token, or of scores that are all the same.

    Returns (batch,).
    """
    tokens = np.eye(batch.ids.shape[1], dtype=bool)
    fall = falls(game(model, batch, target, removal), np.broadcast_to(~tokens, (len(scores), *tokens.shape)))
    return by_text(kendall, scores if signed else np.abs(scores), fall if signed else np.abs(fall), batch)
