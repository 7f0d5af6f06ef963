"""Expected gradients: integrated gradients from many baselines, drawn from data."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from rnnx.methods.completeness import missing
from rnnx.methods.references import by_rank
from rnnx.methods.sampling import groups, mean, standard_error
from rnnx.models.batching import distinct
from rnnx.models.protocols import Array, Base, Batch, Diagnosed, Differentiable, Integers
from rnnx.models.scores import score
from rnnx.models.seeds import Generators
from rnnx.models.variants import ABSENT, Variants, logits
from rnnx.settings import Count, Of, Texts

BLOCK = 256  # draws whose words are written out together: of the longest reviews some 20 MB
AT_ONCE = 1_000_000  # tokens of draws that are asked for together: as ids and slopes they take 20 MB


def expected_grad(
    model: Differentiable,
    batch: Batch,
    target: Integers,
    rngs: Generators,
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
    rnnx trained. The points are spread evenly over the line, one at random in each of ``samples`` parts. Words and
    points are the same for every text, as far as it goes: texts are compared with the same, and what these words are
    worth is read but once. ``of`` as in ``grad``.

    Returns (batch, token) scores; padding is 0.
    """
    x, usual = model.embed(batch), np.zeros(len(batch.ids))

    def slopes() -> Iterator[Array]:
        for part, rng in _blocks(samples, rngs.common):
            count = part.stop - part.start
            at = (np.arange(part.start, part.stop) + rng.random(count)) / samples
            others = _draw(model, batch.ids.shape[1], rng, count, references)
            usual[:] += _expected(model, others, batch, target, of) * count / samples
            words, which = distinct(others)
            base = model.embed(Batch(words[None], np.array([len(words)])))[0]
            for some in groups(count, batch, AT_ONCE):
                points = np.tile(at[some], (len(x), 1))
                yield model.slopes(x, Base(base, which[None, some]), batch, target, points, of)[0]

    scores, errors = mean(slopes(), samples)
    difference = score(model.forward(batch), target, of) - usual
    judged = {"residual": missing(difference, scores), "difference": difference}
    return Diagnosed(scores, judged | standard_error(errors, batch, samples))


def _blocks(samples: int, rng: np.random.Generator) -> Iterator[tuple[slice, np.random.Generator]]:
    """The draws in blocks that are the same whatever the texts, each with the generator that they come from."""
    for start in range(0, samples, BLOCK):
        yield slice(start, min(start + BLOCK, samples)), rng.spawn(1)[0] if start else rng


def _expected(model: Differentiable, others: Integers, batch: Batch, target: Integers, of: Of) -> Array:
    """The mean score (B,) of as many of the other words as each text has, which are the same for texts of a length."""
    lengths, first, own = np.unique(batch.lengths, return_index=True, return_inverse=True)
    one = Batch(batch.ids[first], lengths)
    total, unedited = np.zeros(len(own)), np.empty(0, int)
    for part in groups(len(others), one, AT_ONCE):
        base = np.where(one.mask, others[part, None], ABSENT).reshape(-1, others.shape[1])
        found = logits(model, Variants(base, np.arange(len(base)), unedited, unedited, unedited))
        for values in found.reshape(-1, len(lengths), found.shape[1]):
            total += score(values[own], target, of)
    return total / len(others)


def _draw(
    model: Differentiable, steps: int, rng: np.random.Generator, samples: int, references: Texts | None
) -> Integers:
    """Ids of other words, (samples, steps): for fewer steps the same, as far as they go."""
    if references is None:
        return by_rank(model)(rng.random((steps, samples))).T
    pool = np.concatenate(references)
    places = rng.integers(len(pool), size=(samples, 1)) + np.arange(steps)
    drawn: Integers = pool[places % len(pool)]
    return drawn
