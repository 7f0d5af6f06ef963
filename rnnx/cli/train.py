"""``rnnx train``: a config to a trained model."""

from __future__ import annotations

import json
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rnnx.cli import inputs, options
from rnnx.cli.terminal import Terminal
from rnnx.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from rnnx.config import Merged
    from rnnx.training.run import Job


def _schema(context: typer.Context, asked: bool) -> None:
    if asked:
        from rnnx.config import Config

        print(json.dumps(Config.model_json_schema(), indent=2), file=context.obj.stdout)
        raise typer.Exit


def train(
    context: typer.Context,
    config: Annotated[str, typer.Argument(metavar="CONFIG", help="A YAML file, such as configs/quickstart.yaml.")],
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="FOLDER", help="Where the model goes.")
    ] = None,
    set_: options.Sets = None,
    seed: options.Seed = None,
    device: Annotated[str | None, typer.Option("--device", help="auto, cpu or cuda.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a run that was interrupted, or begin it.")
    ] = False,
    force: options.Force = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show the merged config, the model's size and the data.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only a line an epoch.")] = False,
    schema: Annotated[
        bool, typer.Option("--schema", is_eager=True, callback=_schema, help="Print the config's JSON Schema and exit.")
    ] = False,
    debug: options.Debug = False,
) -> None:
    """Train a classifier and write its folder: weights, vocabulary, merged config, metrics.

    A setting comes from --set, else from the environment (RNNX_TRAINING_EPOCHS=3), else from CONFIG. After each
    epoch: the training loss, and accuracy, macro F1, log loss and expected calibration error on the dev texts.

    \b
    Examples:
      rnnx train configs/quickstart.yaml
      rnnx train configs/quickstart.yaml --set training.epochs=3 --output runs/short
      rnnx train configs/quickstart.yaml --dry-run
    """
    terminal: Terminal = context.obj
    if force and resume:
        raise UsageError("--force starts anew, --resume goes on", "give one of them")
    given = {"output": output, "seed": seed, "training.device": device}
    merged = _merged(config, set_, {name: value for name, value in given.items() if value is not None}, terminal)
    if not quiet:
        terminal.say("loading torch and the data \u2026")
    try:
        from rnnx.training import folder, run
    except ModuleNotFoundError as missing:
        if missing.name != "torch":
            raise
        raise ConfigError("training needs torch, which is not installed", 'pip install "torch>=2.4,<2.14"') from None
    path = None if dry_run else folder.claim(merged.config, force=force, resume=resume)
    if path and resume and folder.finished(path):
        folder.check_finished(path, merged.config)
        terminal.say(f"{path} is finished; --force trains it anew")
        return
    faults = inputs.Faults(terminal)
    job = run.plan(merged.config, faults)
    faults.close()
    if path is None:
        _show_plan(merged, job, terminal)
        return
    if not quiet:
        for line in _summary(job):
            terminal.say(line)
    _train(job, path, resume, terminal, quiet)


def _train(job: Job, path: Path, resume: bool, terminal: Terminal, quiet: bool) -> None:
    """Train, show it, and say how to go on, also after an interruption."""
    from rnnx.cli.progress import follow
    from rnnx.training import run

    try:
        follow(run.train(job, path, resume=resume), terminal, quiet)
    except (KeyboardInterrupt, OSError):
        terminal.say("the same command with --resume goes on from the last checkpoint")
        raise
    terminal.say(f"wrote {path}")
    name = quote(str(path) if "/" in str(path) else f"./{path}")  # which cannot be a shipped model's
    if not quiet:
        terminal.say(f'try: rnnx explain --model {name} "not bad at all"')


def _merged(config: str, set_: list[str] | None, flags: dict[str, Any], terminal: Terminal) -> Merged:
    """Flags over the environment over the file over the defaults."""
    from rnnx.config import Override, merge, parse

    values = {name: parse(name, text) for name, text in options.pairs(set_).items()}
    named = {name: Override(value, f"--{name.rpartition('.')[2]}") for name, value in flags.items()}
    return merge(config, {**values, **named}, terminal.environ)


def _summary(job: Job) -> list[str]:
    """The data and the model in a few lines, before training begins."""
    from rnnx.render import corpus
    from rnnx.training.corpus import summary

    half = 2 if job.config.half else 4
    size = f"{job.parameters:,} parameters, {job.parameters * half / 1e6:.1f} MB on disk, {job.device.type}"
    words = f"{len(job.material.vocabulary):,} words"
    return [*corpus.lines(summary(job.corpus)), f"model: {job.config.model.kind}, {words}, {size}"]


def _show_plan(merged: Merged, job: Job, terminal: Terminal) -> None:
    """The merged config with where each value comes from, then the data and the model's size, on stdout."""
    shown = [(name, json.dumps(value, ensure_ascii=False, default=_value)) for name, value, _ in merged.settings]
    width = max(len(f"{name}: {value}") for name, value in shown if len(value) < 40)
    for (name, value), (_, _, origin) in zip(shown, merged.settings, strict=True):
        print(f"{f'{name}: {value}':{width}}  # {origin}", file=terminal.stdout)
    print("", *_summary(job), sep="\n", file=terminal.stdout)


def _value(value: Any) -> Any:
    """What is not JSON: a source of texts, or a date among a method's settings."""
    from rnnx.config import Source

    return value.brief() if isinstance(value, Source) else str(value)
