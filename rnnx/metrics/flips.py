"""How many tokens the decision hangs on."""

from __future__ import annotations

import numpy as np

from rnnx.methods.removal import removing
from rnnx.metrics.ranking import places
from rnnx.models.protocols import Array, Batch, Classifier, Integers, Mask
from rnnx.models.scores import probabilities
from rnnx.models.variants import logits
from rnnx.settings import FixedRemoval


def flip_first(
    model: Classifier,
    batch: Batch,
    target: Integers,
    scores: Array,
    *,
    removal: FixedRemoval = "delete",
) -> Array:
    """The share of tokens after which the decision changes, the most important taken away first.

    Serrano & Smith 2019; Nguyen 2018 (switching point). From above 0 to 1; lower is better: few tokens hold the
    decision up. 1 where the model still says the same when nothing is left.

    Returns (batch,).
    """
    return _share(model, batch, places(batch, scores), removal)


def flip_last(
    model: Classifier,
    batch: Batch,
    target: Integers,
    scores: Array,
    *,
    removal: FixedRemoval = "delete",
) -> Array:
    """The share of tokens after which the decision changes, the least important taken away first.

    Serrano & Smith 2019, turned round. From above 0 to 1; higher is better: what does not matter can go. 1 as of
    ``flip_first``.

    Returns (batch,).
    """
    return _share(model, batch, batch.lengths[:, None] - 1 - places(batch, scores), removal)


def _share(model: Classifier, batch: Batch, place: Integers, removal: FixedRemoval) -> Array:
    said = probabilities(model.forward(batch)).argmax(axis=1)
    flips = np.zeros((len(said), batch.ids.shape[1]), bool)
    text, count = np.nonzero(batch.mask)
    there = place[text] > count[:, None]
    flips[text, count] = _decisions(model, batch, text, there, removal) != said[text]
    first: Array = np.where(flips.any(axis=1), flips.argmax(axis=1) + 1, batch.lengths) / batch.lengths
    return first


def _decisions(model: Classifier, batch: Batch, text: Integers, there: Mask, removal: FixedRemoval) -> Integers:
    """The label of each text with only the tokens that are there."""
    variant, place = np.nonzero(~there & batch.mask[text])
    found = logits(model, removing(model, removal).variants(batch, text, variant, place))
    decided: Integers = probabilities(found).argmax(axis=1)
    return decided
