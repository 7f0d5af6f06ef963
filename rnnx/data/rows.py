"""Rows of data: which of their fields are wanted, and whether they are there."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from rnnx.data import words
from rnnx.errors import DataError, did_you_mean
from rnnx.types import Item, LeftOut

Fault = Callable[[LeftOut], None]
Found = tuple[str, Mapping[str, Any]]  # where a row stands, and its fields
ARGUMENT = "the argument"  # where a text stands that is no row of a file
NOT_UTF8 = "not UTF-8"
# What the field of the text is called where nobody says it; the first that is there.
TEXTS = ("text", "review", "reviewtext", "review_text", "sentence", "content", "comment", "body", "message", "tweet")
IDS = ("id", "_id", "review_id", "reviewid", "uid")


class Row(NamedTuple):
    """A text, its label if the file has one, and where it stands ("file:line").

    A text of several fields has these too, and ``text`` is what they are joined to. ``id`` is what the file calls the
    row, ``kept`` what is carried along with it, both as plain JSON values. ``marks`` are the spans of the text that
    somebody has marked, each from a character to before another; None where the file says nothing of them.
    """

    text: str
    label: str | None
    where: str
    fields: Mapping[str, str] | None = None
    id: Any = None
    kept: Mapping[str, Any] | None = None
    marks: words.Spans | None = None

    @property
    def item(self) -> Item:
        """The fields, or the text that has none."""
        return self.fields or self.text


Entry = Row | LeftOut  # what a line of a file comes to


@dataclass(frozen=True)
class Ask:
    """Which fields of a row are wanted: those of the text, several for one that is joined; its label; an id; others.

    A text may be a list of words, which are joined by blanks. ``marks`` are names that the field of marked spans may
    have: pairs of characters, or of words where the text is a list of them.
    ``labelled`` says that there must be a label field. ``guess`` takes, where the text's field is not there, one of a
    usual name, or the only field, and one of a usual name as the id; ``say`` hears of it. ``meter`` hears which share
    of a file was read.
    """

    text: tuple[str, ...] = ("text",)
    label: str = "label"
    labelled: bool = False
    id: str | None = None
    keep: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()
    guess: bool = False
    say: Callable[[str], None] | None = None
    meter: Callable[[float], None] | None = None

    @property
    def must(self) -> tuple[str, ...]:
        """The columns that a table must have."""
        own = (*self.text, self.label) if self.labelled else self.text
        return tuple(dict.fromkeys((*own, *([self.id] if self.id else []), *self.keep)))

    def of(self, columns: Sequence[str], where: str) -> Ask:
        """The same with its guesses made from the fields that there are, which must have all the others.

        Raises DataError, with the columns that there are, if one is missing.
        """
        found = replace(self, say=None).seen(columns, where)
        need(found.must, columns, where)
        return found

    def seen(self, fields: Sequence[str], where: str) -> Ask:
        """The same with its guesses made from the fields of a row; ``say`` hears what is read, or is not there."""
        say = self.say or (lambda line: None)
        for name in filter(None, (self.id, *self.keep)):
            if name not in fields:
                say(f"{where}: no field {name!r} in the first row; {did_you_mean(name, sorted(fields))}")
        if not self.guess:
            return self
        text = self.text
        if len(text) == 1 and text[0] not in fields:
            guess = _named(TEXTS, fields) or (fields[0] if len(fields) == 1 else None)
            text = text if guess is None else (guess,)
            if guess:
                say(f"{where}: the text is read from {guess!r}; --text-field names another field")
        return replace(self, text=text, id=self.id or _named(IDS, fields), guess=False)


def _named(usual: Sequence[str], columns: Sequence[str]) -> str | None:
    """The column with the first of the usual names, in whatever case."""
    there = {column.lower(): column for column in reversed(columns)}
    return next((there[name] for name in usual if name in there), None)


def need(must: Sequence[str], columns: Sequence[str], where: str) -> None:
    """Raise DataError, with the columns that there are, if one is missing."""
    for field in must:
        if field not in columns:
            raise DataError(f"{where}: no column {field!r}", did_you_mean(field, list(columns)))


def joined(fields: Mapping[str, str]) -> str:
    """The text of several fields: one a line, without the empty ones."""
    return "\n".join(text for text in fields.values() if text.strip())


def told(entries: Iterable[Entry], fault: Fault) -> Iterator[Row]:
    """The rows; ``fault`` is told of the others."""
    for entry in entries:
        if isinstance(entry, LeftOut):
            fault(entry)
        else:
            yield entry


def checked(found: Iterable[Found | LeftOut], ask: Ask) -> Iterator[Entry]:
    """Rows that have their fields, and a text with something in it; of several fields some may be empty."""
    seen = False
    for entry in found:
        if isinstance(entry, LeftOut):
            yield entry
            continue
        where, given = entry
        if isinstance(given, dict) and not seen:
            seen, ask = True, ask.seen(list(map(str, given)), where.rpartition(":")[0])
        fields = words.joined(given, ask.text)
        reason, detail = _fault(fields, ask)
        row = LeftOut(where, reason, detail) if reason else _row(where, fields, ask)
        if ask.marks and isinstance(row, Row) and len(ask.text) == 1:
            try:
                row = row._replace(marks=words.spans(given, ask.text[0], ask.marks))
            except ValueError as error:
                yield LeftOut(where, str(error))  # only its marks are: the text goes on without them
        yield row


def _row(where: str, fields: Mapping[str, Any], ask: Ask) -> Entry:
    label = _label(fields.get(ask.label))
    if len(ask.text) == 1:
        text, parts = fields[ask.text[0]], None
    else:
        parts = {name: fields[name] or "" for name in ask.text}
        text = joined(parts)
    if ask.id is None and not ask.keep:
        return Row(text, label, where, parts) if encodes(f"{text}{label}") else LeftOut(where, NOT_UTF8)
    number = None if ask.id is None else _plain(fields.get(ask.id))
    kept = {name: _plain(fields.get(name)) for name in ask.keep} or None
    whole = json.dumps([text, label, number, kept], ensure_ascii=False) if kept else f"{text}{label}{number}"
    return Row(text, label, where, parts, number, kept) if encodes(whole) else LeftOut(where, NOT_UTF8)


def _fault(fields: Any, ask: Ask) -> tuple[str, str]:
    """What is wrong with the fields of a row, if anything, and the particulars."""
    text = ask.text
    if not isinstance(fields, dict):
        return "not an object with fields", ""
    for name in (*text, ask.label) if ask.labelled else text:
        if name not in fields:
            return f"no field {name!r}", did_you_mean(name, sorted(map(str, fields)))
    for name in text:
        if not isinstance(fields[name] or "", str):
            return f"the field {name!r} has no text in it", ""
    if not any((fields[name] or "").strip() for name in text):
        return f"the field {text[0]!r} has no text in it" if len(text) == 1 else f"no text in {', '.join(text)}", ""
    if ask.labelled and not isinstance(fields[ask.label], str | int | float | None):
        return f"the field {ask.label!r} holds no label", f"it is a {type(fields[ask.label]).__name__}"
    return "", ""


def _label(found: Any) -> str | None:
    """A label as text, 1.0 as 1; None for one that is blank, no finite number, or no single value."""
    if isinstance(found, float) and math.isfinite(found):
        return str(int(found) if found.is_integer() else found)
    return str(found).strip() or None if isinstance(found, str | int) else None


def _plain(value: Any) -> Any:
    """A value as JSON has it: what is none of its kinds (a date, say) as text, a number that is none as null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return value if value is None or isinstance(value, str | int) else str(value)


def encodes(text: str) -> bool:
    """Whether a text was UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
