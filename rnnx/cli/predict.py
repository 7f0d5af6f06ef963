"""``rnnx predict``: label texts; where the file has labels of its own, say how many agree."""

from __future__ import annotations

import typer

from rnnx.cli import files, inputs, jobs, options, outputs, sinks
from rnnx.cli.terminal import Terminal
from rnnx.data.rows import Ask
from rnnx.render.tally import Tally
from rnnx.render.writers import Style


def predict(
    context: typer.Context,
    texts: options.Texts = None,
    model: options.Model = None,
    format_: options.Format = "auto",
    output: options.Output = None,
    force: options.Force = False,
    resume: options.Resume = False,
    text_field: options.TextField = None,
    label_field: options.LabelField = None,
    keep: options.Keep = None,
    input_format: options.InputFormat = None,
    limit: options.Limit = None,
    errors: options.Errors = None,
    strict: options.Strict = False,
    workers: options.Workers = 1,
    engine: options.Engine = None,
    device: options.Device = None,
    color: options.Color = "auto",
    debug: options.Debug = False,
) -> None:
    """Label each text, with the probability. If the file has labels, the accuracy is printed on stderr.

    \b
    Examples:
      rnnx predict "not bad at all" "meh"
      rnnx predict reviews.csv --keep id --format csv --output labelled.csv
      rnnx predict "reviews/*.jsonl.gz" --workers 2 --output labelled.jsonl.gz --resume
      rnnx predict sample_data/everyday.jsonl --model sentiment-lstm
    """
    terminal: Terminal = context.obj
    target = sinks.Target(output, errors, force, resume)
    kept, zipped = options.names(keep), files.zipped(target)
    kind = outputs.pick(format_, output, terminal, color, zipped=zipped)
    looks = terminal.looks(color, terminal.stdout) if kind == "text" else {}
    style = Style(kind, kept, target.stdout and terminal.stdout.isatty(), console=looks)
    found = inputs.sources(texts, terminal)
    files.apart([errors], found)  # what is read may be the output, which takes its place when it is whole
    if not files.unfinished(target, terminal):
        return
    from rnnx.models import catalog

    name, field = model or catalog.DEFAULT, label_field or "label"
    fields = inputs.text_fields(text_field, name)
    faults, watch = inputs.Faults(terminal, strict=strict), jobs.Watch()
    ask = Ask(fields, field, keep=kept, guess=not text_field, say=terminal.say, meter=watch.read)
    rows = inputs.started(inputs.read(found, terminal, ask, inputs.suffix(input_format)), faults)
    from rnnx.jobs import Plan
    from rnnx.labelling import Labelling
    from rnnx.models import batching

    batching.hold_memory()
    job = Labelling(Plan(name, {}, style, fields, engine, device, zipped))
    entries = inputs.limited(rows, limit)
    tally = jobs.run(job, entries, target, terminal, faults=faults, watch=watch, workers=workers)
    _agreement(tally, job.model.labels, terminal, field, asked=bool(label_field))


def _agreement(tally: Tally, labels: tuple[str, ...], terminal: Terminal, field: str, *, asked: bool) -> None:
    """The accuracy, if the rows' labels are the model's; a warning where they were asked for and are not there."""
    strange = sorted(tally.given.keys() - set(labels))
    total = tally.given.total()
    if asked and not total:
        terminal.warn(f"no row has a label in the field {field!r}")
    elif strange:
        listed = ", ".join(strange[:5]) + (", \u2026" if len(strange) > 5 else "")
        known = ", ".join(labels)
        terminal.warn(f"the field {field!r} has labels that the model does not know: {listed} (it knows {known})")
    elif total:
        share = tally.right / total
        terminal.say(f"{tally.right} of {total} agree with the field {field!r}: accuracy {share:.1%}")
