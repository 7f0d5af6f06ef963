"""The Typer application: its verbs, and what ``rnnx --help`` says. One file a verb; none computes anything."""

from __future__ import annotations

from typing import Annotated

import typer

from rnnx import __version__
from rnnx.cli import compare, evaluate, explain, methods, predict, train

EXAMPLES = """Why does a text classifier decide as it does?

\b
Examples:
  rnnx explain "I expected to hate it but loved it"
  rnnx explain --method grad-x-input --model sentiment-lstm "not bad at all"
  rnnx explain --view chain "the plot is thin, the acting superb"
  rnnx compare "a clever start, but the second half is dull"
  rnnx predict reviews.csv --format csv
  rnnx evaluate sample_data/reviews.jsonl --methods lrp,grad --limit 20
  rnnx train configs/quickstart.yaml
  rnnx methods grad

\b
Exit codes: 0 fine; 1 a check failed, or a bug; 2 usage, config or data; 130 interrupted.
"""

app = typer.Typer(
    name="rnnx",
    help=EXAMPLES,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _version(context: typer.Context, value: bool) -> None:
    if value:
        import platform
        from importlib.metadata import PackageNotFoundError, version

        def installed(package: str) -> str:
            try:
                return f"{package} {version(package)}"
            except PackageNotFoundError:
                return f"{package} not installed"

        parts = [
            f"rnnx {__version__}",
            f"Python {platform.python_version()}",
            installed("numpy"),
            installed("torch"),
        ]
        print(", ".join(parts), file=context.obj.stdout)
        raise typer.Exit


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="Show versions and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """See EXAMPLES."""
    if context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit(2)


for verb in (train.train, predict.predict, explain.explain, compare.compare, evaluate.evaluate, methods.methods):
    app.command()(verb)
