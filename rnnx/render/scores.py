"""Methods against metrics, as a table that fits the screen."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from math import isnan
from typing import Any

from rich.text import Text

from rnnx.registry.kinds import Metric
from rnnx.types import Score, Standing

RANDOM = "random"
BEST, CHANCE = "*", "~"  # the best of a column, and what is no better than random
HINT = f"{BEST} the best   {CHANCE} not shown to be better than random   \u00b1 half the 95 % interval"
Cell = tuple[str, str]  # a text and its mark


def shown(line: Standing, name: str, metric: Metric) -> Cell:
    """The mean with half its interval, and its mark; a dash where there is none."""
    score, gain = line.scores[name], line.gains[name]
    if isnan(score.mean):
        return "\u2013", ""
    text = _digits(score.mean)
    if not isnan(score.low):
        text += f" \u00b1{_digits((score.high - score.low) / 2)}"
    if line.method == RANDOM:
        return text, ""
    if not isnan(gain.mean) and not (gain.low > 0 if metric.better == "higher" else gain.high < 0):
        return text, CHANCE
    return text, BEST if line.ranks.get(name) == 1 else ""


def _digits(value: float) -> str:
    text = f"{value:.2f}" if abs(value) < 10 else f"{value:.3g}"
    return "0.00" if text == "-0.00" else text


def head(metric: Metric) -> str:
    """The short name, and which way is better."""
    return metric.short + (" \u2191" if metric.better == "higher" else " \u2193")


def cost(milliseconds: float) -> str:
    """A time in milliseconds, to three digits."""
    return f"{milliseconds:.1f}" if milliseconds < 100 else f"{milliseconds:,.0f}"


def tables(lines: Sequence[Standing], metrics: Mapping[str, Metric], width: int) -> Iterator[list[list[Cell]]]:
    """The table in parts that fit beside each other no more than ``width``: rows of cells, the first the heads."""
    first: list[list[Cell]] = [[("method", "")], *([(line.method, "")] for line in lines)]
    columns = [_column([("ms", ""), *((cost(line.milliseconds), "") for line in lines)])]
    for name, metric in measured(lines, metrics).items():
        columns.append(_column([(head(metric), ""), *(shown(line, name, metric) for line in lines)]))
    left = width - max(len(row[0][0]) for row in first)
    part, room = [list(row) for row in first], left
    for wide, cells in columns:
        if wide > room and len(part[0]) > 1:
            yield part
            part, room = [list(row) for row in first], left
        for row, cell in zip(part, cells, strict=True):
            row.append(cell)
        room -= wide
    yield part


def measured(lines: Sequence[Standing], metrics: Mapping[str, Metric]) -> dict[str, Metric]:
    """The metrics that say something of some method."""
    return {name: row for name, row in metrics.items() if not all(isnan(line.scores[name].mean) for line in lines)}


def _column(cells: list[Cell]) -> tuple[int, list[Cell]]:
    """Cells padded to one width on the left, with room for a mark, and what they take with the gap before them."""
    wide = max(len(text) for text, _ in cells)
    return wide + 3, [(text.rjust(wide), mark) for text, mark in cells]


def rows(part: list[list[Cell]]) -> Iterator[str]:
    """The rows of a part of the table as text."""
    wide = max(len(row[0][0]) for row in part)
    for (name, _), *cells in part:
        yield (name.ljust(wide) + "".join(f"  {text}{mark or ' '}" for text, mark in cells)).rstrip()


def styled(part: list[list[Cell]]) -> Iterator[Text]:
    """The same for a terminal: the best in bold, chance and what is no better than that dim."""
    wide = max(len(row[0][0]) for row in part)
    for i, ((name, _), *cells) in enumerate(part):
        row = Text(name.ljust(wide), style="dim" if name == RANDOM else "underline" if i == 0 else "")
        for text, mark in cells:
            row.append("  ", style="not underline")
            row.append(text, style={BEST: "bold", CHANCE: "dim"}.get(mark, ""))
            row.append(mark or " ", style="not underline")
        row.rstrip()
        yield row


def legend(lines: Sequence[Standing], metrics: Mapping[str, Metric], width: int) -> Iterator[str]:
    """What the marks and the columns mean."""
    yield HINT
    yield f"{'ms':<7} milliseconds to explain a text"
    for metric in measured(lines, metrics).values():
        text = f"{metric.name}: {metric.summary}"
        yield from textwrap.wrap(text, width, initial_indent=f"{metric.short:<7} ", subsequent_indent=" " * 8)
    if silent := [name for name in metrics if name not in measured(lines, metrics)]:
        yield from textwrap.wrap(f"nothing can be said of these texts by {', '.join(silent)}", width)


def plain(lines: Sequence[Standing], metrics: Mapping[str, Metric], title: str, width: int) -> Iterator[str]:
    """The whole table as lines of text."""
    yield from textwrap.wrap(title, width)
    for part in tables(lines, metrics, width):
        yield ""
        yield from rows(part)
    yield ""
    yield from legend(lines, metrics, width)


def markdown(lines: Sequence[Standing], metrics: Mapping[str, Metric], title: str) -> Iterator[str]:
    """One table of Markdown."""
    (part,) = tables(lines, metrics, 10**6)
    yield from (title, "")
    for i, row in enumerate(part):
        cells = [f"**{text.strip()}**" if mark == BEST else f"{text.strip()}{mark}" for text, mark in row]
        yield f"| {' | '.join(cells)} |"
        if i == 0:
            yield "|" + "---|" * len(row)
    yield from ("", f"Bold: the best. `{CHANCE}`: not shown to be better than random. \u00b1: half the 95 % interval.")


def records(lines: Sequence[Standing], metrics: Mapping[str, Metric]) -> Iterator[dict[str, Any]]:
    """A row a method and metric, for CSV and JSON lines; without those that say nothing."""
    for line in lines:
        for name in metrics:
            score = line.scores[name]
            if not isnan(score.mean):
                yield {
                    "method": line.method,
                    "metric": name,
                    **_plain(score),
                    "gain": _gain(line, name),
                    "rank": line.ranks.get(name),
                    "milliseconds": line.milliseconds,
                }


def document(lines: Sequence[Standing], metrics: Mapping[str, Metric], about: Mapping[str, Any]) -> dict[str, Any]:
    """All of it as one JSON object; what cannot be said is left out."""
    return {
        **about,
        "metrics": {name: {"better": row.better, "summary": row.summary} for name, row in metrics.items()},
        "methods": [
            {
                "method": line.method,
                "milliseconds": line.milliseconds,
                "explained": line.explained,
                "scores": {
                    name: {**_plain(score), "gain": _gain(line, name), "rank": line.ranks.get(name)}
                    for name, score in line.scores.items()
                    if not isnan(score.mean)
                },
            }
            for line in lines
        ],
    }


def _plain(score: Score) -> dict[str, float | None]:
    """By name, None for nan."""
    return {name: None if isnan(value) else value for name, value in score._asdict().items()}


def _gain(line: Standing, name: str) -> float | None:
    """What it has more than a random order; None where nothing can be said."""
    gain = line.gains[name].mean
    return None if isnan(gain) else gain
