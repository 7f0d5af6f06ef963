"""Explaining again: with other draws, after a small change of the input, by a model that has forgotten what it knew."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from rnnx.metrics.correlation import by_text, spearman
from rnnx.models.protocols import Array, Batch, Classifier, Integers, Weighted
from rnnx.models.seeds import Rngs
from rnnx.settings import Amount, Count


class Explain(Protocol):
    """A method with its settings, to be asked again."""

    @property
    def random(self) -> bool:
        """Whether it draws."""

    def __call__(
        self, model: Classifier, batch: Batch, target: Integers, *, draw: int = 0, like: Batch | None = None
    ) -> Array:
        """Scores (B, T), nan for a text that it cannot explain.

        ``draw`` 0 has the random numbers of the explanation that is judged, another number others; ``like`` are the
        texts whose random numbers are taken, if not those of the batch.
        """


def seed_stability(
    model: Classifier, batch: Batch, target: Integers, scores: Array, explain: Explain, *, draws: Count = 3
) -> Array:
    """Whether other random numbers rank the tokens in the same way: the mean rank correlation with ``draws`` other
    explanations.

    Visani et al. 2022 on the stability of LIME. Spearman's correlation, from -1 to 1; higher is better. nan for a
    method that draws nothing, and a text of one token.

    Returns (batch,).
    """
    if not explain.random:
        return np.full(len(scores), np.nan)
    others = [explain(model, batch, target, draw=k) for k in range(1, draws + 1)]
    found: Array = np.mean([by_text(spearman, scores, other, batch) for other in others], axis=0)
    return found


def max_sensitivity(
    model: Weighted,
    batch: Batch,
    target: Integers,
    scores: Array,
    explain: Explain,
    rngs: Rngs,
    *,
    radius: Amount = 0.02,
    samples: Count = 10,
) -> Array:
    """How far the scores move when each number of the embeddings moves by up to ``radius``, at worst.

    Yeh et al. 2019, as in Captum: the largest of ``samples`` distances between the scores of the changed text and those
    of the text, relative to the length of the latter. From 0; lower is better, but an explanation that says nothing of
    the text has 0 too. A method that draws keeps its random numbers.

    Returns (batch,).
    """
    x, worst = model.embed(batch), np.zeros(len(scores))
    size = np.linalg.norm(scores, axis=1)
    own = np.arange(batch.ids.size).reshape(batch.ids.shape)  # each token a word of its own
    for _ in range(samples):
        moved = x + np.stack([rng.uniform(-radius, radius, x.shape[1:]) for rng in rngs]).astype(x.dtype)
        changed, first = model.extended(moved.reshape(-1, x.shape[2]))
        other = explain(changed, Batch(np.where(batch.mask, own + first, 0), batch.lengths), target, like=batch)
        worst = np.maximum(worst, np.linalg.norm(other - scores, axis=1) / np.where(size, size, 1))
    return worst


def randomisation(
    model: Weighted, batch: Batch, target: Integers, scores: Array, explain: Explain, *, orders: Count = 8
) -> Array:
    """How like the explanation stays when the model forgets what it has learnt, from the output down to the embeddings:
    the mean of ``cascade`` over its steps and over ``orders`` random orders of the weights.

    Adebayo et al. 2018 (sanity checks). Spearman's correlation of the sizes of the scores, from -1 to 1. Near 0 is
    good: an explanation that does not change is not about the model. nan for a text of one token. The orders are the
    same for all texts, and one of them by itself says little: with another, the mean over many texts may be 0.2 off.

    Returns (batch,).
    """
    found = [cascade(model, batch, target, scores, explain, order).mean(axis=0) for order in range(orders)]
    return np.asarray(np.mean(found, axis=0))


def cascade(model: Weighted, batch: Batch, target: Integers, scores: Array, explain: Explain, order: int = 0) -> Array:
    """The rank correlation of the sizes of scores with those of models of which more and more is random, (parts, B).

    Part by part from the top (``model.parts``), all weights of the part change places at random; those above stay so.
    """
    found = []
    for count in range(1, len(model.parts) + 1):
        other = explain(model.scrambled(count, np.random.default_rng([order, 7])), batch, target)
        found.append(by_text(spearman, np.abs(scores), np.abs(other), batch))
    return np.array(found)
