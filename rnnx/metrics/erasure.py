"""How the target's probability falls without the tokens that an explanation puts first, or with only those."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rnnx.methods.coalitions import Coalitions, Game, pieces
from rnnx.methods.removal import removing
from rnnx.metrics.ranking import places
from rnnx.models.protocols import Array, Batch, Classifier, Integers, Mask
from rnnx.models.scores import probabilities
from rnnx.settings import FixedRemoval

THRESHOLDS = (0.01, 0.05, 0.1, 0.2, 0.5)  # shares of a text, those of ERASER
SMALL = 1e-9  # what a share times a length may be over a whole number by rounding


def comprehensiveness(
    model: Classifier,
    batch: Batch,
    target: Integers,
    scores: Array,
    *,
    removal: FixedRemoval = "delete",
) -> Array:
    """By how much the target's probability falls without the most important tokens: p(text) - p(text without them).

    DeYoung et al. 2020 (ERASER). The mean (AOPC) over the most important 1, 5, 10, 20 and 50 % of the tokens, each
    share rounded up, so that at least one token goes. From -1 to 1; higher is better: the tokens were needed. Scores
    rank tokens, see ``ranking``. By default tokens are deleted, as there, which is the default of none of our methods;
    of a text of which nothing is left an unknown word is read.

    Returns (batch,).
    """
    found: Array = curves(model, batch, target, scores, THRESHOLDS, removal)[0].mean(axis=1)
    return found


def sufficiency(
    model: Classifier,
    batch: Batch,
    target: Integers,
    scores: Array,
    *,
    removal: FixedRemoval = "delete",
) -> Array:
    """By how much the target's probability falls with only the most important tokens left: p(text) - p(only them).

    DeYoung et al. 2020 (ERASER). The mean (AOPC) over the same shares as of ``comprehensiveness``, in the same range.
    Lower is better: the tokens were enough; below 0 they say it more clearly than all of the text.

    Returns (batch,).
    """
    found: Array = curves(model, batch, target, scores, THRESHOLDS, removal)[1].mean(axis=1)
    return found


def curves(
    model: Classifier, batch: Batch, target: Integers, scores: Array, shares: Sequence[float], removal: FixedRemoval
) -> Array:
    """Falls of the target's probability at K shares of each text, without the tokens and with only them, (2, B, K)."""
    size = sizes(batch, shares)[:, :, None]
    first = places(batch, scores)[:, None] < size
    fall = falls(game(model, batch, target, removal), np.concatenate([~first, first], axis=1))
    return np.stack(np.split(fall, 2, axis=1))


def sizes(batch: Batch, shares: Sequence[float]) -> Integers:
    """How many tokens these shares of each text are, (B, K): rounded up, as ERASER's models do."""
    found: Integers = np.ceil(np.outer(batch.lengths, shares) - SMALL).astype(int)
    return found


def game(model: Classifier, batch: Batch, target: Integers, removal: FixedRemoval, of: str = "prob") -> Game:
    """Texts of which some of the tokens are worth the target's probability, or its logit."""
    return Game(model, batch, np.asarray(target), removing(model, removal), of)


def distributions(
    model: Classifier, batch: Batch, scores: Array, shares: Sequence[float], removal: FixedRemoval
) -> Array:
    """The probabilities of all C classes without the tokens at K shares of each text, and with only them (2, B, K, C).

    What ERASER's scorer makes ``curves`` of.
    """
    classes = range(len(model.labels))
    found = []
    for label in classes:
        target = np.full(len(scores), label)
        whole = probabilities(model.forward(batch))[:, label, None]
        found.append(whole - curves(model, batch, target, scores, shares, removal))
    return np.stack(found, axis=3)


def falls(game: Game, there: Mask) -> Array:
    """By how much less a text is worth with only the tokens ``there`` (B, K, T), (B, K); all in one call."""
    texts, count, tokens = there.shape
    every = np.concatenate([np.ones((texts, 1, tokens), bool), there], axis=1)
    text, there = np.repeat(np.arange(texts), count + 1), every.reshape(-1, tokens)
    found = worth(game, text, there).reshape(texts, count + 1)
    return found[:, :1] - found[:, 1:]


def worth(game: Game, text: Integers, there: Mask) -> Array:
    """What texts ``text`` (N,) are worth with only the tokens ``there`` (N, T)."""
    return game.worths(Coalitions(text[part], there[part]) for part in pieces(*there.shape))
