"""Files of texts, read as a stream of rows: JSON lines, JSON, CSV, TSV and plain text, also gzipped; Parquet.

A bad row does not stop the rest: in its place comes where it is and what is wrong, and reading goes on.
"""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import IO, cast

from rnnx.data import parquet, tables
from rnnx.data.rows import ARGUMENT, NOT_UTF8, Ask, Entry, Fault, Found, Row, checked, encodes, joined, told
from rnnx.errors import DataError
from rnnx.types import LeftOut

__all__ = ["ARGUMENT", "Ask", "Entry", "Fault", "Found", "Row", "checked", "joined", "read", "told"]

BOM = "\ufeff"
LONG_NUMBER = "a number has more digits than Python reads"
JSON_LINES = "a JSON object a line goes into a .jsonl file"
_JSON = {".jsonl", ".ndjson", ".json"}
_TABLES = {".csv": ",", ".tsv": "\t"}
FORMATS = frozenset({*_JSON, *_TABLES, ".parquet", ".txt"})
_PACKED = {".7z", ".bz2", ".rar", ".tar", ".tgz", ".xz", ".zip", ".zst"}
_OFFICE = {".doc", ".docx", ".ods", ".odt", ".pdf", ".xls", ".xlsx"}
_STORED = {".arrow", ".avro", ".db", ".feather", ".h5", ".npy", ".npz", ".orc", ".pickle", ".pkl", ".sqlite"}
FOREIGN = _PACKED | _OFFICE | _STORED  # which are no text, and which rnnx does not read
# A missing file of these names is said to be missing, and not explained as a text.
_NAMES = FORMATS | FOREIGN | {".md", ".html", ".log", ".gz", ".cvs"}


def read(
    path: Path, fault: Fault, *, text: tuple[str, ...] = ("text",), label: str = "label", labelled: bool = False
) -> Iterator[Row]:
    """The good rows of a file; ``fault`` is told of the others. See ``entries``."""
    return told(entries(path, Ask(text, label, labelled)), fault)


def entries(path: Path, ask: Ask, kind: str | None = None) -> Iterator[Entry]:
    """What the rows of a file come to, in order.

    Its format is told by the suffix, or by ``kind``, a suffix too; any that is not known is a text a line. Raises
    DataError if the file cannot be read, is of a kind that rnnx does not read, is no text, or is a table without a
    field that must be there; ConfigError where reading it needs a package that is missing.
    """
    kind = kind or suffix(path)
    if kind in FOREIGN:
        known = " ".join(sorted(FORMATS))
        raise DataError(f"{path}: rnnx does not read {kind} files", f"save it as one of {known}, also .gz")
    if kind == ".parquet":
        return checked(parquet.rows(path, ask), ask)
    return parsed(text_lines(path, ask.meter), str(path), ask, kind)


def parsed(stream: Iterable[str], name: str, ask: Ask, kind: str) -> Iterator[Entry]:
    """The same of lines that are read already; ``name`` is what they are called. Raises DataError."""
    if kind in _JSON:
        parse = _json_array if kind == ".json" else _json_lines
        return checked(parse(stream, name), ask)
    if kind in _TABLES:
        return checked(tables.rows(stream, name, _TABLES[kind], ask), ask)
    return lines(stream, name)


def objects(stream: Iterable[str], name: str, *, array: bool = False) -> Iterator[Found | LeftOut]:
    """The JSON objects of lines, or of one ``array``, whatever their fields are."""
    return _json_array(stream, name) if array else _json_lines(stream, name)


def lines(stream: Iterable[str], name: str) -> Iterator[Entry]:
    """A text a line; blank lines are passed over."""
    for number, line in enumerate(stream, 1):
        if not encodes(line):
            yield LeftOut(f"{name}:{number}", NOT_UTF8)
        elif line.strip():
            yield Row(line.rstrip("\r\n").removeprefix(BOM if number == 1 else ""), None, f"{name}:{number}")


def suffix(path: Path) -> str:
    """The suffix without the .gz, in lower case."""
    return _unzipped(path).suffix.lower()


def stem(path: Path) -> str:
    """The name without its suffix, and without the .gz."""
    return _unzipped(path).stem


def _unzipped(path: Path) -> Path:
    return Path(path.stem if path.suffix == ".gz" else path.name)


def has_fields(path: Path) -> bool:
    """Whether the rows of such a file have fields; otherwise it is a text a line."""
    return suffix(path) in FORMATS - {".txt"}


def looks_like_a_file(name: str) -> bool:
    """Whether this must be the name of a data file and cannot be a text."""
    return not any(c.isspace() for c in name) and (Path(name).suffix.lower() in _NAMES or suffix(Path(name)) in _NAMES)


def text_lines(path: Path, meter: Callable[[float], None] | None = None) -> Iterator[str]:
    """The lines of a plain or gzipped file; bytes that are not UTF-8 become surrogates. Raises DataError.

    ``meter`` hears now and then which share of the file was read.
    """
    try:
        with path.open("rb") as raw, gzip.open(raw) if path.suffix == ".gz" else nullcontext(raw) as unzipped:
            size = path.stat().st_size or 1
            stream = io.TextIOWrapper(cast(IO[bytes], unzipped), "utf-8-sig", "surrogateescape", newline="")
            for number, line in enumerate(stream):
                if number == 0 and "\0" in line:
                    raise DataError(
                        f"{path} is not text in UTF-8", "save it as UTF-8 (it may be UTF-16, or no text at all)"
                    )
                if meter and number % 64 == 0:
                    meter(raw.tell() / size)
                yield line
    except (OSError, EOFError, ValueError, zlib.error) as error:  # ValueError: a name with a NUL
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(
            f"{path}: {reason}", "check the name, that the file is whole, and that you may read it"
        ) from None


def _json_lines(stream: Iterable[str], name: str) -> Iterator[Found | LeftOut]:
    for number, line in enumerate(stream, 1):
        where = f"{name}:{number}"
        if not encodes(line):
            yield LeftOut(where, NOT_UTF8)
        elif line.strip():
            yield _object(line, where)


def _object(line: str, where: str) -> Found | LeftOut:
    try:
        return where, json.loads(line)
    except json.JSONDecodeError as error:
        return LeftOut(where, "not JSON", f"{error.msg.lower()}, column {error.colno}")
    except ValueError:
        return LeftOut(where, LONG_NUMBER)
    except RecursionError:
        return LeftOut(where, "nested too deeply")


def _json_array(stream: Iterable[str], name: str) -> Iterator[Found | LeftOut]:
    try:
        found = json.loads("".join(stream))
    except json.JSONDecodeError as error:
        message = f"{name}:{error.lineno}: not JSON; {error.msg.lower()}, column {error.colno}"
        raise DataError(message, JSON_LINES) from None
    except ValueError:
        raise DataError(f"{name}: {LONG_NUMBER}", f"leave it out, or put it in quotes; {JSON_LINES}") from None
    except RecursionError:
        raise DataError(f"{name}: nested too deeply", JSON_LINES) from None
    for number, item in enumerate(found if isinstance(found, list) else [found], 1):
        yield f"{name}:item {number}", item
