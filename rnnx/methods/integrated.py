"""Integrated gradients, with as many points on the path as each text needs."""

from __future__ import annotations

from typing import Literal

import numpy as np

from rnnx.methods.baselines import base_vector
from rnnx.methods.completeness import missing
from rnnx.methods.quadrature import clenshaw_curtis, gauss_legendre
from rnnx.models.protocols import Array, Base, Batch, Diagnosed, Differentiable, Integers
from rnnx.models.scores import score
from rnnx.settings import Amount, Baseline, Count, Of

FIRST = 8  # steps of the first rule; of some texts in a hundred, the residual of fewer is small by accident
FLOOR = 1e-5  # of the sum of the scores' sizes; rounding in single precision comes to 6e-7 of it
RULES = {"clenshaw-curtis": clenshaw_curtis, "gauss-legendre": gauss_legendre}


def ig(
    model: Differentiable,
    batch: Batch,
    target: Integers,
    *,
    baseline: Baseline = "zero",
    tolerance: Amount = 1e-3,
    steps: Count = 128,
    quadrature: Literal["clenshaw-curtis", "gauss-legendre"] = "clenshaw-curtis",
    of: Of = "logit",
) -> Diagnosed:
    """What each token contributes to the difference between the text's score and that of a baseline.

    Sundararajan et al. 2017 (integrated gradients). The gradient is averaged along the straight line from the
    baseline to the text, all tokens at once; the score of token t is (x_t - baseline_t) . that mean. Positive
    speaks for the target, negative against it. The scores add up to the difference y(text) - y(baseline); the
    diagnostic ``residual`` is what their sum lacks of ``difference``, for want of more points.

    A text has 9 points at first, and twice the steps as long as its residual is above ``tolerance`` times the
    difference and above 0.00001 times the sum of the scores' sizes (rounding is not far below), up to ``steps``
    steps; the diagnostic ``points`` says how many it had. Both bounds grow and shrink with what is explained, so that
    a small probability is as well explained as a large logit. A tolerance of 0 takes all steps at once. The points of
    ``clenshaw-curtis`` serve the next rule too; there is one more of them than steps, and its steps are a power of two,
    the largest up to ``steps`` (64 for 100), at least 2. Those of ``gauss-legendre``, as many as steps, whatever their
    number, do not. A small residual does not see errors of single tokens that cancel out.

    ``baseline`` is what stands for "nothing said": a ``zero`` vector for each token, the embedding of the padding
    (``pad``, zeros too in networks that rnnx trained), of an unknown word (``unk``), or the ``mean`` of all words.
    ``of`` as in ``grad``.

    Returns (batch, token) scores; padding is 0.
    """
    x = model.embed(batch)
    base = Base(base_vector(model, baseline)[None], np.zeros((1, 1, 1), int))
    scores, points = np.zeros(batch.ids.shape), np.zeros(len(x), int)
    difference: Array = np.zeros(len(x))
    residual = difference
    rows, known = np.arange(len(x)), np.empty((len(x), 0, x.shape[1]))  # the texts that need more, and their slopes
    for fresh, weights in RULES[quadrature](FIRST if tolerance else steps, steps):
        part, at = Batch(batch.ids[rows], batch.lengths[rows]), np.tile(fresh, (len(rows), 1))
        slopes, logits = model.slopes(x[rows], base, part, target[rows], at, of)
        if known.shape[1] == 0:
            difference = score(logits[:, 1], target, of) - score(logits[:, 0], target, of)
        known = np.concatenate([known, slopes], axis=1)[:, -len(weights) :]
        scores[rows] = np.einsum("k,rkt->rt", weights, known)
        points[rows] = len(weights)
        residual = missing(difference, scores)
        least = np.maximum(tolerance * np.abs(difference), FLOOR * np.abs(scores).sum(1))
        more = (np.abs(residual) > least)[rows]
        rows, known = rows[more], known[more]
        if not len(rows):
            break
    return Diagnosed(scores, {"points": points, "residual": residual, "difference": difference})
