"""Flags that several commands share, with completion from the light tables."""

from __future__ import annotations

from typing import Annotated, get_args

import typer

from rnnx import registry
from rnnx.errors import UsageError, did_you_mean
from rnnx.render import writers
from rnnx.render.formats import WRITERS
from rnnx.settings import Of as Ofs

FORMATS = ("auto", "text", "plain", *WRITERS)
EXPLAINED = ("auto", *writers.FORMATS)  # the formats of explanations
INPUTS = ("txt", "csv", "tsv", "jsonl", "json", "parquet")
COLORS = ("auto", "always", "never")
ENGINES = ("numpy", "torch")
DEVICES = ("auto", "cpu", "cuda")
BACKGROUNDS = ("auto", "dark", "light")
OFS = get_args(Ofs)
BYS = ("token", "sentence", "line", "field", "characters", "unit")
TRUSTS = ("off", "fast", "full")


def _debug(context: typer.Context, value: bool) -> None:
    context.obj.debug = context.obj.debug or value


def _models() -> list[str]:
    from rnnx.models import catalog

    return catalog.names()


Texts = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[TEXT | FILE | -]...",
        help="Texts, files of texts (.txt .csv .tsv .jsonl .parquet, also .gz), folders and patterns of them, or -.",
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        envvar="RNNX_MODEL",
        help="A shipped model, the folder of a training run, or module:function.",
        autocompletion=_models,
    ),
]
Engine = Annotated[
    str | None,
    typer.Option(
        "--engine",
        help="What computes: numpy (the default), or torch: the same numbers, also on a GPU.",
        autocompletion=lambda: list(ENGINES),
    ),
]
RAY = "ray"  # which is no engine of a model, but where the explaining is done
Spread = Annotated[
    str | None,
    typer.Option(
        "--engine",
        help="What computes: numpy (the default), or torch: the same numbers, also on a GPU; or ray: numpy, in the "
        "processes of a ray cluster, from files to a folder of parts.",
        autocompletion=lambda: [*ENGINES, RAY],
    ),
]
RayAddress = Annotated[
    str | None,
    typer.Option(
        "--ray-address",
        metavar="HOST:PORT",
        help="The ray cluster of --engine ray, or auto; without it one is started on this machine, and ended.",
    ),
]
Device = Annotated[
    str | None,
    typer.Option(
        "--device",
        help="Where: cpu, cuda, or auto, a GPU if there is one. Other than cpu means --engine torch.",
        autocompletion=lambda: list(DEVICES),
    ),
]
Method = Annotated[
    str | None,
    typer.Option("--method", help="How to explain; see rnnx methods.", autocompletion=lambda: list(registry.methods())),
]
View = Annotated[
    str | None,
    typer.Option(
        "--view",
        help=f"Show a method's inner quantities: {', '.join(registry.VIEWS)}.",
        autocompletion=lambda: list(registry.VIEWS),
    ),
]
Phrases = Annotated[bool, typer.Option("--phrases", help="The same as --view phrases.")]
Sets = Annotated[list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A setting; repeat for several.")]
Seed = Annotated[int | None, typer.Option("--seed", help="Seed of everything random.")]
Format = Annotated[
    str,
    typer.Option(
        "--format",
        "-f",
        help="auto, text, plain, jsonl, json or csv. auto: text on a terminal, plain in a pipe.",
        autocompletion=lambda: list(FORMATS[1:]),
    ),
]
ExplainedFormat = Annotated[
    str,
    typer.Option(
        "--format",
        "-f",
        help=f"{', '.join(EXPLAINED)}. auto: text on a terminal; in a pipe jsonl, plain for texts as arguments.",
        autocompletion=lambda: list(EXPLAINED[1:]),
    ),
]
Output = Annotated[
    str | None,
    typer.Option("--output", "-o", metavar="FILE", help="Write there; its suffix chooses the format."),
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite what is there.")]
TextField = Annotated[
    list[str] | None,
    typer.Option(
        "--text-field",
        metavar="NAME",
        help="The field or column of the text; repeat to join several. By default the model's, or one of a usual name.",
    ),
]
IdField = Annotated[
    str | None,
    typer.Option(
        "--id-field", metavar="NAME", help="The field or column that names a row; by default id, if it is there."
    ),
]
Keep = Annotated[
    list[str] | None,
    typer.Option("--keep", metavar="NAME", help="A field or column to carry along; repeat, or a,b for several."),
]
InputFormat = Annotated[
    str | None,
    typer.Option(
        "--input-format",
        help=f"How files and standard input are read, whatever their suffix: {', '.join(INPUTS)}.",
        autocompletion=lambda: list(INPUTS),
    ),
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on where the same command was interrupted; with nothing to go on, begin.")
]
Errors = Annotated[
    str | None,
    typer.Option("--errors", metavar="FILE", help="Write there, as JSON lines, which rows were left out, and why."),
]
Strict = Annotated[bool, typer.Option("--strict", help="A bad row is an error, and not left out.")]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="Only so many texts, the first ones.")]
Workers = Annotated[
    int,
    typer.Option("--workers", min=1, max=256, help="So many processes, of one thread each; the results are the same."),
]
From = Annotated[
    list[str] | None,
    typer.Option(
        "--from", metavar="FILE", help="Show saved explanations (.jsonl .json, also .gz, or -) without a model."
    ),
]
LabelField = Annotated[
    str | None, typer.Option("--label-field", help="The field or column of the label; by default label.")
]
Color = Annotated[
    str,
    typer.Option("--color", help="auto, always or never.", autocompletion=lambda: list(COLORS)),
]
Background = Annotated[
    str,
    typer.Option(
        "--background",
        envvar="RNNX_BACKGROUND",
        help="The terminal's: dark, light or auto (from COLORFGBG).",
        autocompletion=lambda: list(BACKGROUNDS),
    ),
]
Of = Annotated[
    str | None,
    typer.Option("--of", help="What is explained: logit, prob or loss.", autocompletion=lambda: list(OFS)),
]
By = Annotated[
    str | None,
    typer.Option(
        "--by",
        metavar="PART",
        help="Add the scores up by token, sentence, line, field or characters:N, drawn as bars; or by unit: what each "
        "unit of the attended sum gives to the logit.",
        autocompletion=lambda: list(BYS),
    ),
]
Check = Annotated[
    bool, typer.Option("--check", help="Test whether attention explains the predictions, with a verdict in words.")
]
Trust = Annotated[
    str | None,
    typer.Option(
        "--trust",
        help="Whether to believe it: fast (the default), full (measured, slower) or off.",
        autocompletion=lambda: list(TRUSTS),
    ),
]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.", callback=_debug)]


def pairs(given: list[str] | None, option: str = "--set", example: str = "norm=l1") -> dict[str, str]:
    """The values of an option as a mapping. Raises UsageError for one without a name or an equals sign."""
    found = {}
    for item in given or []:
        name, equals, value = item.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"{option} {item!r} is not NAME=VALUE", f"for example {option} {example}")
        found[name.strip()] = value.strip()
    return found


def names(given: list[str] | None) -> tuple[str, ...]:
    """Names that are repeated, or several in one."""
    return tuple(dict.fromkeys(name for part in given or [] for name in part.split(",") if name))


def choice(option: str, value: str, allowed: tuple[str, ...]) -> str:
    """The value, or UsageError with the nearest allowed ones."""
    if value not in allowed:
        raise UsageError(f"{option} {value!r} is not one of {', '.join(allowed)}", did_you_mean(value, list(allowed)))
    return value
