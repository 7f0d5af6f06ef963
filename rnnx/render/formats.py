"""Results to a stream, one function a format; results are written as they come."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable
from typing import Any, TextIO

from rnnx.render.text import UNSAFE, escape, visible

_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False)


def to_json(data: Any) -> str:
    """One line of JSON, readable in any script, that cannot steer a terminal."""
    return UNSAFE.sub(escape, _ENCODER.encode(data))


def write_jsonl(records: Iterable[dict[str, Any]], stream: TextIO) -> None:
    """A JSON object a line."""
    for record in records:
        stream.write(to_json(record) + "\n")
        stream.flush()


def write_json(records: Iterable[dict[str, Any]], stream: TextIO) -> None:
    """One JSON array."""
    opening = "[\n"
    for record in records:
        stream.write(opening + to_json(record))
        opening = ",\n"
    stream.write("\n]\n" if opening == ",\n" else "[]\n")


def write_json_with(
    name: str, records: Iterable[dict[str, Any]], rest: Callable[[], dict[str, Any]], stream: TextIO
) -> None:
    """A JSON object: the records as the array ``name``, then what is known when they are all written."""
    stream.write(f"{{\n{to_json(name)}: ")
    write_json(records, stream)
    stream.writelines(f", {to_json(key)}: {to_json(value)}\n" for key, value in rest().items())
    stream.write("}\n")


def write_csv(records: Iterable[dict[str, Any]], stream: TextIO) -> None:
    """A table; the first record gives the columns. On a terminal, what could steer it is made visible."""
    writer: csv.DictWriter[str] | None = None
    terminal = stream.isatty()
    for record in records:
        if writer is None:
            writer = csv.DictWriter(stream, list(record), lineterminator="\n")
            writer.writeheader()
        writer.writerow({k: visible(v) if terminal and isinstance(v, str) else v for k, v in record.items()})
        stream.flush()


WRITERS: dict[str, Callable[[Iterable[dict[str, Any]], TextIO], None]] = {
    "jsonl": write_jsonl,
    "json": write_json,
    "csv": write_csv,
}
