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
from rnnx.registry import Method, Metric, View


def methods(
    context: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(
            help="A method, a view or a metric, for its page.",
            autocompletion=lambda: [*registry.methods(), *registry.VIEWS, *registry.metrics()],
        ),
    ] = None,
    debug: options.Debug = False,
) -> None:
    """List the methods, or show one's page: what it measures, costs, adds up to, its paper, weakness and settings.

    \b
    Examples:
      rnnx methods
      rnnx methods grad
      rnnx methods comprehensiveness
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
        yield from _entry(shown.name, _traits(shown), shown.summary, width)
    yield ""
    yield "metrics: how far to believe it (evaluate --metrics NAME)"
    for metric in registry.metrics().values():
        yield from _entry(metric.name, f"{metric.better} is better", metric.summary, width)
    yield ""
    yield "rnnx methods NAME shows its paper, weakness and settings."


def _entry(name: str, traits: str, summary: str, width: int) -> Iterator[str]:
    indent = " " * 21
    first = f"  {name:<18} "
    if len(first) > len(indent):  # a long name has a line of its own
        yield first.rstrip()
        first = indent
    yield from textwrap.wrap(f"{summary} ({traits})", width, initial_indent=first, subsequent_indent=indent)


def _traits(row: Method | View) -> str:
    whose = f"of {row.method}" if isinstance(row, View) else ""
    needs = f"needs {', '.join(sorted(row.needs))}" if row.needs else ""
    return "; ".join(filter(None, (whose, "signed" if row.signed else "unsigned", needs, row.cost)))


def _page(name: str, width: int) -> Iterator[str]:
    pages: dict[str, Method | View | Metric] = {**registry.metrics(), **registry.VIEWS, **registry.methods()}
    if name not in pages:
        raise UnknownName("method, view or metric", name, pages)
    row = pages[name]
    found = settings.signature(row.function)
    yield from textwrap.wrap(f"{row.name}: {row.summary}", width)
    yield ""
    for fact, value in _facts(row):
        yield from textwrap.wrap(value, width, initial_indent=f"  {fact:<9} ", subsequent_indent=" " * 12)
    for paragraph in found.doc.split("\n\n"):
        yield ""
        yield from _filled(paragraph, width)
    yield ""
    yield "settings:" if found.settings else "no settings"
    for setting in found.settings.values():
        default = "none" if setting.default is None else setting.default
        owner = f"{row.name}." if isinstance(row, Metric) else ""
        line = f"  --set {owner}{setting.name}={default}    {setting.expected}"
        yield from textwrap.wrap(line, width, subsequent_indent=" " * 8, break_on_hyphens=False)
        yield from textwrap.wrap(setting.meaning, width, initial_indent=" " * 8, subsequent_indent=" " * 8)


def _facts(row: Method | View | Metric) -> Iterator[tuple[str, str]]:
    """What the table says of a row, name by name; of another package's only what it says."""
    needs = [f"{name}: {registry.NEEDS[name]}" if name in registry.NEEDS else name for name in sorted(row.needs)]
    if isinstance(row, Metric):
        marks = ["texts in which people have marked something"] if row.marks else []
        facts = {
            "metric": f"{row.better} is better; {row.short} in tables",
            "needs": "; ".join([*needs, *marks]) or "only predictions",
            "cost": row.cost,
            "paper": row.paper,
            "weakness": row.weakness,
        }
        yield from facts.items()
        return
    family = (registry.method(row.method) if isinstance(row, View) else row).family
    facts = {
        "view of": row.method if isinstance(row, View) else "",
        "family": f"{family}: {registry.FAMILIES.get(family, '')}".rstrip(": "),
        "scores": "signed: positive for the target, negative against it" if row.signed else "unsigned",
        "needs": "; ".join(needs) or "only predictions",
        "cost": row.cost,
        "adds up": row.adds_up,
        "paper": row.paper,
        "weakness": row.weakness,
    }
    yield from ((fact, value) for fact, value in facts.items() if value)


def _filled(paragraph: str, width: int) -> Iterator[str]:
    """A paragraph of a docstring, wrapped; each item of a list by itself."""
    plain = paragraph.replace("``", "")
    items = [f"- {item}" for item in plain.lstrip("- ").split("\n- ")] if plain.startswith("- ") else [plain]
    for item in items:
        yield from textwrap.wrap(" ".join(item.split()), width, subsequent_indent="  " if item.startswith("- ") else "")
