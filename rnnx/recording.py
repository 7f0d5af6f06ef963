"""What an evaluation has measured so far, on disk: a file that an interruption leaves whole, and that is taken up."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from rnnx import __version__
from rnnx.errors import DataError
from rnnx.evaluation import Evaluation, Record, collated

FIELDS = {*Record._fields, "settings"}  # of a line


def header(evaluation: Evaluation) -> dict[str, Any]:
    """What must be the same for records to belong to an evaluation: the model and what it says, and the texts."""
    texts = hashlib.sha256(json.dumps([[t.text, t.marked] for t in evaluation.texts]).encode()).hexdigest()
    first = evaluation.model.forward(collated(evaluation.model, evaluation.texts[:1]))
    return {
        "rnnx": __version__,
        "model": evaluation.model.name,
        "says": [round(float(logit), 3) for logit in first[0]],
        "texts": texts,
        "removal": evaluation.removal,
        "seed": evaluation.seed,
        "options": {name: dict(options) for name, options in evaluation.options.items()},
    }


def known(path: Path, evaluation: Evaluation) -> list[Record]:
    """The records of a file that answer what this evaluation asks; none if there is no file.

    Raises DataError for records of another evaluation.
    """
    try:
        first, *lines = path.read_text("utf-8").splitlines() or [""]
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: {getattr(error, 'strerror', None) or 'not a file of records'}") from None
    theirs, ours = _parsed(first), header(evaluation)
    if first and theirs != ours:
        differs = ", ".join(key for key in ours if (theirs or {}).get(key) != ours[key])
        raise DataError(f"{path} holds records of another evaluation ({differs})", "name another file, or remove it")
    settings = {name: dict(method.settings) for name, method in evaluation.methods.items()}
    found: dict[tuple[int, str], Record] = {}
    for line in filter(None, map(_parsed, lines)):
        if line.keys() >= FIELDS and settings.get(line["method"]) == line["settings"]:
            key = line["text"], line["method"]
            values = _values(line["values"])
            if key in found:  # measured before, by other metrics
                values = {**found[key].values, **values}
            found[key] = Record(*key, values, line["milliseconds"], tuple(line["scores"]))
    return [record for record in found.values() if evaluation.metrics.keys() <= record.values.keys()]


def kept(path: Path, evaluation: Evaluation, records: Iterable[Record]) -> Iterator[Record]:
    """The records, each written to the file before it is given on. What stands in the file stays, but for half a line:
    other methods and metrics may be asked for again.

    Raises DataError where the file cannot be written.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        lines = path.read_text("utf-8").splitlines() if path.exists() else []
        whole = [line for line in lines if _parsed(line)] or [json.dumps(header(evaluation))]
        part.write_text("".join(f"{line}\n" for line in whole), "utf-8")
        part.replace(path)
        stream = path.open("a", encoding="utf-8")
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}", "choose a place that you may write to") from None
    with stream:
        for record in records:
            stream.write(json.dumps(_line(evaluation, record)) + "\n")
            stream.flush()
            yield record


def _line(evaluation: Evaluation, record: Record) -> dict[str, Any]:
    return {**record._asdict(), "settings": dict(evaluation.methods[record.method].settings)}


def _parsed(line: str) -> dict[str, Any] | None:
    """A line of JSON; None for one that was cut off, or is no object."""
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _values(found: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in found.items()}
