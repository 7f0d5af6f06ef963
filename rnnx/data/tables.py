"""CSV and TSV by the standard library's reader, with exact line numbers and without losing rows to a stray quote."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from itertools import chain

from rnnx.data.rows import Ask, Found
from rnnx.errors import DataError
from rnnx.types import LeftOut

LONGEST = 1_000  # lines that a quoted field may go on for; beyond, its quote was never meant to open


def rows(stream: Iterable[str], name: str, delimiter: str, ask: Ask) -> Iterator[Found | LeftOut]:
    """(where, fields by column) for each row under the header; a CSV whose header has semicolons uses those.

    Raises DataError if the header lacks a column that is asked for, or has it twice.
    """
    csv.field_size_limit(2**31 - 1)
    lines = _Lines(line for line in stream)
    header = _header(lines, name, delimiter, ask)
    if header is None:
        return
    columns, delimiter = header
    for where, values, problem in _records(lines, name, delimiter):
        if problem:
            yield LeftOut(where, problem)
        elif values and len(values) != len(columns):
            yield LeftOut(where, f"{len(values)} columns, not {len(columns)} as the header has")
        elif values:
            yield where, dict(zip(columns, values, strict=True))


class _Lines:
    """Lines that can be given back, counted; ``taken`` are those of the record that is being read."""

    def __init__(self, stream: Iterator[str]) -> None:
        self.stream, self.number, self.taken = stream, 0, list[str]()

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if len(self.taken) > LONGEST:
            raise csv.Error("a quote is opened and not closed")
        line = next(self.stream)
        self.number += 1
        self.taken.append(line)
        return line

    def give_back(self, lines: list[str]) -> None:
        self.stream, self.number = chain(lines, self.stream), self.number - len(lines)


def _records(lines: _Lines, name: str, delimiter: str) -> Iterator[tuple[str, list[str], str]]:
    """(where, values, problem) for each record; after a broken one, reading goes on with the next line."""
    while True:
        lines.taken = []
        where = f"{name}:{lines.number + 1}"
        try:
            values = next(csv.reader(lines, delimiter=delimiter, strict=True))
        except StopIteration:
            return
        except csv.Error as error:
            lines.give_back(lines.taken[1:])
            said = "a quote is opened and not closed" if "unexpected end" in str(error) else str(error)
            yield where, [], said
        else:
            yield where, values, ""


def _header(lines: _Lines, name: str, delimiter: str, ask: Ask) -> tuple[list[str], str] | None:
    """The columns' names and the delimiter; None for an empty file."""
    first = next((line for line in lines if line.strip()), None)
    if first is None:
        return None
    if delimiter == "," and "," not in first and ";" in first:
        delimiter = ";"
    lines.give_back([first])
    lines.taken = []
    where, values, problem = next(_records(lines, name, delimiter))
    if problem:
        raise DataError(f"{where}: {problem}", "mend the header")
    columns = [value.strip() for value in values]
    asked = ask.of(columns, where)
    for field in (*asked.must, asked.label):
        if columns.count(field) > 1:
            raise DataError(f"{where}: two columns are called {field!r}", "rename one of them")
    return columns, delimiter
