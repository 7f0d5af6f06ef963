"""Files of texts, read as a stream of rows: JSON lines, JSON, CSV, TSV and plain text, also gzipped.

A bad row does not stop the rest: ``fault`` is told where it is and what is wrong, and reading goes on.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

from rnnx.data import tables
from rnnx.errors import DataError, did_you_mean

Fault = Callable[[str], None]
Found = tuple[str, Mapping[str, Any]]  # where a row stands, and its fields
BOM = "\ufeff"
_JSON = {".jsonl", ".ndjson", ".json"}
_TABLES = {".csv": ",", ".tsv": "\t"}
# A missing file of these names is said to be missing, and not explained as a text.
_NAMES = {*_JSON, *_TABLES, ".txt", ".md", ".html", ".log", ".gz", ".zip", ".xlsx", ".parquet", ".cvs"}


class Row(NamedTuple):
    """A text, its label if the file has one, and where it stands ("file:line")."""

    text: str
    label: str | None
    where: str


def read(path: Path, fault: Fault, *, text: str = "text", label: str = "label") -> Iterator[Row]:
    """The rows of a file; its format is told by the suffix, and any other suffix is a text a line.

    ``text`` and ``label`` name the fields. Raises DataError if the file cannot be read, is no text, or is a
    table without the text column.
    """
    kind, stream = suffix(path), text_lines(path)
    if kind in _JSON:
        parse = _json_array if kind == ".json" else _json_lines
        yield from _checked(parse(stream, str(path), fault), fault, text, label)
    elif kind in _TABLES:
        yield from _checked(tables.rows(stream, str(path), fault, _TABLES[kind], (text, label)), fault, text, label)
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


def looks_like_a_file(name: str) -> bool:
    """Whether this must be the name of a data file and cannot be a text."""
    return not any(c.isspace() for c in name) and (Path(name).suffix.lower() in _NAMES or suffix(Path(name)) in _NAMES)


def text_lines(path: Path) -> Iterator[str]:
    """The lines of a plain or gzipped file; bytes that are not UTF-8 become surrogates. Raises DataError."""
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rt", encoding="utf-8-sig", errors="surrogateescape", newline="") as stream:
            for number, line in enumerate(cast(IO[str], stream)):
                if number == 0 and "\0" in line:
                    raise DataError(
                        f"{path} is not text in UTF-8", "save it as UTF-8 (it may be UTF-16, or no text at all)"
                    )
                yield line
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(
            f"{path}: {reason}", "check the name, that the file is whole, and that you may read it"
        ) from None


def _json_lines(stream: Iterable[str], name: str, fault: Fault) -> Iterator[Found]:
    for number, line in enumerate(stream, 1):
        where = f"{name}:{number}"
        if not line.strip() or not _decoded(line, where, fault):
            continue
        try:
            yield where, json.loads(line)
        except json.JSONDecodeError as error:
            fault(f"{where}: not JSON ({error.msg.lower()}, column {error.colno})")
        except RecursionError:
            fault(f"{where}: nested too deeply")


def _json_array(stream: Iterable[str], name: str, fault: Fault) -> Iterator[Found]:
    try:
        found = json.loads("".join(stream))
    except json.JSONDecodeError as error:
        message = f"{name}:{error.lineno}: not JSON ({error.msg.lower()}, column {error.colno})"
        raise DataError(message, "a JSON object a line goes into a .jsonl file") from None
    except RecursionError:
        raise DataError(f"{name}: nested too deeply") from None
    for number, item in enumerate(found if isinstance(found, list) else [found], 1):
        yield f"{name}: item {number}", item


def _checked(rows: Iterable[Found], fault: Fault, text: str, label: str) -> Iterator[Row]:
    """Rows whose text field is a text with something in it."""
    for where, fields in rows:
        if not isinstance(fields, dict):
            fault(f"{where}: not an object with fields")
        elif text not in fields:
            fault(f"{where}: no field {text!r}; {did_you_mean(text, sorted(map(str, fields)))}")
        elif not isinstance(fields[text], str) or not fields[text].strip():
            fault(f"{where}: the field {text!r} has no text in it")
        elif _decoded(fields[text] + str(fields.get(label)), where, fault):
            found = fields.get(label)
            yield Row(fields[text], None if found in (None, "") else str(found), where)


def _decoded(text: str, where: str, fault: Fault) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        fault(f"{where}: not UTF-8")
        return False
    return True
