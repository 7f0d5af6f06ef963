"""Files of texts, read as a stream of rows: JSON lines, JSON, CSV, TSV and plain text, also gzipped; Parquet.

A bad row does not stop the rest: ``fault`` is told where it is and what is wrong, and reading goes on.
"""

from __future__ import annotations

import gzip
import json
import math
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

from rnnx.data import parquet, tables, words
from rnnx.errors import DataError, did_you_mean
from rnnx.types import Item, LeftOut

Fault = Callable[[LeftOut], None]
Spans = tuple[tuple[int, int], ...]
Found = tuple[str, Mapping[str, Any]]  # where a row stands, and its fields
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


class Row(NamedTuple):
    """A text, its label if the file has one, and where it stands ("file:line").

    A text of several fields has these too, and ``text`` is what they are joined to. ``marks`` are the spans of the text
    that somebody has marked, each from a character to before another; None where the file says nothing of them.
    """

    text: str
    label: str | None
    where: str
    fields: Mapping[str, str] | None = None
    marks: Spans | None = None

    @property
    def item(self) -> Item:
        """The fields, or the text that has none."""
        return self.fields or self.text


def joined(fields: Mapping[str, str]) -> str:
    """The text of several fields: one a line, without the empty ones."""
    return "\n".join(text for text in fields.values() if text.strip())


def read(
    path: Path,
    fault: Fault,
    *,
    text: tuple[str, ...] = ("text",),
    label: str = "label",
    labelled: bool = False,
    marks: tuple[str, ...] = (),
) -> Iterator[Row]:
    """The rows of a file; its format is told by the suffix, and any suffix that is not known is a text a line.

    ``text`` and ``label`` name the fields, several for a text that is joined; ``labelled`` says that there must be
    a label field. A text may be a list of words, which are joined by blanks. ``marks`` are names that the field of
    marked spans may have: pairs of characters, or of words where the text is a list of them. Raises DataError if the
    file cannot be read, is of a kind that rnnx does not read, is no text, or is a table without a field that must be
    there; ConfigError where reading it needs a package that is missing.
    """
    kind = suffix(path)
    if kind in FOREIGN:
        known = " ".join(sorted(FORMATS))
        raise DataError(f"{path}: rnnx does not read {kind} files", f"save it as one of {known}, also .gz")
    must = (*text, label) if labelled else tuple(text)
    if kind == ".parquet":
        yield from checked(parquet.rows(path, must, (*text, label)), fault, text, label, labelled)
    elif kind in _JSON:
        parse = _json_array if kind == ".json" else _json_lines
        yield from checked(parse(text_lines(path), str(path), fault), fault, text, label, labelled, marks)
    elif kind in _TABLES:
        found = tables.rows(text_lines(path), str(path), fault, _TABLES[kind], must, (*text, label))
        yield from checked(found, fault, text, label, labelled)
    else:
        yield from lines(text_lines(path), str(path), fault)


def lines(stream: Iterable[str], name: str, fault: Fault) -> Iterator[Row]:
    """A text a line; blank lines are passed over."""
    for number, line in enumerate(stream, 1):
        where = f"{name}:{number}"
        if decoded(line, where, fault) and line.strip():
            yield Row(line.rstrip("\r\n").removeprefix(BOM if number == 1 else ""), None, where)


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
    except (OSError, EOFError, ValueError, zlib.error) as error:  # ValueError: a name with a NUL
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(
            f"{path}: {reason}", "check the name, that the file is whole, and that you may read it"
        ) from None


def _json_lines(stream: Iterable[str], name: str, fault: Fault) -> Iterator[Found]:
    for number, line in enumerate(stream, 1):
        where = f"{name}:{number}"
        if not line.strip() or not decoded(line, where, fault):
            continue
        try:
            yield where, json.loads(line)
        except json.JSONDecodeError as error:
            fault(LeftOut(where, "not JSON", f"{error.msg.lower()}, column {error.colno}"))
        except ValueError:
            fault(LeftOut(where, LONG_NUMBER))
        except RecursionError:
            fault(LeftOut(where, "nested too deeply"))


def _json_array(stream: Iterable[str], name: str, fault: Fault) -> Iterator[Found]:
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


def checked(
    rows: Iterable[Found],
    fault: Fault,
    text: tuple[str, ...],
    label: str,
    labelled: bool = False,
    marks: tuple[str, ...] = (),
) -> Iterator[Row]:
    """Rows that have their fields, and a text with something in it; of several fields some may be empty."""
    for where, given in rows:
        fields = words.joined(given, text)
        reason, detail = _fault(fields, text, label, labelled)
        if reason:
            fault(LeftOut(where, reason, detail))
            continue
        parts = {name: fields[name] or "" for name in text}
        found = _label(fields.get(label))
        whole = parts[text[0]] if len(text) == 1 else joined(parts)
        if decoded(f"{whole}{found}", where, fault):
            spans = words.spans(given, text, marks, where, fault) if len(text) == 1 else None
            yield Row(whole, found, where, parts if len(text) > 1 else None, spans)


def _fault(fields: Any, text: tuple[str, ...], label: str, labelled: bool) -> tuple[str, str]:
    """What is wrong with the fields of a row, if anything, and the particulars."""
    if not isinstance(fields, dict):
        return "not an object with fields", ""
    for name in (*text, label) if labelled else text:
        if name not in fields:
            return f"no field {name!r}", did_you_mean(name, sorted(map(str, fields)))
    for name in text:
        if not isinstance(fields[name] or "", str):
            return f"the field {name!r} has no text in it", ""
    if not any((fields[name] or "").strip() for name in text):
        return f"the field {text[0]!r} has no text in it" if len(text) == 1 else f"no text in {', '.join(text)}", ""
    if labelled and not isinstance(fields[label], str | int | float | None):
        return f"the field {label!r} holds no label", f"it is a {type(fields[label]).__name__}"
    return "", ""


def _label(found: Any) -> str | None:
    """A label as text, 1.0 as 1; None for one that is blank, no finite number, or no single value."""
    if isinstance(found, float) and math.isfinite(found):
        return str(int(found) if found.is_integer() else found)
    return str(found).strip() or None if isinstance(found, str | int) else None


def decoded(text: str, where: str, fault: Fault) -> bool:
    """Whether a text was UTF-8; ``fault`` hears if it was not."""
    try:
        text.encode()
    except UnicodeEncodeError:
        fault(LeftOut(where, "not UTF-8"))
        return False
    return True
