"""Comparisons as plain text, Markdown, and rows of a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from typing import Any, NamedTuple

from rnnx.comparisons import Agreement, Comparison, Line, Overall, Passes, Side
from rnnx.render import plain, verdicts
from rnnx.render.text import percent, visible
from rnnx.render.verdicts import interval, share
from rnnx.types import Attribution


class Table(NamedTuple):
    """A head and rows of words."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]


def lines(found: Comparison | Overall) -> Iterator[str]:
    """A comparison of one text or many as plain text: one fact a line, tables with tabs."""
    return _lines(found) if isinstance(found, Comparison) else _lines_of_all(found)


def markdown(found: Comparison | Overall) -> Iterator[str]:
    """The same in GitHub's Markdown."""
    return _markdown(found) if isinstance(found, Comparison) else _markdown_of_all(found)


WRITERS = {"plain": lines, "markdown": markdown}


def _lines(found: Comparison) -> Iterator[str]:
    yield from predictions(found)
    for side in found.sides:
        evidence = side.explanation.evidence
        assert isinstance(evidence, Attribution)
        yield f"{visible(side.name)}: " + plain.marked(side.explanation, evidence).replace("\n", "\u21b5")
    for table in tables(found):
        yield from _tabbed(table)
    yield from (f"left out: {visible(name)}: {visible(reason)}" for name, reason in found.refused.items())
    yield from (f"verdict: {line}" for line in verdicts.of_text(found))


def _lines_of_all(found: Overall) -> Iterator[str]:
    yield f"texts: {found.texts}"
    for table in tables_of_all(found):
        yield from _tabbed(table)
    yield from (f"left out: {visible(name)}: {visible(reason)}" for name, reason in found.refused.items())
    yield from (f"verdict: {line}" for line in verdicts.of_all(found))


def _markdown(found: Comparison) -> Iterator[str]:
    text = _escaped(visible(found.text).replace("\n", " "))
    yield from [f"> {text}", "", *(f"- {_escaped(line)}" for line in predictions(found)), ""]
    yield from _sections(tables(found), found.refused, verdicts.of_text(found))


def _markdown_of_all(found: Overall) -> Iterator[str]:
    yield from [f"{found.texts} texts.", ""]
    yield from _sections(tables_of_all(found), found.refused, verdicts.of_all(found))


def rows(comparisons: Iterable[Comparison]) -> Iterator[dict[str, Any]]:
    """A row a token, with a column a side; ``row`` counts the texts from 0. A side that a text lacks is empty."""
    names: list[str] = []
    for index, found in zip(count(), comparisons, strict=False):
        names = names or [*(side.name for side in found.sides), *found.refused]
        own = dict(zip((side.name for side in found.sides), found.scores, strict=True))
        for i, token in enumerate(found.tokens):
            place = {"start": token.start, "end": token.end, "field": token.field}
            scores = {name: own[name][i] if name in own else "" for name in names}
            yield {"row": index, "position": i, "token": token.text, **place, "target": found.target, **scores}


def predictions(found: Comparison) -> Iterator[str]:
    """What the model says, or each of them."""
    sides = found.sides if found.what == "models" else found.sides[:1]
    for side in sides:
        prediction, model = side.explanation.prediction, side.explanation.model
        yield f"{visible(prediction.label)} {percent(prediction.probability)} ({visible(model)})"


def tables(found: Comparison) -> Iterator[Table]:
    """Of one text the scores, how faithful each side is and its cost, and how far they agree."""
    tokens = zip(found.tokens, *found.scores, strict=True)
    forms = [verdicts.two if side.signed else share for side in found.sides]
    scores = [[t.text, *(form(s) for form, s in zip(forms, own, strict=True))] for t, *own in tokens]
    yield Table(["token", *_names(found.sides)], scores)
    sides = [[s.name, share(s.faithful), *_costs(s.milliseconds, s.passes)] for s in found.sides]
    yield Table(_HEAD, [*sides, ["random order", share(found.random), "", "", ""]])
    yield from _matrices(found.agreement)


def tables_of_all(found: Overall) -> Iterator[Table]:
    """The same of many texts, without scores."""
    own = [[s.name, interval(s.faithful), *_costs(s.milliseconds, s.passes)] for s in found.lines]
    yield Table(_HEAD, [*own, ["random order", interval(found.random), "", "", ""]])
    yield from _matrices(found.agreement)


_HEAD = ["name", "faithful", "milliseconds", "forward", "backward"]


def _costs(milliseconds: float, passes: Passes) -> list[str]:
    return [f"{milliseconds:.2f}", f"{passes.forward:g}", f"{passes.backward:g}"]


def _matrices(found: Agreement) -> Iterator[Table]:
    if len(found.names) < 2:
        return
    kinds = {"rank correlation": found.spearman, "strongest in common": found.overlap, "same sign": found.sign}
    for title, matrix in kinds.items():
        rows = [[name, *map(share, row)] for name, row in zip(found.names, matrix, strict=True)]
        yield Table([title, *found.names], rows)


def _names(sides: Sequence[Side] | Sequence[Line]) -> list[str]:
    return [side.name for side in sides]


def _tabbed(table: Table) -> Iterator[str]:
    for row in (table.head, *table.rows):
        yield "\t".join(map(visible, row)).rstrip("\t")


def _sections(tables: Iterable[Table], refused: Any, said: Iterable[str]) -> Iterator[str]:
    for table in tables:
        for i, row in enumerate((table.head, *table.rows)):
            yield "| " + " | ".join(_escaped(visible(cell)) for cell in row) + " |"
            if not i:
                yield "|" + "---|" * len(row)
        yield ""
    yield from (f"- left out: {_escaped(visible(name))}: {_escaped(visible(why))}" for name, why in refused.items())
    yield from _escaped(" ".join(said)).splitlines()


def _escaped(text: str) -> str:
    """What Markdown would take for a mark of its own, as it stands."""
    return "".join(f"\\{c}" if c in "\\`*_{}[]<>|#~" else c for c in text)
