"""Predictions as lines for people, and as files: one writer a format."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any, NamedTuple

from rich.cells import cell_len
from rich.text import Text

from rnnx.data.rows import Row
from rnnx.render import lines, tables
from rnnx.render.formats import to_json
from rnnx.render.text import percent, visible
from rnnx.render.writers import Writer
from rnnx.types import Prediction

LABEL = 11  # columns
# Name -> "module:class".
FORMATS = {
    "text": "rnnx.render.predictions:Pictures",
    "plain": "rnnx.render.predictions:Plain",
    "jsonl": "rnnx.render.predictions:JsonLines",
    "json": "rnnx.render.predictions:Json",
    "csv": "rnnx.render.predictions:Table",
}


class Labelled(NamedTuple):
    """A prediction, the row that it is of, and that row's number in the input, from 0, bad ones counted."""

    number: int
    row: Row
    prediction: Prediction


class Pictures(Writer):
    """A line each, for a terminal."""

    def rows(self, records: Sequence[Labelled]) -> bytes:
        """The lines."""
        from rich.console import Console

        page = io.StringIO()
        console = Console(file=page, **self.style.console)
        for found in records:
            console.print(line(found.row.text, found.prediction, console.width), soft_wrap=True)
        return page.getvalue().encode()


class Plain(Writer):
    """Plain text, a line each."""

    def rows(self, records: Sequence[Labelled]) -> bytes:
        """The lines."""
        return "".join(f"{plain(found.row.text, found.prediction)}\n" for found in records).encode()


class JsonLines(lines.JsonLines):
    """A JSON object a line."""

    def line(self, record: Labelled) -> str:
        """One of them."""
        return _json(record, self.style.keep)


class Json(lines.Json):
    """One JSON array."""

    def line(self, record: Labelled) -> str:
        """One of its items."""
        return _json(record, self.style.keep)


class Table(Writer):
    """CSV with a row a text."""

    def head(self, first: Labelled) -> bytes:
        """The names of the columns."""
        return tables.written([list(_columns(first, self.style.keep))], screen=self.style.screen)

    def rows(self, records: Sequence[Labelled]) -> bytes:
        """The texts."""
        columns = (_columns(found, self.style.keep).values() for found in records)
        return tables.written(([tables.plain(cell) for cell in row] for row in columns), screen=self.style.screen)


def _json(found: Labelled, keep: Sequence[str]) -> str:
    return to_json({**_columns(found, keep), "probabilities": dict(found.prediction.probabilities)})


def _columns(found: Labelled, keep: Sequence[str]) -> dict[str, Any]:
    """What is written of a text; a column of the input with the name of one of ours is called given_NAME."""
    row, p = found.row, found.prediction
    own = {"text": row.text, "label": p.label, "probability": p.probability, "given": row.label}
    kept = row.kept or {}
    return own | {f"given_{name}" if name in {*own, "probabilities"} else name: kept.get(name) for name in keep}


def line(text: str, prediction: Prediction, width: int) -> Text:
    """Label, probability, and as much of the text as fits."""
    label = visible(prediction.label)
    pad = " " * max(1, LABEL - cell_len(label))
    start = Text().append(label, "bold").append(f"{pad}{percent(prediction.probability):>6}  ")
    start.append(" ".join(visible(text).split()))
    start.truncate(width, overflow="ellipsis")
    return start


def plain(text: str, prediction: Prediction) -> str:
    """Label, probability and text, separated by tabs."""
    return f"{visible(prediction.label)}\t{prediction.probability:.4f}\t{' '.join(visible(text).split())}"
