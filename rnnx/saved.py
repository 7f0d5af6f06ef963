"""Saved explanations, read again and shown in any format without the model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from math import isfinite
from numbers import Real
from typing import Any

from rnnx.attending import projected
from rnnx.data.readers import Found, Row
from rnnx.jobs import Chunk, Job, Window
from rnnx.render.writers import Record, Style
from rnnx.types import Attribution, Explanation, LeftOut, Phrases, Regions, Trace

NONE, MAKE = "not a saved explanation", "rnnx explain --format jsonl writes them"
MISFITS = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)  # of data that are not as they were


class Showing(Job):
    """Rows of saved explanations to a format.

    ``like`` is the first of them: where the format is a table, the others have the same columns, or are left out.
    """

    def __init__(self, style: Style, *, zipped: bool = False, by: str | None = None, like: Found | None = None) -> None:
        super().__init__(style, zipped=zipped)
        self.by, self.like = by, like
        self.columns: Sequence[str] | None = None
        with suppress(*MISFITS):  # which are told of in its turn
            first = None if like is None else self._record(like, 0)
            self.columns = self.writer.columns(first) if isinstance(first, Record) else None

    def __call__(self, window: Window) -> Chunk:
        """What a window comes to; without the explanations that cannot be shown, as after an edit by hand."""
        try:
            return super().__call__(window)
        except MISFITS:
            entries = [self._tried(entry, number) for number, entry in enumerate(window.entries, window.number)]
            return super().__call__(window._replace(entries=entries))

    def _tried(self, entry: Found | LeftOut, number: int) -> Found | LeftOut:
        try:
            super().__call__(Window(number, [entry], ""))
        except MISFITS as error:
            detail = f"{type(error).__name__} when it is shown: {error}"
            return LeftOut(entry[0], NONE, detail.encode("ascii", "backslashreplace").decode(), hint=MAKE)
        return entry

    def found(self, window: Window) -> Iterator[Record | LeftOut]:
        """The explanations, with where their texts were from."""
        for number, entry in enumerate(window.entries, window.number):
            found = entry if isinstance(entry, LeftOut) else self._record(entry, number)
            if isinstance(found, LeftOut) or self.columns in (None, self.writer.columns(found)):
                yield found
            else:
                yield LeftOut(entry[0], "other columns than the first explanation has", "jsonl has room for both")

    def _record(self, entry: Found, number: int) -> Record | LeftOut:
        found = record(entry, number)
        if self.by is None or isinstance(found, LeftOut):
            return found
        (explanation,) = projected([found.explanation], self.by)
        return found._replace(explanation=explanation)

    def elsewhere(self) -> Callable[[], Job]:
        """Nothing else is needed."""
        return partial(Showing, self.style, zipped=self.zipped, by=self.by, like=self.like)


def wrong(entry: Found | LeftOut) -> LeftOut | None:
    """Why a row holds no saved explanation, if it does not."""
    found = entry if isinstance(entry, LeftOut) else record(entry, 0)
    return found if isinstance(found, LeftOut) else None


def record(found: Found, number: int) -> Record | LeftOut:
    """A saved explanation, the ``number``-th; or what is wrong with it."""
    where, data = found
    if not isinstance(data, Mapping):
        return LeftOut(where, NONE, "not an object with fields", hint=MAKE)
    try:
        e = Explanation.from_dict(data)
        _check(e)
        source = data.get("source") or {}
        if not isinstance(source.get("columns") or {}, Mapping):
            raise ValueError("its columns are no object with fields")
        row = Row(e.text, None, str(source.get("where", where)), None, source.get("id"), source.get("columns"))
        return Record(int(source.get("row", number)), row, e)
    except MISFITS as error:
        return LeftOut(where, NONE, str(error), hint=MAKE)


def columns(found: Found) -> tuple[str, ...]:
    """The names of the columns that were kept beside a saved explanation."""
    source = found[1].get("source") or {}
    return tuple(map(str, source.get("columns") or ()))


def _check(e: Explanation) -> None:
    """Raise ValueError or TypeError for what does not fit together, as after an edit by hand."""
    n, p, evidence = len(e.tokens), e.prediction, e.evidence
    if any(e.text[token.start : token.end] != token.text for token in e.tokens):
        raise ValueError("the tokens are not those of the text")
    rows: list[Sequence[Any]]
    if isinstance(evidence, Attribution | Trace):
        rows = [evidence.scores] if isinstance(evidence, Attribution) else list(evidence.columns.values())
        if any(len(row) != n for row in rows):
            raise ValueError("there is not one score a token")
    elif isinstance(evidence, Phrases):
        if any(not 0 <= span.start < span.stop <= n for span in evidence.spans):
            raise ValueError("a phrase is not in the text")
        rows = [(span.score, span.interaction) for span in evidence.spans]
    elif isinstance(evidence, Regions):
        if any(not 0 <= region.start < region.end <= len(e.text) for region in evidence.regions):
            raise ValueError("a region is not in the text")
        rows = [evidence.scores, [region.score for region in evidence.regions]]
    else:
        if any(not 0 <= token < n for token in evidence.tokens):
            raise ValueError("a token is not in the text")
        rows = [evidence.values, evidence.shares]
    if p.label not in p.probabilities:
        raise ValueError("the label is none of those that have a probability")
    if not isinstance(e.diagnostics, Mapping) or not isinstance(e.diagnostics.get("trust", {}), Mapping):
        raise TypeError("the diagnostics are not as they were")
    for value in (value for row in (*rows, p.probabilities.values(), p.logits, [p.probability]) for value in row):
        if not isinstance(value, Real) or not isfinite(value):
            raise ValueError(f"{value!r} is no number")
    shown = [getattr(evidence, name) for name in ("by", "view") if hasattr(evidence, name)]
    if not all(isinstance(name, str) for name in (e.model, e.method, e.target, p.label, *p.probabilities, *shown)):
        raise TypeError("a name is no text")
    if not isinstance(e.settings, Mapping) or not isinstance(e.seed, int):
        raise TypeError("the settings or the seed are not as they were")
