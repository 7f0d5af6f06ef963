"""The order of importance that scores put tokens in: the same for every metric."""

from __future__ import annotations

import numpy as np

from rnnx.models.protocols import Array, Batch, Integers


def importance(scores: Array, signed: bool) -> Array:
    """What tokens are ranked by: signed scores as they are, so that what speaks for the target comes first; the size
    of unsigned ones.
    """
    return scores if signed else np.abs(scores)


def places(batch: Batch, scores: Array) -> Integers:
    """How many tokens of its text come before each token, (B, T): the one with the highest score is at 0.

    Of tokens with the same score the first in the text comes first; padding comes after all tokens.
    """
    order = np.argsort(np.where(batch.mask, -scores, np.inf), axis=1, kind="stable")
    found = np.empty_like(order)
    np.put_along_axis(found, order, np.arange(order.shape[1])[None], axis=1)
    return found
