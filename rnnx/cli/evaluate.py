"""``rnnx evaluate``: methods against metrics over a data set."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from rnnx import registry
from rnnx.cli import inputs, options, outputs
from rnnx.cli.options import choice, pairs
from rnnx.cli.terminal import Terminal
from rnnx.errors import UsageError

if TYPE_CHECKING:
    from rnnx.evaluation import Evaluation, Record
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
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Only so many texts.")] = None,
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
        typer.Option("--set", metavar="METHOD.NAME=VALUE", help="A method's setting; repeat for several."),
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
    engine: options.Engine = None,
    device: options.Device = None,
    format_: Annotated[
        str, typer.Option("--format", "-f", help="auto, text, plain, jsonl, json, csv or markdown.")
    ] = "auto",
    output: options.Output = None,
    force: options.Force = False,
    text_field: options.TextField = None,
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
    Metrics (rnnx methods NAME says more; * only if asked for):
    METRICS
    """
    terminal: Terminal = context.obj
    kind = outputs.pick(format_, output, terminal, color, MORE)
    choice("--removal", removal, REMOVALS)
    bounds = _bounds(fail_under, "--fail-under"), _bounds(fail_over, "--fail-over")
    asked, measured = _names(methods, registry.method), _names(metrics, registry.metric, list(registry.METRICS))
    faults = inputs.Faults(terminal)
    from rnnx.models import catalog

    name = model or catalog.DEFAULT
    fields = inputs.text_fields(text_field, name)
    rows = inputs.rows(texts, terminal, faults, fields, marks=(marks_field,) if marks_field else MARKS)
    rows = inputs.started(rows)
    from rnnx import evaluation, loading, recording
    from rnnx.models import batching

    batching.hold_memory()
    loaded = loading.load(name, engine=engine, device=device)
    given = list(islice(inputs.with_words(rows, loaded, faults, fields), limit))
    judged = evaluation.judged(loaded, [row.item for row in given], [row.marks for row in given], fields)
    measured = evaluation.possible(loaded, judged) if metrics == "all" else measured
    plan = evaluation.evaluation(
        loaded,
        judged,
        asked,
        measured,
        removal=removal,
        seed=seed or 0,
        given=_settings(set_),
    )
    path = Path(records) if records else None
    before = recording.known(path, plan) if path else []
    if before:
        terminal.say(f"{len(before):,} explanations are in {records} already")
    fresh = plan.records({(record.text, record.method) for record in before})
    with outputs.opened(output, terminal, force) as stream:
        found = recording.kept(path, plan, before, fresh) if path else fresh
        progress = _Progress(terminal, len(judged) * len(plan.methods) - len(before))
        every = [*before, *progress.follow(found)]
        standings = evaluation.summary(plan.metrics, every)
        _write(kind, standings, plan, stream, terminal, color)
    faults.close()
    if _failed(standings, *bounds, terminal):
        raise typer.Exit(1)


def _names(given: str | None, known: Any, every: Sequence[str] = ()) -> list[str]:
    """The names in a list with commas, in order, each once; none for all. Raises UnknownName."""
    if given is None or given == "all":
        return list(every) if given else []
    names = list(dict.fromkeys(filter(None, (name.strip() for name in given.split(",")))))
    for name in names:
        known(name)
    return names


def _settings(given: list[str] | None) -> dict[str, dict[str, str]]:
    """Settings by method. Raises UsageError for one without a method, UnknownName for a method that is none."""
    found: dict[str, dict[str, str]] = {}
    for key, value in pairs(given).items():
        method, dot, name = key.partition(".")
        if not dot:
            raise UsageError(f"--set {key} names no method", "for example --set shapley.samples=32")
        registry.method(method)
        found.setdefault(method, {})[name] = value
    return found


def _bounds(given: list[str] | None, option: str) -> dict[str, float]:
    """Bounds by metric. Raises UsageError for a value that is no number, UnknownName."""
    found = {}
    for name, value in pairs(given).items():
        registry.metric(name)
        try:
            found[name] = float(value)
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
                    terminal.say(f"failed: {name} of {line.method} is {mean:.3f}, {word} {bound:g}")
    return failed


class _Progress:
    """A live line on stderr: how many explanations of ``total`` were measured, and how long it will take."""

    def __init__(self, terminal: Terminal, total: int) -> None:
        self.terminal, self.total, self.number, self.read = terminal, total, 0, 0.0
        self.start = self.shown = time.monotonic()

    def follow(self, records: Iterable[Record]) -> Iterator[Record]:
        """The records, each counted; where stderr is no terminal nothing is shown."""
        if not self.terminal.stderr.isatty():
            yield from records
            return
        from rnnx.models.progress import heard_by

        with heard_by(self.hear):
            for self.number, record in enumerate(records, 1):
                self.hear()
                yield record
        self.terminal.status("")

    def hear(self, texts: float = 0) -> None:
        """So many changed texts more were read."""
        self.read += texts
        now = time.monotonic()
        if now - self.shown > 0.3:
            self.shown = now
            left = (now - self.start) * (self.total - self.number) / max(1, self.number)
            ahead = f", about {_duration(left)} left" if self.number else ""
            done = f"{self.number:,} of {self.total:,} explanations measured{ahead}"
            self.terminal.status(f"{done}; {self.read:,.0f} changed texts read")


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _write(
    kind: str, standings: Sequence[Standing], plan: Evaluation, stream: TextIO, terminal: Terminal, color: str
) -> None:
    from rnnx.render import formats, scores

    tokens = sum(len(text.tokens) for text in plan.texts)
    title = f"{plan.model.name}: {len(plan.texts):,} texts, {tokens / len(plan.texts):.0f} tokens each; {plan.removal}"
    if kind == "text":
        console = terminal.console(color, file=stream)
        console.print(title)
        for part in scores.tables(standings, plan.metrics, console.width):
            console.print()
            for row in scores.styled(part):
                console.print(row, no_wrap=True, crop=False)
        console.print()
        for line in scores.legend(plan.metrics, console.width):
            console.print(line, style="dim", soft_wrap=True)
    elif kind in ("plain", "markdown"):
        table = scores.markdown(standings, plan.metrics, title) if kind == "markdown" else None
        lines = table or scores.plain(standings, plan.metrics, title, terminal.columns())
        stream.writelines(f"{line}\n" for line in lines)
    elif kind == "json":
        settings = {name: dict(method.settings) for name, method in plan.methods.items()}
        about = {"schema": 1, "model": plan.model.name, "texts": len(plan.texts), "tokens": tokens}
        about |= {"removal": plan.removal, "seed": plan.seed, "settings": settings}
        stream.write(formats.to_json(scores.document(standings, plan.metrics, about)) + "\n")
    else:
        formats.WRITERS[kind](scores.records(standings, plan.metrics), stream)


def _listed() -> str:
    """The metrics for the help."""
    rows = registry.METRICS.values()
    return "\n".join(f"      {row.short:<7} {row.name}{'' if row.usual else ' *'}" for row in rows)


evaluate.__doc__ = str(evaluate.__doc__).replace("    METRICS", _listed().lstrip("\n"))
