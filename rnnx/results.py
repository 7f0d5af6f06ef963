"""What was computed for a batch, as the frozen data of each of its texts."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np

from rnnx.errors import Unexplained
from rnnx.models.digits import finite, numbers
from rnnx.models.protocols import Array, Batch, Classifier, Found, Spans
from rnnx.models.scores import probabilities
from rnnx.types import Attribution, Evidence, Phrase, Phrases, Prediction, Trace

T = TypeVar("T")


def evidence(found: Found, batch: Batch, view: str | None, *, signed: bool) -> Callable[[int], Evidence]:
    """Of what a method or view computed, that of text i. Raises FloatingPointError if a number of it is not finite."""
    lengths = batch.lengths
    if isinstance(found, Spans):
        start, stop = numbers(found.start), numbers(found.stop)
        score, interaction = numbers(found.score), numbers(found.interaction)

        def phrases(i: int) -> Phrases:
            own = np.flatnonzero(found.text == i)
            finite([x for n in own for x in (score[n], interaction[n])])
            spans = tuple(Phrase(start[n], stop[n], score[n], interaction[n]) for n in own)
            return Phrases(str(view), spans)

        return phrases
    if isinstance(found, dict):
        columns = {name: numbers(values) for name, values in found.items()}
        return lambda i: Trace(str(view), {name: finite(values[i][: lengths[i]]) for name, values in columns.items()})
    scores = numbers(found)
    return lambda i: Attribution(finite(scores[i][: lengths[i]]), signed)


def each(result: Callable[[int], T], count: int, what: str) -> list[T]:
    """The results of texts, one by one. Raises Unexplained for those with a number that is none, or is infinite."""
    found, reasons = [], {}
    for i in range(count):
        try:
            found.append(result(i))
        except FloatingPointError:
            reasons[i] = f"{what} gives numbers too large to compute with"
    if reasons:
        raise Unexplained(reasons, "give shorter texts, or use another method or model")
    return found


def predictions(model: Classifier, logits: Array) -> Callable[[int], Prediction]:
    """What the model says about text i."""
    shares, raw = numbers(probabilities(logits)), numbers(logits)

    def prediction(i: int) -> Prediction:
        p = finite(shares[i])
        best = p.index(max(p))
        return Prediction(model.labels[best], p[best], dict(zip(model.labels, p, strict=True)), finite(raw[i]))

    return prediction
