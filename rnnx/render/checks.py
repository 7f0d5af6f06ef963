"""Whether attention explains, in words: the tests with their figures, and the verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from rnnx import verdict
from rnnx.render.text import number, visible
from rnnx.types import Explanation
from rnnx.verdict import Test

FADED = "bright_black"
RULE = "explains: all five tests pass; in part: three or four; else it does not"
_ANSWERS = {True: "yes", False: "no", None: "\u2013"}
_NAMES = {
    "tau_leave_one_out": "\u03c4",
    "tau_gradient": "\u03c4",
    "change_permuted": "permuted",
    "change_uniform": "equal",
    "adversary_divergence": "divergence",
    "erased_attention": "erased",
    "erased_gradient": "by gradient",
    "erased_product": "by both",
    "erased_random": "at random",
}

Report = Mapping[str, Any]


def report(explanation: Explanation) -> Report | None:
    """What was tested of a text, if anything."""
    return explanation.diagnostics.get("check")


def table(found: Report) -> Group:
    """For the terminal."""
    return _table(_rows(found, {}), f"attention {_said(found['verdict'], 'this prediction')}")


def plain(found: Report) -> Iterator[str]:
    """A fact a line."""
    yield from _lines(_rows(found, {}))
    yield f"verdict: attention {_said(found['verdict'], 'this prediction')} ({RULE})"


def summary(explanations: Sequence[Explanation]) -> Group:
    """Of several texts, for the terminal."""
    reports = _reports(explanations)
    title, parts = Text("\n".join(_title(explanations)), "bold"), Text("\n".join(_parts(explanations)), FADED)
    return Group(title, Text(), _table(_rows(*_means(reports)), _whole(reports)), parts)


def summary_lines(explanations: Sequence[Explanation]) -> Iterator[str]:
    """The same, a fact a line."""
    reports = _reports(explanations)
    yield from _title(explanations)
    yield from _lines(_rows(*_means(reports)))
    yield f"verdict: {_whole(reports)} ({RULE})"
    yield from _parts(explanations)


def counted(explanations: Sequence[Explanation]) -> str:
    """How many texts, and the model."""
    count = len(explanations)
    return f"{count} text{'s' * (count > 1)}, {visible(explanations[0].model)}"


def _reports(explanations: Sequence[Explanation]) -> list[Report]:
    return [found for e in explanations if (found := report(e)) is not None]


def _means(reports: Sequence[Report]) -> tuple[Report, Mapping[str, float]]:
    return verdict.means(reports), verdict.deviations(reports)


def _title(explanations: Sequence[Explanation]) -> Iterator[str]:
    yield f"{counted(explanations)}: means, \u00b1 standard deviations"


def _whole(reports: Sequence[Report]) -> str:
    found = verdict.verdict(verdict.tests(verdict.means(reports)))
    return f"attention, on average, {_said(found, 'these predictions')}"


def _said(found: str, what: str) -> str:
    if found == verdict.UNTESTED:
        return f"{found}: too few tokens, or all alike"
    return f"explains {what} in part" if found == verdict.IN_PART else f"{found} {what}"


def _parts(explanations: Sequence[Explanation]) -> Iterator[str]:
    """How many texts have which verdict, and tau by predicted label."""
    counts = Counter(found["verdict"] for found in _reports(explanations))
    names = (verdict.EXPLAINS, verdict.IN_PART, verdict.NOT, verdict.UNTESTED)
    yield "text by text: " + ", ".join(f"{name} {counts[name]}" for name in names if counts[name])
    for label in dict.fromkeys(e.prediction.label for e in explanations):
        own = _reports([e for e in explanations if e.prediction.label == label])
        means, spread = _means(own)
        parts = [
            f"\u03c4 with {name} {_figure(key, means[key])} \u00b1 {number(spread[key])}"
            for name, key in (("leave-one-out", "tau_leave_one_out"), ("gradients", "tau_gradient"))
        ]
        yield f"predicted {visible(label)} ({len(own)}): {', '.join(parts)}"


def _rows(found: Report, spread: Mapping[str, float]) -> list[tuple[Test, str]]:
    """Each test with its figures in words."""
    return [(test, _figures(test.figures, found, spread)) for test in verdict.tests(_numbers(found))]


def _numbers(found: Report) -> dict[str, float | None]:
    return {name: found.get(name) for name in verdict.FIGURES}


def _figures(names: Sequence[str], found: Report, spread: Mapping[str, float]) -> str:
    parts = []
    for name in names:
        more = f" \u00b1 {number(spread[name])}" if name in spread and not name.startswith("erased") else ""
        parts.append(f"{_NAMES[name]} {_figure(name, found[name])}{more}")
    if names[0] == "erased_attention":
        parts.insert(2, f"{_NAMES['erased_product']} {_figure('erased_product', found['erased_product'])}")
    return ", ".join(parts)


def _figure(name: str, value: float | None) -> str:
    if value is None:
        return "\u2013"
    return f"{value:.0%}" if name.startswith("erased") else number(value)


def _table(rows: Sequence[tuple[Test, str]], said: str) -> Group:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(max_width=36)
    grid.add_column()
    for test, figures in rows:
        answer = Text(_ANSWERS[test.passed], "bold" if test.passed else "")
        grid.add_row(answer, test.statement, Text(figures).append(f" (needs {test.needs})", FADED))
    passed = sum(bool(test.passed) for test, _ in rows)
    line = Text(said, "bold").append(f": {passed} of {len(rows)} tests passed", "not bold")
    return Group(Text("does attention explain it?", "bold"), grid, line, Text(f"({RULE})", FADED))


def _lines(rows: Sequence[tuple[Test, str]]) -> Iterator[str]:
    for test, figures in rows:
        yield f"check: {_ANSWERS[test.passed]}, {test.statement}: {figures} (needs {test.needs})"
