"""Results to a stream, one function a format; results are written as they come."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from itertools import count
from typing import Any, TextIO

from rnnx.render import trust
from rnnx.render.text import UNSAFE, escape, visible
from rnnx.types import Attribution, Explanation, Phrases, Trace


def to_json(data: Any) -> str:
    """One line of JSON, readable in any script, that cannot steer a terminal."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False)
    return UNSAFE.sub(escape, text)


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


def rows(explanations: Iterable[Explanation]) -> Iterator[dict[str, Any]]:
    """Explanations as the rows of a table, a row a token or phrase; ``row`` counts the texts from 0.

    ``trust`` is the level, where it was asked for.
    """
    for index, e in zip(count(), explanations, strict=False):
        for values in _phrases(e, e.evidence) if isinstance(e.evidence, Phrases) else _tokens(e, e.evidence):
            yield {
                "row": index,
                **values,
                "target": e.target,
                "label": e.prediction.label,
                "probability": e.prediction.probability,
                "method": e.method,
                "model": e.model,
                **({"trust": trust.level(e)} if "trust" in e.diagnostics else {}),
            }


def _tokens(e: Explanation, evidence: Attribution | Trace) -> Iterator[dict[str, Any]]:
    for i, token in enumerate(e.tokens):
        place = {"start": token.start, "end": token.end, "field": token.field}
        yield {"position": i, "token": token.text, **place, **_values(evidence, i)}


def _phrases(e: Explanation, evidence: Phrases) -> Iterator[dict[str, Any]]:
    for span in evidence.spans:
        first, last = e.tokens[span.start], e.tokens[span.stop - 1]
        place = {"start": first.start, "end": last.end, "field": first.field}
        text, scores = e.text[first.start : last.end], {"score": span.score, "interaction": span.interaction}
        yield {"position": span.start, "tokens": span.stop - span.start, "phrase": text, **place, **scores}


def _values(evidence: Attribution | Trace, i: int) -> dict[str, float]:
    if isinstance(evidence, Trace):
        return {name: values[i] for name, values in evidence.columns.items()}
    return {"score": evidence.scores[i]}
