"""Which tokens hold a decision up: taken away one after another, the one that matters most first."""

from __future__ import annotations

from typing import Literal

import numpy as np

from rnnx.methods.removal import removing
from rnnx.models.protocols import Array, Batch, Classifier, Diagnosed, Integers
from rnnx.models.scores import probabilities, score
from rnnx.models.variants import logits
from rnnx.settings import Count, FixedRemoval, Of

TIE = 1e-5  # falls that differ by less are equal, and the first token goes: batches differ in the last digits


def greedy(
    model: Classifier,
    batch: Batch,
    target: Integers,
    *,
    until: Literal["flip", "end"] = "flip",
    most: Count = 50,
    removal: FixedRemoval = "mask",
    of: Of = "logit",
) -> Diagnosed:
    """How far the target's score falls with each of the tokens that hold the decision up; the others have 0.

    Martens & Provost 2014 (a small set of words without which a document is classified otherwise), found by taking
    away the token without which the score falls most, then of those left the next one, and so on, until the model says
    something else (``until`` flip), or nothing is left (end); but at most ``most`` tokens. Where the target is not what
    the model says, tokens go that speak against it, until the model says it. A token's score is what its own removal
    changed, after those before it: positive speaks for the target. The scores add up, to the fall of the target's score
    from the text to what is left of it. ``flips_after`` is after how many tokens the decision changed, 0 if it did not;
    ``taken`` how many were taken away. ``removal`` and ``of`` as in ``occlusion``.

    Nothing can lower the score much faster, one token at a time: that makes it the measure for how well other methods
    order the tokens. What is left is rarely a text, and the decision about it rarely one that a reader would make.

    Returns (batch, token) scores; padding is 0.
    """
    removed, scores, taken = removing(model, removal), np.zeros(batch.ids.shape), ~batch.mask
    now = model.forward(batch)
    said = probabilities(now).argmax(axis=1) == target
    flips = np.zeros(len(now), int)
    for count in range(1, most + 1):
        rows = np.flatnonzero(~taken.all(axis=1) & ((flips == 0) | (until == "end")))
        if not len(rows):
            break
        part = Batch(np.where(taken, removed.symbol, batch.ids)[rows], batch.lengths[rows])
        text, place = np.nonzero(~taken[rows])
        variants = removed.variants(part, text, np.arange(len(text)), place)
        left = np.where(variants.changed[:, None], logits(model, variants), now[rows][text])
        fall = score(now[rows], target[rows], of)[text] - score(left, target[rows][text], of)
        best = _first_of_largest(np.where(said[rows], 1, -1)[text] * fall, text)
        taken[rows, place[best]], scores[rows, place[best]], now[rows] = True, fall[best], left[best]
        flipped = (probabilities(now[rows]).argmax(axis=1) == target[rows]) != said[rows]
        flips[rows[flipped & (flips[rows] == 0)]] = count
    return Diagnosed(scores, {"flips_after": flips, "taken": (taken & batch.mask).sum(axis=1)})


def _first_of_largest(values: Array, group: Integers) -> Integers:
    """The index of the first value of each group that is as large as its largest; ``group`` rises from 0."""
    starts = np.searchsorted(group, np.arange(group[-1] + 1))
    largest = np.flatnonzero(values >= np.maximum.reduceat(values, starts)[group] - TIE)
    return largest[np.unique(group[largest], return_index=True)[1]]
