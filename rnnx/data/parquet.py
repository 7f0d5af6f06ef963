"""Parquet files, a piece at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rnnx.data.rows import Ask, Found
from rnnx.errors import ConfigError, DataError

ROWS = 1024  # held at a time


def rows(path: Path, ask: Ask, first: int = 0, stop: int | None = None) -> Iterator[Found]:
    """(where, fields by column) for each row, with those columns that are asked for; or from one row to before another.

    Raises DataError for a file that cannot be read or lacks a column that must be there, ConfigError without pyarrow.
    """
    with _opened(path) as file:
        columns = file.schema_arrow.names
        asked = ask.of(columns, str(path))
        wanted = [name for name in dict.fromkeys((*asked.must, asked.label)) if name in columns]
        groups, done = _groups(file.metadata, first)
        for batch in file.iter_batches(ROWS, row_groups=groups, columns=wanted):
            before = min(max(first - done, 0), batch.num_rows)
            done += before
            for fields in _fields(batch.slice(before)):
                if done == stop:
                    return
                done += 1
                yield f"{path}:row {done}", fields
            if ask.meter:
                ask.meter(done / file.metadata.num_rows)


def count(path: Path) -> int:
    """How many rows a file has. Raises DataError for one that cannot be read, ConfigError without pyarrow."""
    with _opened(path) as file:
        return int(file.metadata.num_rows)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """A file, and what goes wrong with it as DataError; ConfigError without pyarrow."""
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError:
        raise ConfigError(f"reading {path} needs pyarrow", 'pip install "rnnx[parquet]"') from None
    try:
        with path.open("rb") as stream, ParquetFile(stream) as file:
            yield file
    except (OSError, ValueError, ArrowException) as error:
        reason = getattr(error, "strerror", None) or f"not a Parquet file that can be read ({_first(error)})"
        raise DataError(f"{path}: {reason}", "check the name, and that the file is whole") from None


def _groups(metadata: Any, first: int) -> tuple[list[int], int]:
    """The groups of rows from that with a certain row on, and how many rows stand before them."""
    before = 0
    for group in range(metadata.num_row_groups):
        rows = metadata.row_group(group).num_rows
        if before + rows > first:
            return list(range(group, metadata.num_row_groups)), before
        before += rows
    return [], before


def _fields(batch: Any) -> list[dict[str, Any]]:
    """The rows of a piece; one with a text that is not UTF-8 has what cannot be encoded for all its fields."""
    try:
        found: list[dict[str, Any]] = batch.to_pylist()
    except UnicodeDecodeError:
        if batch.num_rows == 1:
            return [dict.fromkeys(batch.schema.names, "\udcff")]
        return [fields for i in range(batch.num_rows) for fields in _fields(batch.slice(i, 1))]
    return found


def _first(error: Exception) -> str:
    return str(error).partition("\n")[0].rstrip(".")
