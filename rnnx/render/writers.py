"""Explanations as files: one writer a format, by name and by the suffix of a file.

A writer is asked for the bytes of a few explanations at a time, and knows nothing of those before: so they can be made
anywhere, and a file that was cut off can be gone on with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from rnnx.data.rows import Row
from rnnx.render.tally import Tally
from rnnx.types import Explanation

# Name -> "module:class".
FORMATS = {
    "text": "rnnx.render.pages:Pictures",
    "plain": "rnnx.render.pages:Plain",
    "jsonl": "rnnx.render.lines:JsonLines",
    "json": "rnnx.render.lines:Json",
    "csv": "rnnx.render.tables:Long",
    "csv-wide": "rnnx.render.tables:Wide",
    "tsv": "rnnx.render.tables:Tabbed",
    "parquet": "rnnx.render.columnar:Columns",
    "markdown": "rnnx.render.markdown:Markdown",
    "html": "rnnx.render.html:Html",
}
SUMMARIZED = ("text", "plain", "markdown", "html")  # those that end in what all texts come to together
SUFFIXES = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".md": "markdown",
    ".html": "html",
    ".htm": "html",
    ".txt": "plain",
}


class Record(NamedTuple):
    """An explanation, the row that was explained, and that row's number in the input, from 0, bad ones counted."""

    number: int
    row: Row
    explanation: Explanation


@dataclass(frozen=True)
class Style:
    """What is written: the format; the columns of the input to ``keep``; whether for a ``screen``, which nothing must
    steer; with a ``summary`` at its end.

    ``console`` are the arguments of a rich console, and ``background`` its colour, for pictures.
    """

    format: str
    keep: tuple[str, ...] = ()
    screen: bool = False
    summary: bool = False
    console: Mapping[str, Any] = field(default_factory=dict)
    background: str = "unknown"


class Writer:
    """The bytes of records: ``head``, then ``rows`` again and again with ``between`` between two, and ``tail``.

    Of explanations, or of what else a job finds: each writer knows the records that it is for.
    """

    between = b""

    def __init__(self, style: Style) -> None:
        self.style = style

    def columns(self, record: Any) -> Sequence[str]:
        """The names of its columns, where all records stand in one table."""
        return ()

    def head(self, first: Any) -> bytes:
        """What stands before the first record."""
        return b""

    def rows(self, records: Sequence[Any]) -> bytes:
        """Some records, at least one."""
        raise NotImplementedError

    def tail(self, tally: Tally, *, empty: bool) -> bytes:
        """What stands at the end, also of a file without records."""
        return b""

    def finish(self, written: Path, target: Path) -> None:
        """Make the file of what was written, which is gone then."""
        written.replace(target)


def writer(style: Style, formats: Mapping[str, str] = FORMATS) -> Writer:
    """The writer of a format; ConfigError where it needs a package that is missing."""
    module, _, name = formats[style.format].partition(":")
    found: Writer = getattr(import_module(module), name)(style)
    return found
