"""``rnnx evaluate``: methods against metrics over a data set."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rnnx import registry
from rnnx.cli import eraser, inputs, options, outputs
from rnnx.cli.measured import measure, write
from rnnx.cli.options import choice, pairs
from rnnx.cli.terminal import Terminal
from rnnx.data.rows import Ask, told
from rnnx.errors import DataError, UsageError

if TYPE_CHECKING:
    from rnnx.registry import Metric
    from rnnx.types import Standing

MARKS = ("reasons", "rationale")  # fields of spans that people have marked, if none is named
REMOVALS = ("delete", "mask", "pad", "mean")
MORE = {".md": "markdown"}


def evaluate(
    context: typer.Context,
    texts: options.Texts = None,
    methods: Annotated[
        str | None,
        typer.Option("--methods", metavar="A,B", help="Methods, or all that the model can serve (the default)."),
    ] = None,
    metrics: Annotated[
        str | None, typer.Option("--metrics", metavar="A,B", help="Metrics, or all; by default the usual ones below.")
    ] = None,
    model: options.Model = None,
    limit: options.Limit = None,
    removal: Annotated[
        str,
        typer.Option(
            "--removal",
            help="How tokens are taken away: delete, mask, pad or mean.",
            autocompletion=lambda: list(REMOVALS),
        ),
    ] = "delete",
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME.SETTING=VALUE", help="A method's or metric's setting; repeat for more."),
    ] = None,
    seed: options.Seed = None,
    records: Annotated[
        str | None,
        typer.Option(
            "--records",
            metavar="FILE",
            help="JSON lines of what was measured, a text and method each: an interrupted run goes on from there.",
        ),
    ] = None,
    fail_under: Annotated[
        list[str] | None,
        typer.Option("--fail-under", metavar="METRIC=VALUE", help="Exit with 1 if a method's mean is below."),
    ] = None,
    fail_over: Annotated[
        list[str] | None,
        typer.Option("--fail-over", metavar="METRIC=VALUE", help="Exit with 1 if a method's mean is above."),
    ] = None,
    eraser_: Annotated[
        str | None,
        typer.Option("--eraser", metavar="FOLDER", help="Texts of the ERASER benchmark, in place of files of texts."),
    ] = None,
    split: Annotated[str, typer.Option("--split", help="Which of them: train, val or test.")] = "test",
    explanations: Annotated[
        list[str] | None,
        typer.Option(
            "--explanations",
            metavar="FILE",
            help="Results for --eraser from elsewhere, a method by the file's name; lines with "
            '"signed": false have scores without a sign.',
        ),
    ] = None,
    export: Annotated[
        str | None,
        typer.Option("--export", metavar="FOLDER", help="Write texts and explanations for ERASER's own scorer."),
    ] = None,
    engine: options.Engine = None,
    device: options.Device = None,
    format_: Annotated[
        str, typer.Option("--format", "-f", help="auto, text, plain, jsonl, json, csv or markdown.")
    ] = "auto",
    output: options.Output = None,
    force: options.Force = False,
    text_field: options.TextField = None,
    input_format: options.InputFormat = None,
    strict: options.Strict = False,
    marks_field: Annotated[
        str | None,
        typer.Option(
            "--marks-field",
            metavar="NAME",
            help="The field of [start, end] pairs that people marked; by default reasons or rationale.",
        ),
    ] = None,
    color: options.Color = "auto",
    debug: options.Debug = False,
) -> None:
    """Measure how far each method's explanations can be believed, over a file of texts, beside a random order.

    \b
    Examples:
      rnnx evaluate sample_data/reviews.jsonl --limit 50
      rnnx evaluate reviews.csv --methods lrp,ig,occlusion --metrics all
      rnnx evaluate reviews.csv --methods all --records seen.jsonl -o table.md
      rnnx evaluate reviews.csv --methods lrp --fail-under comprehensiveness=0.3
      rnnx evaluate reviews.csv --methods shapley --set shapley.samples=32

    \b
    Metrics (* only if asked for; either name will do; see rnnx methods NAME):
    METRICS
    """
    terminal: Terminal = context.obj
    kind = outputs.pick(format_, output, terminal, color, MORE)
    if records and output and Path(records).resolve() == Path(output).resolve():
        raise UsageError(f"--records and --output are both {output}", "write to two files")
    if records and not outputs.ordinary(Path(records)):
        raise UsageError(f"--records {records} is no file", "name one that is read and written")
    choice("--removal", removal, REMOVALS)
    eraser.ready(export, force)
    bounds = _bounds(fail_under, "--fail-under"), _bounds(fail_over, "--fail-over")
    asked, measured = _names(methods, registry.method), _names(metrics, _metric, list(registry.metrics()))
    chosen, faults = _settings(set_), inputs.Faults(terminal, strict=strict)
    from rnnx.models import catalog

    name = model or catalog.DEFAULT
    fields = inputs.text_fields(text_field, name)
    documents = eraser.documents(eraser_, split, texts, explanations, faults)
    if eraser_:
        rows = told(inputs.started((document.row for document in documents), faults), faults)
    else:
        marks = (marks_field,) if marks_field else MARKS
        ask = Ask(fields, marks=marks, guess=not text_field, say=terminal.say)
        rows = inputs.rows(texts, terminal, ask, faults, inputs.suffix(input_format))
    from rnnx import evaluation, loading, standings
    from rnnx.explainers import served
    from rnnx.models import batching

    batching.hold_memory()
    loaded = loading.load(name, engine=engine, device=device)
    given = list(islice(inputs.with_words(rows, loaded, faults, fields), limit))
    judged = evaluation.judged(loaded, given, fields)
    others = eraser.others(explanations, documents, given, judged)
    named = asked or (served(loaded) if methods or not others else [])
    measured = evaluation.possible(loaded, judged) if metrics == "all" else measured
    if not judged:
        raise DataError("no text with words in what was given", "see the warnings above")
    plan = evaluation.evaluation(
        loaded, judged, [*named, *others], measured, removal=removal, seed=seed or 0, given=chosen
    )
    for metric in {**bounds[0], **bounds[1]}.keys() - plan.metrics.keys():
        raise UsageError(f"a bound is set for {metric}, which is not measured", f"name it: --metrics {metric}")
    with outputs.opened(output, terminal, force) as stream:
        every = measure(plan, records, terminal)
        found = standings.summary(plan.metrics, every)
        write(kind, found, plan, stream, terminal, color)
    if export:
        eraser.export(export, plan, every, terminal)
    faults.close()
    if _failed(found, *bounds, terminal):
        raise typer.Exit(1)


def _names(given: str | None, known: Any, every: Sequence[str] = ()) -> list[str]:
    """The names in a list with commas, in order, each once; none for all. Raises UnknownName, UsageError."""
    if given is None or given == "all":
        return list(every) if given else []
    names = list(filter(None, (name.strip() for name in given.split(","))))
    if not names:
        raise UsageError(f"a list without a name: {given!r}", "name some, or leave the option out")
    return list(dict.fromkeys(known(name).name for name in names))


def _metric(name: str) -> Metric:
    """A metric by its name or by the head of its column, ours before those of others. Raises UnknownName."""
    if name in registry.METRICS:
        return registry.METRICS[name]
    return next((row for row in registry.metrics().values() if row.short == name), None) or registry.metric(name)


def _settings(given: list[str] | None) -> dict[str, dict[str, str]]:
    """Settings by method or metric. Raises UsageError for one without, UnknownName for a name that is neither."""
    found: dict[str, dict[str, str]] = {}
    for key, value in pairs(given).items():
        method, dot, name = key.partition(".")
        if not dot:
            raise UsageError(f"--set {key} names no method or metric", "for example --set shapley.samples=32")
        if method not in registry.metrics():
            registry.method(method)
        found.setdefault(method, {})[name] = value
    return found


def _bounds(given: list[str] | None, option: str) -> dict[str, float]:
    """Bounds by metric. Raises UsageError for a value that is no number, UnknownName."""
    found = {}
    for name, value in pairs(given, option, "comprehensiveness=0.3").items():
        metric = _metric(name).name
        try:
            found[metric] = float(value)
            if math.isnan(found[metric]):
                raise ValueError
        except ValueError:
            raise UsageError(f"{option} {name}={value} is no number", f"for example {option} {name}=0.3") from None
    return found


def _failed(
    standings: Sequence[Standing], least: Mapping[str, float], most: Mapping[str, float], terminal: Terminal
) -> bool:
    """Whether a method's mean is outside the bounds, or is not there; it is said which."""
    failed = False
    for bounds, word in ((least, "under"), (most, "over")):
        for name, bound in bounds.items():
            for line in standings:
                mean = line.scores[name].mean
                fine = mean >= bound if word == "under" else mean <= bound
                if line.method != "random" and not fine:
                    failed = True
                    is_it = "cannot be said of these texts" if math.isnan(mean) else f"is {mean:.3f}, {word} {bound:g}"
                    terminal.say(f"failed: {name} of {line.method} {is_it}")
    return failed


def _listed() -> str:
    """The metrics for the help."""
    rows = registry.METRICS.values()
    return "\n".join(f"      {row.short:<7} {row.name}{'' if row.usual else ' *'}" for row in rows)


evaluate.__doc__ = str(evaluate.__doc__).replace("    METRICS", _listed().lstrip("\n"))
