"""Explanations as Parquet, a row a text, with lists for its tokens.

While they are made they are written as an Arrow stream, which can be cut off and gone on with; the end of a Parquet
file is its table of contents. Settings and diagnostics are JSON; ids and kept columns are text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rnnx.errors import ConfigError
from rnnx.render.formats import to_json
from rnnx.render.tables import kept, plain
from rnnx.render.tally import Tally
from rnnx.render.writers import Record, Style, Writer
from rnnx.types import Attribution, Explanation, Regions, Trace, Units

END = b"\xff\xff\xff\xff\x00\x00\x00\x00"  # of an Arrow stream
GROUP = 8_192  # rows of a group in the Parquet file
PARTS = {  # of what lists are, column by column
    "tokens": ("text", "start", "end", "field"),
    "phrases": ("start", "stop", "score", "interaction"),
    "regions": ("name", "start", "end", "score"),
}


class Columns(Writer):
    """Parquet."""

    def __init__(self, style: Style) -> None:
        super().__init__(style)
        try:
            import pyarrow
        except ImportError:
            raise ConfigError("writing Parquet needs pyarrow", 'pip install "rnnx[parquet]"') from None
        self.arrow: Any = pyarrow

    def columns(self, record: Record) -> Sequence[str]:
        """Which there are."""
        return list(_columns(record, self.style.keep))

    def head(self, first: Record) -> bytes:
        """The schema, which the first explanation has."""
        return bytes(self._batch([first]).schema.serialize())

    def rows(self, records: Sequence[Record]) -> bytes:
        """The texts."""
        return bytes(self._batch(records).serialize())

    def tail(self, tally: Tally, *, empty: bool) -> bytes:
        """The end of the stream."""
        return bytes(self.arrow.schema([]).serialize()) + END if empty else END

    def finish(self, written: Path, target: Path) -> None:
        """Turn the stream into Parquet, some groups of rows at a time."""
        import pyarrow.parquet

        new = target.with_name(f".{target.name}.new")
        with (
            written.open("rb") as stream,
            self.arrow.ipc.open_stream(stream) as batches,
            pyarrow.parquet.ParquetWriter(new, batches.schema, compression="zstd") as file,
        ):
            for group in _groups(batches):
                file.write_table(self.arrow.Table.from_batches(group, batches.schema), row_group_size=GROUP)
        new.replace(target)
        written.unlink()

    def _batch(self, records: Sequence[Record]) -> Any:
        rows = [_columns(record, self.style.keep) for record in records]
        columns = {name: [row[name] for row in rows] for name in rows[0]}
        schema = self.arrow.schema([(name, self._type(name, values[0])) for name, values in columns.items()])
        return self.arrow.record_batch(list(columns.values()), schema=schema)

    def _type(self, name: str, value: Any) -> Any:
        """The type of a column: lists of tokens and of numbers, whole numbers, numbers, text."""
        pa = self.arrow
        kinds = {"start": pa.int32(), "stop": pa.int32(), "end": pa.int32(), "score": pa.float32()}
        kinds |= {"interaction": pa.float32(), "text": pa.string(), "field": pa.string(), "name": pa.string()}
        if name == "row":
            return pa.int64()
        if name == "probability":
            return pa.float32()
        if name in PARTS:
            return pa.list_(pa.struct([(part, kinds[part]) for part in PARTS[name]]))
        if name == "strongest":
            return pa.list_(pa.string())
        return pa.list_(pa.float32()) if isinstance(value, tuple) else pa.string()


def _groups(batches: Any) -> Any:
    """Record batches, as many together as make a group."""
    group: list[Any] = []
    for batch in batches:
        group.append(batch)
        if sum(part.num_rows for part in group) >= GROUP:
            yield group
            group = []
    if group:
        yield group


def _columns(record: Record, keep: Sequence[str]) -> Mapping[str, Any]:
    e, row = record.explanation, record.row
    return {
        "row": record.number,
        "where": row.where,
        "id": None if row.id is None else str(plain(row.id)),
        "text": e.text,
        "label": e.prediction.label,
        "probability": e.prediction.probability,
        "probabilities": tuple(e.prediction.probabilities.values()),
        "target": e.target,
        "tokens": [token._asdict() for token in e.tokens],
        **_evidence(e),
        "method": e.method,
        "settings": to_json(dict(e.settings)),
        "model": e.model,
        "diagnostics": to_json(dict(e.diagnostics)),
        **{name: None if value is None else str(value) for name, value in kept(row, keep).items()},
    }


def _evidence(e: Explanation) -> dict[str, Any]:
    if isinstance(e.evidence, Attribution):
        return {"scores": e.evidence.scores}
    if isinstance(e.evidence, Trace):
        return dict(e.evidence.columns)
    if isinstance(e.evidence, Regions):
        return {"scores": e.evidence.scores, "regions": [asdict(region) for region in e.evidence.regions]}
    if isinstance(e.evidence, Units):
        strongest = [e.tokens[token].text for token in e.evidence.tokens]
        return {"values": e.evidence.values, "shares": e.evidence.shares, "strongest": strongest}
    return {"phrases": [asdict(span) for span in e.evidence.spans]}
