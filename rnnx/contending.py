"""One method, or one model, asked about the same texts as others: its explanations, and what they cost."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple, cast

import numpy as np

from rnnx import explaining
from rnnx.comparisons import Passes
from rnnx.data.readers import Fault
from rnnx.errors import Unsupported
from rnnx.metrics.limits import Limits, limits, normalised_comprehensiveness
from rnnx.metrics.ranking import importance
from rnnx.models.batching import BUDGET, buckets
from rnnx.models.counting import Counting
from rnnx.models.protocols import Array, Batch, Classifier, Integers
from rnnx.models.seeds import generators
from rnnx.types import Attribution, Explanation, Item, LeftOut

BRIEF, TIMES = 3.0, 3  # seconds, times the texts, up to which work is timed so many times; the fastest counts
ORDERS = 16  # random ones, to compare with
Found = Explanation | LeftOut


@dataclass(frozen=True)
class Contender:
    """A method with its settings and a model, under a name. ``lacks`` is why it cannot be asked at all."""

    name: str
    model: Classifier
    method: str
    given: Mapping[str, Any] = field(default_factory=dict)
    lacks: str = ""


class Answer(NamedTuple):
    """An explanation, its evidence, and what it cost: milliseconds and passes."""

    explanation: Explanation
    evidence: Attribution
    milliseconds: float
    passes: Passes


Column = Sequence[Answer | LeftOut]  # of each text


@dataclass(frozen=True)
class Asked:
    """What all contenders are asked: ``label`` None is what the model predicts."""

    label: str | None
    seed: int
    fields: tuple[str, ...]


def checked(contender: Contender, asked: Asked) -> Contender:
    """With what it ``lacks``, if the model cannot serve the method as asked. Raises UnknownName and ConfigError."""
    try:
        explain(contender, [], asked)
    except Unsupported as error:
        return replace(contender, lacks=error.message)
    return contender


def explain(contender: Contender, texts: Sequence[Item], asked: Asked, tell: Fault | None = None) -> list[Found]:
    """Of each text the explanation, or why there is none; ``tell`` hears of bad rows of files that settings name."""
    missing: dict[int, LeftOut] = {}

    def left_out(what: LeftOut) -> None:
        if what.text is not None:
            missing[what.text] = what
        elif tell:
            tell(what)

    given: dict[str, Any] = {"target": asked.label, "seed": asked.seed, "fields": asked.fields}
    found = explaining.explain(contender.model, texts, contender.method, left_out=left_out, **given, **contender.given)
    explanations = list(found)
    rest = iter(explanations)
    return [missing[i] if i in missing else next(rest) for i in range(len(texts))]


def answers(
    contender: Contender, texts: Sequence[Item], labels: Sequence[str | None], asked: Asked, tell: Fault | None = None
) -> list[Answer | LeftOut]:
    """Of each text the explanation of its label, with the mean time and passes over these texts, or why there is none.

    Work of little time is done again, for its time.
    """
    found, seconds, passes = _timed(contender, texts, labels, asked, tell)
    fastest, again = seconds, 1
    while seconds * len(texts) < BRIEF and again < TIMES:  # what is asked first also pays for the start
        more = _timed(contender, texts, labels, asked)[1]
        seconds, fastest, again = seconds + more, min(fastest, more), again + 1
    count = max(1, sum(isinstance(e, Explanation) for e in found))
    forward, backward = (n / count for n in passes)
    cost = round(1000 * fastest / count, 3), Passes(round(forward - 1, 1), round(backward, 1))  # 1 is the prediction

    def answer(e: Found) -> Answer | LeftOut:
        if isinstance(e, LeftOut):
            return e
        if not isinstance(e.evidence, Attribution):
            return LeftOut("", f"{contender.method} gives no scores to tokens")
        return Answer(e, e.evidence, *cost)

    return [answer(e) for e in found]


def _timed(
    contender: Contender,
    texts: Sequence[Item],
    labels: Sequence[str | None],
    asked: Asked,
    tell: Fault | None = None,
) -> tuple[list[Found], float, Sequence[int]]:
    """The explanations, the seconds that they took, and the texts that were read forward and backward."""
    counting = Counting(contender.model)
    watched = replace(contender, model=cast(Classifier, counting))
    found: dict[int, Found] = {}
    start = time.perf_counter()
    for label in dict.fromkeys(labels):
        rows = [i for i, own in enumerate(labels) if own == label]
        found |= dict(
            zip(rows, explain(watched, [texts[i] for i in rows], replace(asked, label=label), tell), strict=True)
        )
    seconds = time.perf_counter() - start
    return [found[i] for i in range(len(texts))], seconds, counting.passes


def faithfulness(
    model: Classifier, columns: Sequence[Column], seed: int
) -> tuple[list[list[float | None]], list[float | None]]:
    """How faithful each contender's explanation of each text is, and random orders of its tokens are on average.

    ``normalised_comprehensiveness``; None where there is no explanation, or no order of the tokens is better than
    another. The limits of a text, which cost the most, are computed once.
    """
    texts = list(zip(*columns, strict=True))
    first = {i: a.explanation for i, row in enumerate(texts) for a in reversed(row) if isinstance(a, Answer)}
    there = list(first)
    found: list[list[float | None]] = [[None] * len(texts) for _ in columns]
    random: list[float | None] = [None] * len(texts)
    for group in buckets([len(first[i].tokens) for i in there], BUDGET):
        rows = [there[i] for i in group]
        batch = model.collate([first[i].tokens for i in rows], [first[i].text for i in rows])
        target = np.array([model.labels.index(first[i].target) for i in rows])
        judge = partial(_share, model, batch, target, limits(model, batch, target))
        for column, values in zip(columns, found, strict=True):
            scores = _scores([column[i] for i in rows], batch)
            for i, value in zip(rows, judge(scores), strict=True):
                values[i] = value if isinstance(column[i], Answer) else None
        for i, value in zip(rows, _random(judge, batch, seed), strict=True):
            random[i] = value
    return found, random


def _share(model: Classifier, batch: Batch, target: Integers, room: Limits, scores: Array) -> list[float | None]:
    values = normalised_comprehensiveness(model, batch, target, scores, room)
    return [None if math.isnan(value) else round(value, 6) for value in values.tolist()]


def _scores(answers: Sequence[Answer | LeftOut], batch: Batch) -> Array:
    """What the tokens of each text are ranked by, (B, T); 0 where there is no answer."""
    scores = np.zeros(batch.ids.shape)
    for own, answer in zip(scores, answers, strict=True):
        if isinstance(answer, Answer):
            given = np.array(answer.evidence.scores)
            own[: len(given)] = importance(given, answer.evidence.signed)
    return scores


def _random(judge: Callable[[Array], list[float | None]], batch: Batch, seed: int) -> list[float | None]:
    """The mean over random orders, the same for a text and a seed."""
    rngs = generators(seed, "random order", {}, batch)
    drawn = []
    for _ in range(ORDERS):
        scores = np.zeros(batch.ids.shape)
        for own, n, rng in zip(scores, batch.lengths.tolist(), rngs, strict=True):
            own[:n] = rng.random(n)
        drawn.append(judge(scores))
    means = (np.mean(values) if None not in values else None for values in zip(*drawn, strict=True))
    return [None if mean is None else round(float(mean), 6) for mean in means]
