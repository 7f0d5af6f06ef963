"""``rnnx methods``: the table of methods, and each one's page."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Annotated

import typer

from rnnx import registry, settings
from rnnx.cli import options
from rnnx.cli.terminal import Terminal
from rnnx.errors import UnknownName
from rnnx.registry import Method, View


def methods(
    context: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(
            help="A method or a view, for its page.",
            autocompletion=lambda: [*registry.methods(), *registry.VIEWS],
        ),
    ] = None,
    debug: options.Debug = False,
) -> None:
    """List the methods, or show one's page: what it measures, its paper, its settings.

    \b
    Examples:
      rnnx methods
      rnnx methods grad
    """
    terminal: Terminal = context.obj
    width = min(terminal.columns(), 100)
    for line in _table(width) if name is None else _page(name, width):
        print(line, file=terminal.stdout)


def _table(width: int) -> Iterator[str]:
    table = registry.methods()
    for family, meaning in registry.FAMILIES.items():
        rows = [row for row in table.values() if row.family == family]
        if rows:
            yield f"{family}: {meaning}"
            for row in rows:
                yield from _entry(row.name, _traits(row), row.summary, width)
            yield ""
    yield "views: another picture of a method (explain --view NAME)"
    for shown in registry.VIEWS.values():
        yield from _entry(shown.name, f"of {shown.method}", shown.summary, width)
    yield ""
    yield "rnnx methods NAME shows a method's settings and its paper."


def _entry(name: str, traits: str, summary: str, width: int) -> Iterator[str]:
    yield from textwrap.wrap(
        f"{summary} ({traits})", width, initial_indent=f"  {name:<14} ", subsequent_indent=" " * 17
    )


def _traits(row: Method) -> str:
    signed = "signed" if row.signed else "unsigned"
    return f"{signed}; needs {', '.join(sorted(row.needs))}" if row.needs else signed


def _page(name: str, width: int) -> Iterator[str]:
    pages: dict[str, Method | View] = {**registry.VIEWS, **registry.methods()}
    if name not in pages:
        raise UnknownName("method or view", name, pages)
    row = pages[name]
    found = settings.signature(row.function)
    traits = _traits(row) if isinstance(row, Method) else f"a view of {row.method}"
    yield f"{row.name} ({traits})"
    for paragraph in found.doc.split("\n\n"):
        yield ""
        yield from _filled(paragraph, width)
    yield ""
    yield "settings:" if found.settings else "no settings"
    for setting in found.settings.values():
        yield f"  --set {setting.name}={setting.default}    {setting.expected}"


def _filled(paragraph: str, width: int) -> Iterator[str]:
    """A paragraph of a docstring, wrapped; each item of a list by itself."""
    plain = paragraph.replace("``", "")
    items = [f"- {item}" for item in plain.lstrip("- ").split("\n- ")] if plain.startswith("- ") else [plain]
    for item in items:
        yield from textwrap.wrap(" ".join(item.split()), width, subsequent_indent="  " if item.startswith("- ") else "")
