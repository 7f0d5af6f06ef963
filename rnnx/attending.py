"""Explanations looked at again: whether attention explains, what each unit gives, and scores projected to regions.

All take explanations as they come and give them on in order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import cast

import numpy as np

from rnnx import verdict
from rnnx.choosing import require
from rnnx.errors import Unsupported
from rnnx.methods import attention
from rnnx.metrics.attention import check
from rnnx.models.attended import Attending
from rnnx.models.batching import buckets
from rnnx.models.digits import numbers
from rnnx.models.protocols import Batch, Classifier
from rnnx.models.seeds import generators
from rnnx.text import regions
from rnnx.types import Attribution, Explanation, Regions, Units

BUDGET = 2_048  # tokens tested together: a hundred orders of their weights, and a variant without each token
WINDOW = 256  # explanations looked at together

Together = Callable[[Batch, Sequence[Explanation]], Sequence[Explanation]]


def again(
    model: Classifier, explanations: Iterable[Explanation], *, by: str | None = None, check: bool = False, seed: int = 0
) -> Iterator[Explanation]:
    """All that is asked for; ``by`` is unit, or as for ``projected``. Raises what the others do."""
    found = checked(model, explanations, seed) if check else iter(explanations)
    if by == "unit":
        return by_unit(model, found)
    return found if by is None else projected(found, by)


def checked(model: Classifier, explanations: Iterable[Explanation], seed: int = 0) -> Iterator[Explanation]:
    """The same, with the figures of the tests of attention and the verdict among the diagnostics, as ``check``.

    A figure is None where it has no meaning for a text. Raises at once Unsupported for a model without attention.
    """
    attending = _attending(model, "the check of attention")

    def compute(batch: Batch, part: Sequence[Explanation]) -> Sequence[Explanation]:
        found = check(attending, batch, generators(seed, "check", {}, batch))
        columns = {name: numbers(values) for name, values in found.items()}
        figures = ({name: _there(values[i]) for name, values in columns.items()} for i in range(len(part)))
        reports = zip(part, map(verdict.report, figures), strict=True)
        return [replace(e, diagnostics={**e.diagnostics, "check": report}) for e, report in reports]

    return _together(model, explanations, compute)


def by_unit(model: Classifier, explanations: Iterable[Explanation]) -> Iterator[Explanation]:
    """With what each unit of the attended sum gives to the target's logit, in place of the scores.

    Raises at once Unsupported for a model without attention.
    """
    attending = _attending(model, "the units of attention")

    def compute(batch: Batch, part: Sequence[Explanation]) -> Sequence[Explanation]:
        target = np.array([model.labels.index(e.target) for e in part])
        rows = zip(part, *attention.units(attending, batch, target), strict=True)
        return [
            replace(e, evidence=Units(tuple(numbers(values)), tuple(numbers(shares)), tuple(tokens.tolist())))
            for e, values, shares, tokens in rows
        ]

    return _together(model, explanations, compute)


def projected(explanations: Iterable[Explanation], by: str) -> Iterator[Explanation]:
    """With the scores added up over regions of the text, see ``rnnx.text.regions``.

    Raises UsageError, at once for what is no way to divide a text; Unsupported for what has no score a token.
    """
    regions.parsed(by)
    return (_projected(explanation, by) for explanation in explanations)


def _projected(e: Explanation, by: str) -> Explanation:
    if not isinstance(e.evidence, Attribution | Regions):
        raise Unsupported("a view has no scores to add up over regions", "leave out the view, or --by")
    scores = Attribution(e.evidence.scores, e.evidence.signed)
    return replace(e, evidence=regions.projected(e.text, e.tokens, scores, by))


def _attending(model: Classifier, what: str) -> Attending:
    require(model, frozenset({"attended"}), what)
    return cast(Attending, model)


def _together(model: Classifier, explanations: Iterable[Explanation], compute: Together) -> Iterator[Explanation]:
    waiting, size = iter(explanations), 1
    while window := list(islice(waiting, size)):
        found: list[Explanation] = list(window)
        for rows in buckets([len(e.tokens) for e in window], BUDGET):
            part = [window[i] for i in rows]
            for i, explanation in zip(rows, compute(model.collate([e.tokens for e in part]), part), strict=True):
                found[i] = explanation
        yield from found
        size = min(2 * size, WINDOW)


def _there(value: float) -> float | None:
    return None if np.isnan(value) else value
