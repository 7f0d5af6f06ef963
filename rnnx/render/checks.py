"""Whether attention explains, in words: the tests with their figures, and the verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rnnx import verdict
from rnnx.render.text import number, visible
from rnnx.types import Explanation
from rnnx.verdict import Test

if TYPE_CHECKING:
    from rich.console import Group

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
Tested = dict[str, dict[str, Any]]  # for each predicted label sums of the figures, and how many have which verdict


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


def add(found: Tested, explanation: Explanation) -> None:
    """Count what was tested of one more text."""
    if checked := report(explanation):
        own = {"figures": verdict.sums([checked]), "verdicts": {checked["verdict"]: 1}}
        merge(found, {explanation.prediction.label: own})


def merge(found: Tested, other: Tested) -> None:
    """Add the counts of more texts."""
    for label, more in other.items():
        own = found.setdefault(label, {"figures": verdict.sums([]), "verdicts": {}})
        own["figures"] = verdict.added([own["figures"], more["figures"]])
        own["verdicts"] = dict(Counter(own["verdicts"]) + Counter(more["verdicts"]))


def summary(found: Tested) -> Iterator[str]:
    """Of several texts, a fact a line."""
    counts = sum((Counter(own["verdicts"]) for own in found.values()), Counter[str]())
    every = verdict.added(own["figures"] for own in found.values())
    means = verdict.means(every)
    these = "this prediction" if counts.total() == 1 else f"these {counts.total():,} predictions"
    yield f"does attention explain {these}? means, \u00b1 standard deviations:"
    yield from _lines(_rows(means, verdict.deviations(every)))
    said = _said(verdict.verdict(verdict.tests(means)), "these predictions")
    yield f"verdict: attention, on average, {said} ({RULE})"
    names = (verdict.EXPLAINS, verdict.IN_PART, verdict.NOT, verdict.UNTESTED)
    yield "text by text: " + ", ".join(f"{name} {counts[name]:,}" for name in names if counts[name])
    yield from (_of_label(label, own) for label, own in sorted(found.items()))


def _of_label(label: str, own: Mapping[str, Any]) -> str:
    """Tau of the texts with this prediction."""
    figures = verdict.added([own["figures"]])
    means, spread = verdict.means(figures), verdict.deviations(figures)
    parts = [
        f"\u03c4 with {name} {_figure(key, means[key])} \u00b1 {number(spread[key])}"
        for name, key in (("leave-one-out", "tau_leave_one_out"), ("gradients", "tau_gradient"))
    ]
    return f"predicted {visible(label)} ({sum(own['verdicts'].values()):,}): {', '.join(parts)}"


def _said(found: str, what: str) -> str:
    if found == verdict.UNTESTED:
        return f"{found}: too few tokens, or all alike"
    return f"explains {what} in part" if found == verdict.IN_PART else f"{found} {what}"


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
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

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
