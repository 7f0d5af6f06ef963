"""``rnnx predict``: label texts; where the file has labels of its own, say how many agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, TextIO

import typer

from rnnx.cli import inputs, options, outputs
from rnnx.cli.terminal import Terminal
from rnnx.data.rows import Ask

if TYPE_CHECKING:
    from rnnx.data.readers import Row
    from rnnx.types import Prediction

Result = tuple["Row", "Prediction"]


def predict(
    context: typer.Context,
    texts: options.Texts = None,
    model: options.Model = None,
    format_: options.Format = "auto",
    output: options.Output = None,
    force: options.Force = False,
    text_field: options.TextField = None,
    label_field: options.LabelField = None,
    engine: options.Engine = None,
    device: options.Device = None,
    color: options.Color = "auto",
    debug: options.Debug = False,
) -> None:
    """Label each text, with the probability. If the file has labels, the accuracy is printed on stderr.

    \b
    Examples:
      rnnx predict "not bad at all" "meh"
      rnnx predict reviews.csv --format csv --output labelled.csv
      rnnx predict sample_data/everyday.jsonl --model sentiment-lstm
    """
    terminal: Terminal = context.obj
    kind = outputs.pick(format_, output, terminal, color)
    faults = inputs.Faults(terminal)
    field = label_field or "label"
    from rnnx.models import catalog

    name = model or catalog.DEFAULT
    names = inputs.text_fields(text_field, name)
    ask = Ask(names, field, guess=not text_field, say=terminal.say)
    rows = inputs.rows(texts, terminal, ask, faults)
    from rnnx import explaining, loading
    from rnnx.models import batching

    batching.hold_memory()
    loaded = loading.load(name, engine=engine, device=device)
    given = inputs.Asked(inputs.with_words(rows, loaded, faults, names), faults)
    predictions = explaining.predict(loaded, given.items, fields=names, left_out=given.left_out)
    score = _Score(loaded.labels)
    results = score.watch(given.beside(predictions))
    with outputs.opened(output, terminal, force) as stream:
        _write(kind, outputs.counted(results, terminal, stream), stream, terminal, color)
    faults.close()
    score.tell(terminal, field, asked=bool(label_field))


class _Score:
    """Counts the predictions that agree with the rows' own labels."""

    def __init__(self, labels: tuple[str, ...]) -> None:
        self.labels, self.given = labels, Counter[str]()
        self.right = 0

    def watch(self, results: Iterable[Result]) -> Iterator[Result]:
        for row, prediction in results:
            if row.label is not None:
                self.given[row.label] += 1
                self.right += row.label == prediction.label
            yield row, prediction

    def tell(self, terminal: Terminal, field: str, *, asked: bool) -> None:
        """The accuracy, if the labels are the model's; a warning where labels were asked for and are not there."""
        strange = sorted(self.given.keys() - set(self.labels))
        total = self.given.total()
        if asked and not total:
            terminal.warn(f"no row has a label in the field {field!r}")
        elif strange:
            listed = ", ".join(strange[:5]) + (", \u2026" if len(strange) > 5 else "")
            known = ", ".join(self.labels)
            terminal.warn(f"the field {field!r} has labels that the model does not know: {listed} (it knows {known})")
        elif total:
            share = self.right / total
            terminal.say(f"{self.right} of {total} agree with the field {field!r}: accuracy {share:.1%}")


def _write(kind: str, results: Iterable[Result], stream: TextIO, terminal: Terminal, color: str) -> None:
    from rnnx.render import formats, predictions

    if kind == "text":
        console = terminal.console(color, file=stream)
        for row, prediction in results:
            console.print(predictions.line(row.text, prediction, console.width), soft_wrap=True)
    elif kind == "plain":
        for row, prediction in results:
            stream.write(predictions.plain(row.text, prediction) + "\n")
            stream.flush()
    else:
        formats.WRITERS[kind]((_record(*result, flat=kind == "csv") for result in results), stream)


def _record(row: Row, prediction: Prediction, *, flat: bool) -> dict[str, Any]:
    record = {"text": row.text, "label": prediction.label, "probability": prediction.probability, "given": row.label}
    return record if flat else {**record, "probabilities": prediction.probabilities}
