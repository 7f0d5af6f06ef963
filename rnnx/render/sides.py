"""Comparisons as one page of HTML: each text once for each method or model, and what all come to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from rnnx.comparisons import Agreement, Comparison, Overall, Side
from rnnx.render import coloured, compared, html, verdicts
from rnnx.render.coloured import Cell, Piece
from rnnx.render.compared import Table
from rnnx.render.summary import FAINT
from rnnx.render.text import number, visible

COSTS, SCORES = "name", "token"  # the first heads of tables of costs and of scores; the others are matrices


def page(comparisons: Iterable[Comparison], overall: Callable[[], Overall | None]) -> Iterator[str]:
    """The page, part by part; ``overall`` is asked at the end. Nothing, where there is no comparison."""
    begun = False
    for index, found in enumerate(comparisons):
        if not begun:
            yield _head(found).decode()
        begun = True
        yield _text(index, found).decode()
    if begun:
        yield _tail(overall()).decode()


def _head(found: Comparison) -> bytes:
    names = ", ".join(visible(side.name) for side in found.sides)
    first = found.sides[0].explanation
    labels = list(map(visible, first.prediction.probabilities))
    title = f"{visible(first.model if found.what == 'methods' else first.method)}: {names}"
    signs = {side.signed for side in found.sides}
    shown = coloured.SIGNED * (True in signs) + coloured.UNSIGNED * (False in signs)
    return html.head(title=title, labels=labels, sides=shown, trusted=False, filtered=True, compared=True)


def _text(index: int, found: Comparison) -> bytes:
    prediction = found.sides[0].explanation.prediction
    alike = _alike(found.agreement)
    return html.rendered(
        "compared.html",
        number=index,
        label=visible(prediction.label),
        sure=f"{prediction.probability:.4f}",
        agree=f"{1.0 if alike is None else alike:.4f}",
        heads=list(compared.predictions(found)),
        sides=[_side(side, found) for side in found.sides],
        verdict=list(verdicts.of_text(found)),
        refused=list(_refused(found.refused)),
        tables=[
            _grid(table, [side.name for side in found.sides if not side.signed]) for table in compared.tables(found)
        ],
    )


def _tail(found: Overall | None) -> bytes:
    if found is None:
        return html.tail()
    return html.tail(
        "overall.html",
        texts=found.texts,
        verdict=list(verdicts.of_all(found)),
        refused=list(_refused(found.refused)),
        tables=[_grid(table) for table in compared.tables_of_all(found)],
    )


def _side(side: Side, found: Comparison) -> dict[str, Any]:
    return {
        "name": visible(side.name),
        "best": side.name in found.best,
        "faithful": verdicts.share(side.faithful),
        "milliseconds": number(side.milliseconds),
        "pieces": coloured.pieces(side.explanation),
    }


def _alike(found: Agreement) -> float | None:
    """The mean rank correlation of two that are not the same."""
    values = [v for i, row in enumerate(found.spearman) for v in row[:i] if v is not None]
    return sum(values) / len(values) if values else None


def _refused(found: Mapping[str, str]) -> Iterator[str]:
    return (f"left out: {visible(name)}: {visible(reason)}" for name, reason in found.items())


def _grid(table: Table, unsigned: Sequence[str] = ()) -> list[list[Cell]]:
    """A table with its shares, from -1 to 1, in their colours; those of costs have none."""
    plain = table.head[0] == COSTS
    head = [Cell(Piece(visible(name)), head=True, numeric=i > 0) for i, name in enumerate(table.head)]
    rows = [
        [
            Cell(Piece(visible(words)) if plain or not i else _share(words, sided=name not in unsigned), numeric=i > 0)
            if table.head[0] in (COSTS, SCORES) or name != row[0]
            else Cell(Piece("\u00b7"), numeric=True)
            for i, (name, words) in enumerate(zip(table.head, row, strict=True))
        ]
        for row in table.rows
    ]
    return [head, *rows]


def _share(words: str, *, sided: bool) -> Piece:
    """What is written there, in the colour of its value."""
    try:
        value = float(words.replace("\u2212", "-"))
    except ValueError:  # a dash: not known
        return Piece(words)
    return coloured.piece(words, value, sided=sided) if abs(value) >= FAINT else Piece(words)
