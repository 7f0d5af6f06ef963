"""Files of texts, read as a stream of rows: JSON lines, JSON, CSV, TSV and plain text, also gzipped.

A bad row does not stop the rest: ``fault`` is told where it is and what is wrong, and reading goes on.
"""

from __future__ import annotations

import csv
import gzip
import json
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

from rnnx.errors import DataError, did_you_mean

Fault = Callable[[str], None]
BOM = "\ufeff"


class Row(NamedTuple):
    """A text, its label if the file has one, and where it stands ("file:line")."""

    text: str
    label: str | None
    where: str


def read(path: Path, fault: Fault, *, text: str = "text", label: str = "label") -> Iterator[Row]:
    """The rows of a file; its format is told by the suffix, and any other suffix is a text a line.

    ``text`` and ``label`` name the fields. Raises DataError if the file cannot be opened or if its first row
    lacks the text field.
    """
    kind, stream = suffix(path), text_lines(path)
    if kind in _JSON:
        parse = _json_array if kind == ".json" else _json_lines
        yield from _checked(parse(stream, str(path), fault), fault, text, label)
    elif kind in _TABLES:
        yield from _checked(_table(stream, str(path), fault, _TABLES[kind]), fault, text, label)
    else:
        yield from lines(stream, str(path), fault)


def lines(stream: Iterable[str], name: str, fault: Fault) -> Iterator[Row]:
    """A text a line; blank lines are passed over."""
    for number, line in enumerate(stream, 1):
        where = f"{name}:{number}"
        if _decoded(line, where, fault) and line.strip():
            yield Row(line.rstrip("\r\n").removeprefix(BOM if number == 1 else ""), None, where)


def suffix(path: Path) -> str:
    """The suffix without the .gz, in lower case."""
    return Path(path.stem if path.suffix == ".gz" else path.name).suffix.lower()


def is_readable(path: Path) -> bool:
    """Whether the name is that of a data file, by its suffix."""
    return suffix(path) in _KNOWN


def text_lines(path: Path) -> Iterator[str]:
    """The lines of a plain or gzipped file; bytes that are not UTF-8 become surrogates. Raises DataError."""
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rt", encoding="utf-8-sig", errors="surrogateescape", newline="") as stream:
            yield from cast(IO[str], stream)
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(
            f"{path}: {reason}", "check the name, that the file is whole, and that you may read it"
        ) from None


def _json_lines(stream: Iterable[str], name: str, fault: Fault) -> Iterator[tuple[str, Any]]:
    for number, line in enumerate(stream, 1):
        where = f"{name}:{number}"
        if not line.strip() or not _decoded(line, where, fault):
            continue
        try:
            yield where, json.loads(line)
        except ValueError as error:
            fault(f"{where}: not JSON ({error})")


def _json_array(stream: Iterable[str], name: str, fault: Fault) -> Iterator[tuple[str, Any]]:
    try:
        found = json.loads("".join(stream))
    except ValueError as error:
        raise DataError(f"{name}: not JSON ({error})", "a JSON object a line goes into a .jsonl file") from None
    for number, item in enumerate(found if isinstance(found, list) else [found], 1):
        where = f"{name}: item {number}"
        if _decoded(json.dumps(item, ensure_ascii=False), where, fault):
            yield where, item


def _table(stream: Iterable[str], name: str, fault: Fault, delimiter: str) -> Iterator[tuple[str, Any]]:
    csv.field_size_limit(2**31 - 1)
    reader = csv.DictReader(stream, delimiter=delimiter, strict=True)
    while True:
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            fault(f"{name}:{reader.line_num}: {error}")
            continue
        where = f"{name}:{reader.line_num}"
        if None in fields or None in fields.values():
            fault(f"{where}: not {len(reader.fieldnames or ())} columns, as the header has")
        elif _decoded("".join(fields.values()), where, fault):
            yield where, fields


def _checked(rows: Iterable[tuple[str, Any]], fault: Fault, text: str, label: str) -> Iterator[Row]:
    """Rows whose text field is a text with something in it."""
    first = True
    for where, fields in rows:
        if not isinstance(fields, dict):
            fault(f"{where}: not an object with fields")
            continue
        value, found = fields.get(text), fields.get(label)
        if first and value is None:
            raise DataError(f"{where}: no field {text!r}", did_you_mean(text, sorted(map(str, fields))))
        first = False
        if not isinstance(value, str) or not value.strip():
            fault(f"{where}: the field {text!r} has no text in it")
            continue
        yield Row(value, None if found in (None, "") else str(found), where)


def _decoded(text: str, where: str, fault: Fault) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        fault(f"{where}: not UTF-8")
        return False
    return True


_JSON = {".jsonl", ".ndjson", ".json"}
_TABLES = {".csv": ",", ".tsv": "\t"}
_KNOWN = {*_JSON, *_TABLES, ".txt"}
