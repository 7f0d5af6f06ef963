"""``rnnx explain``: why the model says what it says about each text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from rnnx import registry
from rnnx.cli import inputs, options, outputs
from rnnx.cli.options import BACKGROUNDS, OFS, choice, pairs
from rnnx.cli.terminal import Terminal
from rnnx.data.rows import Ask, told
from rnnx.errors import UsageError

if TYPE_CHECKING:
    from rnnx.types import Explanation


# What no setting may be called, and what to do instead.
RESERVED = {name: f"use --{name}" for name in ("model", "method", "view", "target", "seed", "engine", "device")} | {
    "texts": "give them as arguments",
    "fields": "use --text-field",
    "left_out": "texts that are left out are told on standard error",
}


def explain(
    context: typer.Context,
    texts: options.Texts = None,
    method: options.Method = None,
    model: options.Model = None,
    target: Annotated[
        str | None, typer.Option("--target", help="The label to explain; by default the predicted one.")
    ] = None,
    of: options.Of = None,
    view: options.View = None,
    phrases: options.Phrases = False,
    set_: options.Sets = None,
    seed: options.Seed = None,
    engine: options.Engine = None,
    device: options.Device = None,
    config: Annotated[
        str | None, typer.Option("--config", "-c", metavar="FILE", help="YAML with an explain section.")
    ] = None,
    format_: options.Format = "auto",
    output: options.Output = None,
    force: options.Force = False,
    text_field: options.TextField = None,
    color: options.Color = "auto",
    background: options.Background = "auto",
    debug: options.Debug = False,
) -> None:
    """Explain each text: which tokens speak for the prediction, and which against it.

    \b
    Examples:
      rnnx explain "I expected to hate it but loved it"
      rnnx explain --method grad --set norm=l1 "not bad at all"
      rnnx explain --method grad-x-input --target negative "good actors, no plot"
      rnnx explain --view hierarchy "the plot is thin, the acting superb"
      rnnx explain --phrases --set longest=3 "not bad at all"
      rnnx explain --view interaction --set first=not --set second=good "This is not good."
      rnnx explain --view chain "the first half drags"
      rnnx explain --view memory -m sentiment-lstm "the first half drags"
      rnnx explain reviews.csv --format jsonl --output explained.jsonl
      cat reviews.txt | rnnx explain - --format csv
    """
    terminal: Terminal = context.obj
    kind = outputs.pick(format_, output, terminal, color)
    choice("--background (or RNNX_BACKGROUND)", background, BACKGROUNDS)
    if of is not None:
        choice("--of", of, OFS)
    if phrases and view not in (None, "phrases"):
        raise UsageError(f"--phrases is --view phrases, and there is --view {view}", "give one of them")
    view = "phrases" if phrases else view
    flags = {"model": model, "method": method, "view": view, "target": target, "seed": seed, "of": of}
    name, asked = _request(_section(config, terminal), {k: v for k, v in flags.items() if v is not None}, pairs(set_))
    faults = inputs.Faults(terminal)
    from rnnx.models import catalog

    name = name or catalog.DEFAULT
    names = inputs.text_fields(text_field, name)
    ask = Ask(names, guess=not text_field, say=terminal.say)
    rows = told(inputs.started(inputs.entries(texts, terminal, ask), faults), faults)
    from rnnx import explaining, loading
    from rnnx.models import batching

    batching.hold_memory()
    loaded = loading.load(name, engine=engine, device=device)
    given = inputs.Asked(inputs.with_words(rows, loaded, faults, names), faults)
    explained = explaining.explain(loaded, given.items, fields=names, left_out=given.left_out, **asked)
    explanations = (explanation for _, explanation in given.beside(explained))
    with outputs.opened(output, terminal, force) as stream:
        _write(kind, outputs.counted(explanations, terminal, stream), stream, terminal, color, background)
    faults.close()


def _request(
    section: dict[str, Any], flags: dict[str, Any], settings: dict[str, str]
) -> tuple[str | None, dict[str, Any]]:
    """The model's name and the arguments of ``explaining.explain``: flags over the config's section over defaults.

    The config's settings are those of its own method. Raises UsageError for a setting that is a flag.
    """
    own = section.pop("settings", {}) if flags.get("method") in (None, section.get("method")) else {}
    for name in RESERVED.keys() & (settings.keys() | own.keys()):
        raise UsageError(f"{name} is not a setting of a method", RESERVED[name])
    if "of" in flags and "of" in settings:
        raise UsageError("--of and --set of= are the same setting", "give one of them")
    asked = {**section, **flags}
    asked.pop("settings", None)
    if "method" in asked:
        registry.method(asked["method"])  # a misspelt name is worth saying before the model is loaded
    return asked.pop("model", None), {**own, **asked, **settings}


def _section(config: str | None, terminal: Terminal) -> dict[str, Any]:
    """The explain section of a config file under the environment, without what they leave open."""
    if config is None:
        return {}
    from rnnx.config import load

    return load(config, environ=terminal.environ).explain.model_dump(exclude_none=True)


def _write(
    kind: str,
    explanations: Iterable[Explanation],
    stream: TextIO,
    terminal: Terminal,
    color: str,
    background: str,
) -> None:
    from rnnx.render import formats

    if kind == "text":
        from rnnx.render import palette, picture

        console = terminal.console(color, file=stream)
        theme = palette.theme(background, terminal.environ)
        for i, explanation in enumerate(explanations):
            if i:
                console.print()
            picture.show(console, explanation, theme)
    elif kind == "plain":
        from rnnx.render import plain

        for i, explanation in enumerate(explanations):
            stream.write(("\n" if i else "") + "\n".join(plain.lines(explanation)) + "\n")
            stream.flush()
    else:
        records = formats.rows(explanations) if kind == "csv" else (e.to_dict() for e in explanations)
        formats.WRITERS[kind](records, stream)
