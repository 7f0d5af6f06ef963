"""How strongly the score reacts when a token's embedding is not quite itself."""

from __future__ import annotations

import numpy as np

from rnnx.methods.baselines import every_word
from rnnx.methods.drawing import Drawn, until
from rnnx.methods.perturbation import each_token, falls, over_tokens
from rnnx.methods.removal import EXTRA
from rnnx.models.protocols import Array, Batch, Diagnosed, Differentiable, Integers
from rnnx.models.seeds import Rngs
from rnnx.models.variants import Variants
from rnnx.settings import Amount, Count, Of


def noise(
    model: Differentiable,
    batch: Batch,
    target: Integers,
    rngs: Rngs,
    *,
    scale: Amount = 0.5,
    samples: Count = 128,
    tolerance: Amount = 0.05,
    of: Of = "logit",
) -> Diagnosed:
    """By how much the target's score changes, on average, when there is noise on one token's embedding at a time.

    Fong & Vedaldi 2017 (noise as a perturbation), token by token. The score of token t is the mean of |y(text with
    noise on t) - y(text)|: how much, not for or against. The noise is Gaussian, each number's standard deviation
    ``scale`` times that of all numbers in the vocabulary's embeddings. It is drawn up to ``samples`` times, until the
    ``standard_error``, the mean over the tokens, is no more than the share ``tolerance`` of the largest score. Small
    noise measures the gradient, times the scale; larger noise how the model bends. The scores add up to nothing. ``of``
    is what changes: the target's logit, its probability, or the log of that. ``--view sensitivity`` shows the mean with
    its sign too.

    Returns (batch, token) scores; padding is 0.
    """
    found = _changes(model, batch, target, rngs, scale, samples, tolerance, of)
    return Diagnosed(found.mean[:, :, 0], found.diagnostics(batch))


def sensitivity(
    model: Differentiable,
    batch: Batch,
    target: Integers,
    rngs: Rngs,
    *,
    scale: Amount = 0.5,
    samples: Count = 128,
    tolerance: Amount = 0.05,
    of: Of = "logit",
) -> Diagnosed:
    """By how much the target's score changes under noise on one token's embedding: the size, and the direction.

    Fong & Vedaldi 2017 (noise as a perturbation); ``rnnx methods noise`` says what is drawn. Where the model is nearly
    straight, changes of both directions cancel, and the mean change is nothing beside the mean size. A mean change that
    is several times its error says that the token is just right as it is (below 0), or that nearly any other embedding
    would speak more for the target (above).

    Returns the columns |dy|, dy and the standard error of dy; that of |dy| is the diagnostic, the mean over the tokens.
    """
    found = _changes(model, batch, target, rngs, scale, samples, tolerance, of)
    columns = {"|dy|": found.mean[:, :, 0], "dy": found.mean[:, :, 1], "error of dy": found.error[:, :, 1]}
    return Diagnosed(columns, found.diagnostics(batch))


def _changes(
    model: Differentiable,
    batch: Batch,
    target: Integers,
    rngs: Rngs,
    scale: float,
    samples: int,
    tolerance: float,
    of: str,
) -> Drawn:
    """The size of the change and the change, two quantities."""
    spread = scale * every_word(model).std()

    def draw(part: Batch, rows: Integers, generators: Rngs, count: int) -> Array:
        x = model.embed(part)
        text, _, place = each_token(part, count)
        drawn = [
            rng.standard_normal((count * n, x.shape[2]), x.dtype.type)
            for rng, n in zip(generators, part.lengths.tolist(), strict=True)
        ]
        noisy = x[text, place] + spread * np.concatenate(drawn)
        moved = np.flatnonzero((noisy != x[text, place]).any(axis=1))
        symbols = EXTRA - np.arange(len(moved))
        variants = Variants.of(part, text, moved, place[moved], symbols, noisy[moved])
        change = -falls(model, variants, target[rows], of)
        return over_tokens(np.stack([np.abs(change), change], axis=1), part, count)

    return until(draw, batch, rngs, samples, tolerance)
