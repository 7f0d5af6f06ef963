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

# The model, a batch and its logits to one result a text; raises Unexplained.
Compute = Callable[[Classifier, Batch, Array], Sequence[Any]]
Windowed = Callable[[Sequence[Text]], Sequence[Any]]  # texts to a result each, or the Unexplained that says why not


def sizes(most: int | None = None) -> Iterator[int]:
    """How many texts are looked at together: few at first, so that the first answers of a long stream come at once, and
    never more than ``most``.

    They depend on nothing else: the same texts are always computed together, and their results are the same to the bit.
    """
    size = 1
    while True:
        yield size
        size = min(2 * size, most or WINDOW)


def computed(
    texts: Iterator[Text], together: Windowed, left_out: Fault | None = None, most: int | None = None
) -> Iterator[tuple[str, tuple[Token, ...], Any]]:
    """(text, tokens, its result) for each text, in order, at ``most`` so many computed together.

    ``left_out`` is told of a text that is not explained, in its turn. Without it that raises DataError.
    """
    index = 0
    for size in sizes(most):
        if not (window := list(islice(texts, size))):
            return
        for text, result in zip(window, together(window), strict=True):
            if not isinstance(result, Unexplained):
                yield *text, result
            elif left_out:
                left_out(LeftOut(f"text {index}", result.message, result.hint, text=index))
            else:
                raise DataError(f"text {index}: {result.message}", result.hint)
            index += 1


def window(
    model: Classifier, texts: Sequence[Text], compute: Compute, budget: int = BUDGET, *, inside: bool = False
) -> list[Any]:
    """What ``compute`` makes of texts, sorted by length into batches; or the Unexplained that says why not.

    A text that is there again is computed once. If it looks ``inside`` the model, a model that can remember reads each
    batch once, for it and for the logits.
    """
    read = getattr(model, "reading", None) if inside else None
    first: dict[Text, int] = {}
    same = [first.setdefault(text, i) for i, text in enumerate(texts)]
    once = list(first.values())
    results: list[Any] = [None] * len(texts)
    for rows in buckets([len(texts[i][1]) for i in once], budget):
        places = [once[row] for row in rows]
        for i, result in _together(model, read, [texts[place] for place in places], compute):
            results[places[i]] = result
    return [results[i] for i in same]


def _together(
    model: Classifier, read: Callable[[Batch], Classifier] | None, texts: Sequence[Text], compute: Compute
) -> Iterator[tuple[int, Any]]:
    """Of each of these texts its number and result; of one that cannot be explained the reason, in its place."""
    left = list(range(len(texts)))
    while left:
        batch = model.collate([texts[i][1] for i in left], [texts[i][0] for i in left])
        try:
            with np.errstate(over="ignore", invalid="ignore"):  # what comes of it is said
                reader = read(batch) if read else model
                results = compute(reader, batch, reader.forward(batch))
        except Unexplained as error:
            yield from ((left[i], Unexplained({0: why}, error.hint)) for i, why in error.reasons.items())
            left = [i for place, i in enumerate(left) if place not in error.reasons]
        else:
            yield from zip(left, results, strict=True)
            return
