"""A linear model that imitates the model on texts like this one."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnnx.methods.coalitions import Game, parts
from rnnx.methods.removal import removing
from rnnx.methods.sampling import standard_error
from rnnx.methods.surrogates import FIRST, Fit, Rows, Subsets, fitted, least_squares, refuse
from rnnx.models.protocols import Array, Batch, Classifier, Diagnosed, Integers, Mask
from rnnx.models.seeds import Rngs
from rnnx.settings import Amount, Count, Of, Removal, Texts


def lime(
    model: Classifier,
    batch: Batch,
    target: Integers,
    rngs: Rngs,
    *,
    samples: Count = 1024,
    tolerance: Amount = 0.05,
    width: Amount = 0.25,
    ridge: Amount = 1.0,
    removal: Removal = "mask",
    of: Of = "logit",
    references: Texts | None = None,
) -> Diagnosed:
    """What each token adds to the target's score in the linear model that is most like the model around this text.

    Ribeiro et al. 2016 (LIME), over the tokens where they stand. Subsets of the tokens are drawn: first their number,
    from none to all but one, each equally often. A ridge regression on which tokens are there imitates the scores of
    these texts; one counts exp(-d^2 / 2 width^2), its distance d from the text being 1 - sqrt(share of the tokens
    that are there), the cosine distance. The score of a token is its coefficient: positive speaks for the target. The
    scores add up to nothing; ``ridge``, the penalty on their squares, makes those of very short texts smaller.
    ``r_squared`` says how much of the variance of the scores, so weighted, the linear model explains: where that is
    little, its coefficients say little of the model.

    Subsets are drawn until the ``standard_error``, the mean over the tokens, is no more than the share ``tolerance``
    of the largest score, up to ``samples``; ``subsets`` is how many it took. ``removal``, ``of`` and ``references`` as
    in ``occlusion``. Raises Unexplained for more subsets than 2 GB of memory hold.

    Returns (batch, token) scores; padding is 0.
    """
    first, most = (np.full(len(batch.ids), count) for count in (FIRST, samples))
    refuse(batch.lengths, most)
    game = Game(model, batch, np.asarray(target), removing(model, removal, references), of)

    def fit(i: int, drawn: Subsets) -> Fit:
        """With the text itself."""

        def there(rows: slice) -> Mask:
            own = drawn(slice(max(rows.start, 1) - 1, rows.stop - 1))
            return own if rows.start else np.vstack([np.ones(drawn.size, bool), own])

        return _around(there, np.append(0.0, drawn.worths), drawn.size, width, ridge)

    found = fitted(game, rngs, _of_any_size, fit, tolerance, first, most)
    judged: dict[str, Any] = {"r_squared": found.r_squared, "subsets": found.subsets}
    return Diagnosed(found.coefficients, judged | standard_error(found.errors, batch, samples))


def _around(there: Rows, worths: Array, size: int, width: float, ridge: float) -> Fit:
    """Of N subsets of ``size`` tokens and their worths (N,); the intercept has no penalty."""
    every = list(parts(len(worths), size))
    distance = 1 - np.sqrt(np.concatenate([there(rows).mean(axis=1) for rows in every]))
    weights = np.exp(-((distance / max(width, 1e-6)) ** 2) / 2)
    total, mean = weights.sum(), weights @ worths / weights.sum()
    middle = sum((weights[rows] @ there(rows) for rows in every), np.zeros(size)) / total

    def part(rows: slice) -> tuple[Array, Array]:
        root = np.sqrt(weights[rows])
        return (there(rows) - middle) * root[:, None], (worths[rows] - mean) * root

    return least_squares(part, len(worths), size, ridge)


def _of_any_size(size: int, count: int, rng: np.random.Generator) -> Mask:
    """Subsets of 0 to ``size`` - 1 tokens."""
    return rng.permuted(np.arange(size) < rng.integers(size, size=(count, 1)), axis=1)
