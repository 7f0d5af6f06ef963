"""Gradients averaged over noisy copies of the text."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from rnnx.methods.gradients import NORMS
from rnnx.methods.sampling import groups, jackknife, mean, repeated, standard_error
from rnnx.models.progress import tell
from rnnx.models.protocols import Array, Batch, Diagnosed, Differentiable, Integers
from rnnx.models.seeds import Rngs
from rnnx.settings import Amount, Count, Norm, Of


def smoothgrad(
    model: Differentiable,
    batch: Batch,
    target: Integers,
    rngs: Rngs,
    *,
    samples: Count = 50,
    noise: Amount = 0.15,
    square: bool = False,
    norm: Norm = "l2",
    of: Of = "logit",
) -> Diagnosed:
    """How strongly the target's score reacts to each token, on average around the text.

    Smilkov et al. 2017 (SmoothGrad). The gradient d score / d x is averaged over ``samples`` copies of the text
    whose embeddings have Gaussian noise, of a standard deviation that is the share ``noise`` of the range
    (largest minus smallest number) of the text's own embeddings. ``square`` averages the squares of the gradient's
    numbers instead (SmoothGrad-squared, Hooker et al. 2019). ``norm`` makes a score of a token's mean, and ``of``
    is what is differentiated, both as in ``grad``. The scores do not add up to anything. ``standard_error``, the mean
    over the tokens, says how far chance moves a score, whatever its norm: four times the samples halve it.

    Returns (batch, token) scores; padding is 0.
    """
    gradients = _gradients(model, batch, target, rngs, samples, noise, of)
    values = (part.astype(np.float64) ** 2 for part in gradients) if square else gradients
    scores, errors = jackknife(values, samples, NORMS[norm])
    return Diagnosed(scores, standard_error(errors, batch, samples))


def smoothgrad_x_input(
    model: Differentiable,
    batch: Batch,
    target: Integers,
    rngs: Rngs,
    *,
    samples: Count = 50,
    noise: Amount = 0.15,
    of: Of = "logit",
) -> Diagnosed:
    """The first-order estimate of what each token contributes, from the average gradient around the text.

    Smilkov et al. 2017 (SmoothGrad, times the input). The score of token t is x_t . the gradient averaged over
    noisy copies of the text; ``samples`` and ``noise`` as in ``smoothgrad``, ``of`` as in ``grad``. Positive speaks
    for the target, negative against it. The scores add up to the score only if the model is linear.
    ``standard_error`` is that of a score, the mean over the tokens.

    Returns (batch, token) scores; padding is 0.
    """
    x = model.embed(batch)
    gradients = _gradients(model, batch, target, rngs, samples, noise, of)
    scores, errors = mean(((x[:, None] * part).sum(-1) for part in gradients), samples)
    return Diagnosed(scores, standard_error(errors, batch, samples))


def _gradients(
    model: Differentiable, batch: Batch, target: Integers, rngs: Rngs, samples: int, noise: float, of: str
) -> Iterator[Array]:
    """The gradients at noisy copies of the texts, (B, draws, T, E), group by group."""
    x, real = model.embed(batch), batch.mask[:, :, None]
    low, high = np.where(real, x, np.inf).min(axis=(1, 2)), np.where(real, x, -np.inf).max(axis=(1, 2))
    for part in groups(samples, batch):
        rows, many = repeated(batch, part)
        copies = np.repeat(x[:, None], part.stop - part.start, axis=1)
        for copy, n, rng, spread in zip(copies, batch.lengths, rngs, noise * (high - low), strict=True):
            copy[:, :n] += spread * rng.standard_normal((len(copy), n, x.shape[2]))  # padding draws no numbers
        gradient = model.gradient(copies.reshape(len(rows), *x.shape[1:]), many, target[rows], of)
        tell(len(rows))
        yield gradient.reshape(copies.shape)
