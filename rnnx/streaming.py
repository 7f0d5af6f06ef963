"""Texts to results: in order, computed in batches of like length, one that fails without the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np

from rnnx.data.readers import Fault
from rnnx.errors import DataError, Unexplained
from rnnx.models.batching import BUDGET, buckets
from rnnx.models.protocols import Array, Batch, Classifier
from rnnx.models.texts import Text
from rnnx.types import LeftOut, Token

WINDOW = 512  # texts looked at together, to be sorted by length

Compute = Callable[[Batch, Array], Sequence[Any]]  # a batch and its logits to one result a text; raises Unexplained


def computed(
    model: Classifier, texts: Iterator[Text], compute: Compute, budget: int = BUDGET, left_out: Fault | None = None
) -> Iterator[tuple[str, tuple[Token, ...], Any]]:
    """(text, tokens, what ``compute`` makes of it) for each text, in order.

    ``left_out`` is told of a text that is not explained, in its turn. Without it that raises DataError.
    """
    size, index = 1, 0  # the window grows, so that the first answers of a long stream come at once
    while window := list(islice(texts, size)):
        results: list[Any] = [None] * len(window)
        for rows in buckets([len(tokens) for _, tokens in window], budget):
            for i, result in _together(model, [window[i] for i in rows], compute):
                results[rows[i]] = result
        for text, result in zip(window, results, strict=True):
            if not isinstance(result, Unexplained):
                yield *text, result
            elif left_out:
                left_out(LeftOut(f"text {index}", result.message, result.hint, text=index))
            else:
                raise DataError(f"text {index}: {result.message}", result.hint)
            index += 1
        size = min(2 * size, WINDOW)


def _together(model: Classifier, texts: Sequence[Text], compute: Compute) -> Iterator[tuple[int, Any]]:
    """Of each of these texts its number and result; of one that cannot be explained the reason, in its place."""
    left = list(range(len(texts)))
    while left:
        batch = model.collate([texts[i][1] for i in left], [texts[i][0] for i in left])
        try:
            with np.errstate(over="ignore", invalid="ignore"):  # what comes of it is said
                results = compute(batch, model.forward(batch))
        except Unexplained as error:
            yield from ((left[i], Unexplained({0: why}, error.hint)) for i, why in error.reasons.items())
            left = [i for place, i in enumerate(left) if place not in error.reasons]
        else:
            yield from zip(left, results, strict=True)
            return
