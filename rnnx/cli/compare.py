"""``rnnx compare``: several methods, or two models, side by side on the same texts."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from rnnx import registry
from rnnx.cli import inputs, options, outputs
from rnnx.cli.options import BACKGROUNDS, OFS, choice, pairs
from rnnx.cli.terminal import Terminal
from rnnx.data.rows import Ask
from rnnx.errors import UsageError

if TYPE_CHECKING:
    from rnnx.comparisons import Comparison
    from rnnx.tallying import Tally


MORE = {".md": "markdown", ".html": "html"}
Format = Annotated[
    str,
    typer.Option(
        "--format",
        "-f",
        help="auto, text, plain, jsonl, json, csv, markdown or html. auto: text on a terminal, plain in a pipe.",
        autocompletion=lambda: [*options.FORMATS[1:], *MORE.values()],
    ),
]


def compare(
    context: typer.Context,
    texts: options.Texts = None,
    methods: Annotated[
        str | None,
        typer.Option(
            "--methods",
            metavar="A,B,…",
            help="Methods, or all; see rnnx methods. With --models the one method.",
            autocompletion=lambda: ["all", *registry.methods()],
        ),
    ] = None,
    model: options.Model = None,
    models: Annotated[
        tuple[str, str] | None,
        typer.Option("--models", metavar="A B", help="Compare two models instead, as before and after training."),
    ] = None,
    target: Annotated[
        str | None, typer.Option("--target", help="The label to explain; by default the predicted one.")
    ] = None,
    of: options.Of = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="METHOD.NAME=VALUE", help="A setting of one method; without METHOD of all."),
    ] = None,
    seed: options.Seed = None,
    engine: options.Engine = None,
    device: options.Device = None,
    format_: Format = "auto",
    output: options.Output = None,
    force: options.Force = False,
    text_field: options.TextField = None,
    input_format: options.InputFormat = None,
    limit: options.Limit = None,
    strict: options.Strict = False,
    color: options.Color = "auto",
    background: options.Background = "auto",
    debug: options.Debug = False,
) -> None:
    """Lay methods side by side: scores, how far they agree, how faithful each is, its cost, and which to believe.

    Of several texts the picture and plain text show the mean; jsonl, csv and html have each text.

    \b
    Examples:
      rnnx compare "I expected to hate it but loved it"
      rnnx compare --methods all "not bad at all"
      rnnx compare --methods lrp,ig,lime --set ig.steps=64 reviews.csv
      rnnx compare --models sentiment-attention sentiment-lstm "The plot is thin, the acting superb."
      rnnx compare reviews.csv --format markdown --output methods.md
      rnnx compare reviews.csv --methods lrp,ig --output methods.html
    """
    terminal: Terminal = context.obj
    kind = outputs.pick(format_, output, terminal, color, MORE)
    choice("--background (or RNNX_BACKGROUND)", background, BACKGROUNDS)
    if of is not None:
        choice("--of", of, OFS)
    settings = {**({"of": of} if of else {}), **pairs(set_)}
    source = context.get_parameter_source("model")
    if models and source is not None and source.name == "COMMANDLINE":
        raise UsageError("--models and --model do not go together", "give both models to --models")
    names = _names(methods, bool(models))
    from rnnx.models import catalog

    named = models or (model or catalog.DEFAULT,)
    faults = inputs.Faults(terminal, strict=strict)
    fields = inputs.text_fields(text_field, named[0])
    ask = Ask(fields, guess=not text_field, say=terminal.say)
    rows = inputs.rows(texts, terminal, ask, faults, inputs.suffix(input_format))
    from rnnx import comparing, loading
    from rnnx.models import batching

    batching.hold_memory()
    loaded = [loading.load(name, engine=engine, device=device) for name in named]
    given = inputs.Asked(islice(inputs.with_words(rows, loaded[0], faults, fields), limit), faults)
    asked: dict[str, Any] = {
        "settings": settings,
        "target": target,
        "seed": seed or 0,
        "fields": fields,
        "left_out": given.left_out,
    }
    if models:
        found = comparing.compare_models(loaded, given.items, names[0] if names else None, **asked)
    else:
        found = comparing.compare(loaded[0], given.items, names, **asked)
    comparisons = (comparison for _, comparison in given.beside(found))
    with outputs.opened(output, terminal, force) as stream:
        _write(kind, outputs.counted(comparisons, terminal, stream), stream, terminal, color, background)
    faults.close()


def _names(given: str | None, models: bool) -> list[str] | str | None:
    """The methods that are asked for, or all. Raises UsageError and UnknownName before the model is loaded."""
    if given is None:
        return None
    names = [name.strip() for name in given.split(",") if name.strip()]
    if not names:
        raise UsageError("--methods names no methods", "for example --methods lrp,ig, or all")
    if models and (names == ["all"] or len(names) > 1):
        raise UsageError("two models are compared by one method", "for example --methods ig")
    return "all" if names == ["all"] else [registry.method(name).name for name in names]


def _write(
    kind: str, comparisons: Iterable[Comparison], stream: TextIO, terminal: Terminal, color: str, background: str
) -> None:
    """One text as it is, several as their mean, or each of them where the format has room."""
    from rnnx.render import compared, formats
    from rnnx.tallying import Tally

    tally = Tally()
    watched = tally.watch(comparisons)
    if kind == "jsonl":
        formats.write_jsonl((found.to_dict() for found in watched), stream)
        return
    if kind == "csv":
        formats.write_csv(compared.rows(watched), stream)
        return
    if kind == "json":
        formats.write_json_with("comparisons", (c.to_dict() for c in watched), lambda: _summary(tally), stream)
        return
    if kind == "html":
        from rnnx.render import sides

        stream.writelines(sides.page(watched, lambda: tally.overall() if tally.texts > 1 else None))
        return
    first = next(watched, None)
    for _ in watched:
        pass
    if first is None:
        return
    shown = first if tally.texts == 1 else tally.overall()
    if kind == "text":
        from rnnx.render import comparison, palette

        theme = palette.theme(background, terminal.environ)
        comparison.show(terminal.console(color, file=stream), shown, theme)
    else:
        stream.writelines(line + "\n" for line in compared.WRITERS[kind](shown))


def _summary(tally: Tally) -> dict[str, Any]:
    return {"overall": tally.overall().to_dict() if tally.texts else None}
