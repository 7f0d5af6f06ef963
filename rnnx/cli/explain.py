"""``rnnx explain``: why the model says what it says about each text."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from rnnx import registry
from rnnx.cli import attending, files, options, scale, sinks
from rnnx.cli.options import BACKGROUNDS, OFS, TRUSTS, choice, pairs
from rnnx.cli.terminal import Terminal
from rnnx.errors import UsageError

# What no setting may be called, and what to do instead.
RESERVED = {
    name: f"use --{name}" for name in ("model", "method", "view", "target", "seed", "trust", "engine", "device")
} | {
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
    by: options.By = None,
    check: options.Check = False,
    seed: options.Seed = None,
    trust: options.Trust = None,
    engine: options.Spread = None,
    device: options.Device = None,
    ray_address: options.RayAddress = None,
    config: Annotated[
        str | None, typer.Option("--config", "-c", metavar="FILE", help="YAML with an explain section.")
    ] = None,
    format_: options.ExplainedFormat = "auto",
    output: options.Output = None,
    force: options.Force = False,
    resume: options.Resume = False,
    text_field: options.TextField = None,
    id_field: options.IdField = None,
    keep: options.Keep = None,
    input_format: options.InputFormat = None,
    limit: options.Limit = None,
    errors: options.Errors = None,
    strict: options.Strict = False,
    workers: options.Workers = 1,
    from_: options.From = None,
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
      rnnx explain --check "I expected to hate it but loved it"
      rnnx explain --by sentence reviews.csv
      rnnx explain --view chain "the first half drags"
      rnnx explain --view memory -m sentiment-lstm "the first half drags"
      rnnx explain reviews.csv --output explained.jsonl
      rnnx explain "reviews/*.csv" --keep stars --workers 2 --errors left_out.jsonl --output explained.parquet
      rnnx explain reviews.csv --output explained.jsonl --resume
      rnnx explain "reviews/*.parquet" --engine ray --workers 2 --format parquet --output explained
      rnnx explain --from explained.jsonl --output explained.html
      cat reviews.txt | rnnx explain - --format csv
    """
    terminal: Terminal = context.obj
    choice("--background (or RNNX_BACKGROUND)", background, BACKGROUNDS)
    if of is not None:
        choice("--of", of, OFS)
    choice("--trust", trust or "off", TRUSTS)
    if phrases and view not in (None, "phrases"):
        raise UsageError(f"--phrases is --view phrases, and there is --view {view}", "give one of them")
    view = "phrases" if phrases else view
    flags = {"model": model, "method": method, "view": view, "target": target, "seed": seed, "of": of, "trust": trust}
    flags = {name: value for name, value in flags.items() if value is not None}
    again = attending.Again(by, check)
    given = files.Given(
        texts, tuple(text_field or ()), id_field, options.names(keep), input_format, tuple(from_ or ()), limit
    )
    shown = files.Shown(format_, color, background)
    work = files.Work(sinks.Target(output, errors, force, resume), workers, strict)
    if ray_address is not None and engine != options.RAY:
        raise UsageError("--ray-address is for --engine ray", "give both, or neither")
    if from_:
        made = {"engine": engine, "device": device, "config": config, "text-field": text_field, "id-field": id_field}
        settled = {name: value for name, value in made.items() if value}
        files.show(given, shown, work, terminal, {**flags, **pairs(set_), **settled}, again)
    else:
        name, asked = _request(_section(config, terminal), flags, pairs(set_))
        again.method(asked)
        if engine == options.RAY:
            scale.explain(given, shown, work, terminal, name, asked, again, scale.Ray(ray_address, device))
            return
        files.explain(given, shown, work, terminal, name, asked, again, {"engine": engine, "device": device})


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
    asked = {"trust": "fast", **section, **flags}
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
