"""What changes when a token, a few in a row, or a sentence is taken away."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np

from rnnx.methods.coalitions import AT_ONCE
from rnnx.methods.drawing import until
from rnnx.methods.perturbation import falls
from rnnx.methods.removal import removing
from rnnx.models.protocols import Array, Batch, Classifier, Diagnosed, Integers
from rnnx.models.seeds import Rngs
from rnnx.settings import Amount, Count, Of, Removal, Texts


def occlusion(
    model: Classifier,
    batch: Batch,
    target: Integers,
    rngs: Rngs,
    *,
    window: Count = 1,
    unit: Literal["token", "sentence"] = "token",
    removal: Removal = "mask",
    of: Of = "logit",
    references: Texts | None = None,
    samples: Count = 64,
    tolerance: Amount = 0.05,
) -> Diagnosed:
    """By how much the target's score falls when a token is taken away, all others staying as they are.

    Zeiler & Fergus 2014 (occlusion); Li et al. 2016 (erasure) for text. Positive speaks for the target: without the
    token its score is lower. ``unit`` takes away whole sentences, ``window`` so many units in a row at once; the score
    of a token is the mean over all windows that it stands in. The scores add up to nothing: two words that say the same
    stand in for each other, and neither is missed. ``of``: the fall of the target's logit, of its probability, or of
    the log of that.

    What is taken away is replaced by the unknown word (``removal`` mask), by nothing (delete), by zeros (pad), by the
    vocabulary's mean embedding (mean), or by words drawn at random (sample; with of=prob this is the input
    marginalisation of Kim et al. 2020 by a bigram model instead of BERT): by what follows the word before it in
    ``references``, a file of texts such as those the model was trained on (its first 1,000), or without one from the
    vocabulary by Zipf's law, whatever stands before. Only these are drawn, up to ``samples`` times, until their
    ``standard_error``, the mean over the tokens, is no more than the share ``tolerance`` of the largest score. Raises
    Unsupported for the sentences of a batch without tokens.

    Returns (batch, token) scores; padding is 0.
    """
    removed = removing(model, removal, references)

    def draw(part: Batch, rows: Integers, generators: Rngs, count: int) -> Array:
        shape = len(rows), count, part.ids.shape[1]
        total, number = np.zeros((2, *shape))
        for spans in _windows(part, unit, window).repeated(count).parts():
            variant, place = spans.tokens()
            variants = removed.variants(part, spans.text, variant, place, generators)
            fall = falls(model, variants, target[rows], of)
            cell = np.ravel_multi_index((spans.text[variant], spans.draw[variant], place), shape)
            total += np.bincount(cell, fall[variant], total.size).reshape(shape)
            number += np.bincount(cell, minlength=total.size).reshape(shape)
        means: Array = total / number.clip(1)
        return means[..., None]

    if removed.draw is None:
        return Diagnosed(draw(batch, np.arange(len(target)), (), 1)[:, 0, :, 0], {})
    found = until(draw, batch, rngs, samples, tolerance)
    return Diagnosed(found.mean[:, :, 0], found.diagnostics(batch))


class _Spans(NamedTuple):
    """Tokens from ``start`` to before ``stop`` of text ``text``, for draw ``draw``; all (N,)."""

    text: Integers
    draw: Integers
    start: Integers
    stop: Integers

    def repeated(self, count: int) -> _Spans:
        """All of them for each of ``count`` draws, those of a text together."""
        order = np.argsort(np.tile(self.text, count), kind="stable")
        draw = np.repeat(np.arange(count), len(self.text))
        text, start, stop = (np.tile(values, count)[order] for values in (self.text, self.start, self.stop))
        return _Spans(text, draw[order], start, stop)

    def tokens(self) -> tuple[Integers, Integers]:
        """The number of the span and the place of each token in one, (M,) both."""
        sizes = self.stop - self.start
        span = np.repeat(np.arange(len(sizes)), sizes)
        return span, np.arange(len(span)) - np.repeat(np.cumsum(sizes) - sizes - self.start, sizes)

    def parts(self) -> Iterator[_Spans]:
        """The same in parts of so many tokens as are written out together, or a longer span."""
        part = (np.cumsum(self.stop - self.start) - 1) // AT_ONCE
        for own in np.split(np.arange(len(part)), np.flatnonzero(np.diff(part)) + 1):
            yield _Spans(*(values[own] for values in self))


def _windows(batch: Batch, unit: str, window: int) -> _Spans:
    """All runs of ``window`` units of each text; of a text with fewer all of it."""
    spans = []
    for i, edges in enumerate(_edges(batch, unit)):
        wide = min(window, len(edges) - 1)
        start, stop = edges[:-wide], edges[wide:]
        spans.append((np.full(len(start), i), np.zeros(len(start), int), start, stop))
    return _Spans(*(np.concatenate(column) for column in zip(*spans, strict=True)))


def _edges(batch: Batch, unit: str) -> list[Integers]:
    """Where the units of each text begin, and its end. Raises Unsupported."""
    if unit == "token":
        return [np.arange(n + 1) for n in batch.lengths]
    return [np.flatnonzero(np.diff(sentence, prepend=-1, append=-1)) for sentence in batch.sentences()]
