"""Explanations as tables: a row a token or phrase, or a row a text."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from rnnx.data.rows import Row
from rnnx.render import trust
from rnnx.render.summary import TOP, words
from rnnx.render.text import visible
from rnnx.render.writers import Record, Writer
from rnnx.types import Attribution, Explanation, Phrases, Regions, Trace, Units

Columns = dict[str, Any]


class Long(Writer):
    """CSV with a row a token or phrase."""

    delimiter = ","

    def columns(self, record: Record) -> Sequence[str]:
        """Which there are."""
        e = record.explanation
        return ["row", *_names(e), *_of_text(e), "id", *kept(record.row, self.style.keep)]

    def head(self, first: Record) -> bytes:
        """The names of the columns."""
        return self._table([self.columns(first)])

    def rows(self, records: Sequence[Record]) -> bytes:
        """The tokens or phrases of each text."""
        return self._table(row for record in records for row in self._of(record))

    def _of(self, record: Record) -> Iterator[Sequence[Any]]:
        e, row = record.explanation, record.row
        rest = [*_of_text(e).values(), plain(row.id), *kept(row, self.style.keep).values()]
        return ([record.number, *values, *rest] for values in _values(e))

    def _table(self, rows: Iterable[Sequence[Any]]) -> bytes:
        return written(rows, self.delimiter, screen=self.style.screen)


class Tabbed(Long):
    """The same with tabs."""

    delimiter = "\t"


class Wide(Long):
    """CSV with a row a text, and its strongest tokens in a column or two."""

    def columns(self, record: Record) -> Sequence[str]:
        """Which there are."""
        return list(self._wide(record))

    def rows(self, records: Sequence[Record]) -> bytes:
        """The texts."""
        return self._table(list(self._wide(record).values()) for record in records)

    def _wide(self, record: Record) -> Columns:
        e, row = record.explanation, record.row
        strongest = dict(_strongest(e))
        own = {"row": record.number, "text": e.text, **_of_text(e), **strongest, "id": plain(row.id)}
        return {**own, **kept(row, self.style.keep)}


def written(rows: Iterable[Sequence[Any]], delimiter: str = ",", *, screen: bool = False) -> bytes:
    """Rows of cells; on a ``screen``, what could steer it is made visible."""
    stream = io.StringIO()
    if screen:
        rows = ([visible(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)
    csv.writer(stream, delimiter=delimiter, lineterminator="\n").writerows(rows)
    return stream.getvalue().encode()


def _strongest(e: Explanation) -> Iterator[tuple[str, str]]:
    """The names of the columns, and what stands there: tokens, phrases or units with their scores, largest first."""
    if isinstance(e.evidence, Trace):
        for name, values in e.evidence.columns.items():
            largest = sorted(
                zip(values, (token.text for token in e.tokens), strict=True), key=lambda pair: -abs(pair[0])
            )
            yield name, " | ".join(f"{text} {value:.4g}" for value, text in largest[:TOP])
        return
    ranked = sorted(_scored(e), key=lambda pair: -abs(pair[0]))
    signed = isinstance(e.evidence, Phrases | Units) or e.evidence.signed
    for name, sign in (("for", 1), ("against", -1)) if signed else (("most", 1),):
        chosen = [f"{text} {score:{'+' if signed else ''}.4g}" for score, text in ranked if score * sign > 0]
        yield name, " | ".join(chosen[:TOP])


def _scored(e: Explanation) -> Iterator[tuple[float, str]]:
    if isinstance(e.evidence, Phrases):
        yield from ((span.score, _phrase(e, span.start, span.stop)) for span in e.evidence.spans)
    elif isinstance(e.evidence, Regions):
        yield from ((region.score, words(e, region)) for region in e.evidence.regions)
    elif isinstance(e.evidence, Units):
        yield from ((share, f"unit {unit}") for unit, share in enumerate(e.evidence.shares))
    elif isinstance(e.evidence, Attribution):
        yield from zip(e.evidence.scores, (token.text for token in e.tokens), strict=True)


def _names(e: Explanation) -> list[str]:
    if isinstance(e.evidence, Phrases):
        return ["position", "tokens", "phrase", "start", "end", "field", "score", "interaction"]
    if isinstance(e.evidence, Regions):
        return [e.evidence.by.partition(":")[0], "start", "end", "text", "score"]
    if isinstance(e.evidence, Units):
        return ["unit", "value", "share", "text", "position"]
    scores = list(e.evidence.columns) if isinstance(e.evidence, Trace) else ["score"]
    return ["position", "token", "start", "end", "field", *scores]


def _values(e: Explanation) -> Iterator[Sequence[Any]]:
    """Of each token or phrase what ``_names`` names."""
    evidence = e.evidence
    if isinstance(evidence, Phrases):
        for span in evidence.spans:
            first, last = e.tokens[span.start], e.tokens[span.stop - 1]
            place = span.start, span.stop - span.start, _phrase(e, span.start, span.stop)
            yield *place, first.start, last.end, first.field, span.score, span.interaction
    elif isinstance(evidence, Regions):
        yield from ((r.name, r.start, r.end, words(e, r), r.score) for r in evidence.regions)
    elif isinstance(evidence, Units):
        for unit, (value, share, token) in enumerate(
            zip(evidence.values, evidence.shares, evidence.tokens, strict=True)
        ):
            yield unit, value, share, e.tokens[token].text, token
    else:
        columns = evidence.columns.values() if isinstance(evidence, Trace) else [evidence.scores]
        for i, (token, *values) in enumerate(zip(e.tokens, *columns, strict=True)):
            yield i, *token, *values


def _phrase(e: Explanation, start: int, stop: int) -> str:
    return e.text[e.tokens[start].start : e.tokens[stop - 1].end]


def _of_text(e: Explanation) -> Columns:
    said = {"target": e.target, "label": e.prediction.label, "probability": e.prediction.probability}
    trusted = {"trust": trust.level(e)} if "trust" in e.diagnostics else {}
    return {**said, "method": e.method, "model": e.model, **trusted}


def kept(row: Row, names: Sequence[str]) -> Columns:
    """The columns of the input that are carried along; one with the name of ours is called given_NAME."""
    values = row.kept or {}
    return {f"given_{name}" if name in OURS else name: plain(values.get(name)) for name in names}


def plain(value: Any) -> Any:
    """A value of the input as one cell."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value


_TEXT = {"row", "where", "text", "id", "target", "label", "probability", "probabilities", "method", "model"}
_TOKENS = {
    "position",
    "token",
    "tokens",
    "phrase",
    "phrases",
    "start",
    "end",
    "field",
    "score",
    "scores",
    "interaction",
}
_PARTS = {"sentence", "line", "characters", "unit", "value", "share", "regions", "values", "shares", "strongest"}
OURS = _TEXT | _TOKENS | _PARTS | {"for", "against", "most", "settings", "diagnostics", "trust"}
