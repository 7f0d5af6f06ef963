"""One method, or one model, asked about the same texts as others: its explanations, and what they cost."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

from rnnx import explaining
from rnnx.comparisons import Passes, Side
from rnnx.data.readers import Fault
from rnnx.errors import Unsupported
from rnnx.models.counting import Counting
from rnnx.models.protocols import Classifier
from rnnx.types import Attribution, Explanation, Item, LeftOut

BRIEF, TIMES = 0.1, 3  # work of fewer seconds is timed so many times; the fastest counts
Found = Explanation | LeftOut


@dataclass(frozen=True)
class Contender:
    """A method with its settings and a model, under a name. ``lacks`` is why it cannot be asked at all."""

    name: str
    model: Classifier
    method: str
    given: Mapping[str, Any] = field(default_factory=dict)
    lacks: str = ""


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


def sides(
    contender: Contender, texts: Sequence[Item], labels: Sequence[str | None], asked: Asked, tell: Fault | None = None
) -> list[Side | LeftOut]:
    """Of each text the side, its label explained; its time and passes are the means over these texts.

    Work that is done at once is done again, for its time.
    """
    found, seconds, passes = _timed(contender, texts, labels, asked, tell)
    again = 1
    while seconds < BRIEF and again < TIMES:
        seconds, again = min(seconds, _timed(contender, texts, labels, asked)[1]), again + 1
    explained = [e for e in found if isinstance(e, Explanation) and isinstance(e.evidence, Attribution)]
    faithful = iter(faithfulness(contender.model, explained))
    count = max(1, len(explained))

    def side(e: Found) -> Side | LeftOut:
        if isinstance(e, LeftOut):
            return e
        if not isinstance(e.evidence, Attribution):
            return LeftOut("", f"{contender.method} gives no scores to tokens")
        cost = Passes(*(round(n / count - first, 1) for n, first in zip(passes, (1, 0), strict=True)))
        return Side(contender.name, e, e.evidence.signed, next(faithful), round(1000 * seconds / count, 3), cost)

    return [side(e) for e in found]


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
