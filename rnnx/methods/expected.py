"""Expected gradients: integrated gradients from many baselines, drawn from data."""

from __future__ import annotations

import numpy as np

from rnnx.methods.completeness import missing
from rnnx.methods.references import by_rank
from rnnx.methods.sampling import groups, mean, repeated, standard_error
from rnnx.models.batching import distinct
from rnnx.models.protocols import Array, Base, Batch, Diagnosed, Differentiable, Integers
from rnnx.models.scores import score
from rnnx.models.seeds import Rngs
from rnnx.settings import Count, Of, Texts

AT_ONCE = 1_000_000  # tokens of draws that are asked for together: as ids and slopes they take 20 MB


def expected_grad(
    model: Differentiable,
    batch: Batch,
    target: Integers,
    rngs: Rngs,
    *,
    references: Texts | None = None,
    samples: Count = 100,
    of: Of = "logit",
) -> Diagnosed:
    """What each token contributes to the difference between the text's score and that of usual words.

    Erion et al. 2021 (expected gradients; Lundberg & Lee's GradientSHAP without its noise). Each of ``samples``
    draws takes other words for the whole text and a point on the line from them to the text; the score of token t
    is the mean of (x_t - word_t) . gradient at that point. Positive speaks for the target, negative against it.
    The expected scores add up to y(text) - the mean of y(other words), the diagnostic ``difference``; ``residual``
    is what their sum lacks of it. ``standard_error``, the mean over the tokens, says how far off a score may be by
    chance: four times the samples halve it.

    The words are as many consecutive tokens from a random place of ``references``, a file of texts (its first 1,000,
    whose ids reach this function), read one after another. Without one, each is drawn from the model's vocabulary,
    by Zipf's law: half as often at twice the rank, which is that of the frequency in the training data for models that
    rnnx trained. The points are spread evenly over the line, one at random in each of ``samples`` parts. ``of`` as in
    ``grad``.

    Returns (batch, token) scores; padding is 0.
    """
    x = model.embed(batch)
    others = _draw(model, batch, rngs, samples, references)
    at = np.stack([(np.arange(samples) + rng.random(samples)) / samples for rng in rngs])

    words, which = distinct(others)
    base = model.embed(Batch(words[None], np.array([len(words)])))[0]

    def slopes(part: slice) -> Array:
        found, _ = model.slopes(x, Base(base, which[:, part]), batch, target, at[:, part], of)
        return found

    scores, errors = mean(map(slopes, groups(samples, batch, AT_ONCE)), samples)
    ends = _read(model, np.concatenate([batch.ids[:, None], others], axis=1), batch, target, of)
    difference = ends[:, 0] - ends[:, 1:].mean(axis=1)
    judged = {"residual": missing(difference, scores), "difference": difference}
    return Diagnosed(scores, judged | standard_error(errors, batch, samples))


def _read(model: Differentiable, ids: Integers, batch: Batch, target: Integers, of: Of) -> Array:
    """The scores (B, n) of ids (B, n, T), n of the length of each text."""

    def read(part: slice) -> Array:
        rows, many = repeated(batch, part)
        logits = model.forward(Batch(ids[:, part].reshape(len(rows), -1), many.lengths))
        return score(logits, target[rows], of).reshape(len(ids), -1)

    parts = [read(part) for part in groups(ids.shape[1], batch, AT_ONCE)]
    return np.concatenate(parts, axis=1, dtype=np.float64)


def _draw(model: Differentiable, batch: Batch, rngs: Rngs, samples: int, references: Texts | None) -> Integers:
    """Ids of other words for each text, (B, samples, T)."""
    drawn, any_word = np.zeros((len(rngs), samples, batch.ids.shape[1]), batch.ids.dtype), by_rank(model)
    pool = np.concatenate(references) if references else drawn[:0]
    for row, n, rng in zip(drawn, batch.lengths, rngs, strict=True):
        if references is None:
            row[:, :n] = any_word(rng.random((samples, n)))
        else:
            places = rng.integers(len(pool), size=(samples, 1)) + np.arange(n)
            row[:, :n] = pool[places % len(pool)]
    return drawn
