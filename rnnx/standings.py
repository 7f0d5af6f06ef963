"""What comes of an evaluation: where each method stands on average, beside a random order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from rnnx.evaluation import Record
from rnnx.explainers import RANDOM
from rnnx.metrics import means
from rnnx.models.protocols import Array
from rnnx.registry import Metric
from rnnx.types import Standing


def summary(metrics: Mapping[str, Metric], records: Iterable[Record]) -> list[Standing]:
    """The methods, by their first metric, the best first; without a value for it they come last.

    The baseline ``random`` has no rank.
    """
    by_method: dict[str, list[Record]] = {}
    for record in sorted(records, key=lambda record: record.text):
        by_method.setdefault(record.method, []).append(record)
    values = {method: {name: _values(own, name) for name in metrics} for method, own in by_method.items()}
    scores = {method: {name: means.score(own[name]) for name in metrics} for method, own in values.items()}
    ranks = {name: _ranks({m: s[name].mean for m, s in scores.items()}, row) for name, row in metrics.items()}
    lines = []
    for method, own in by_method.items():
        spent = float(np.mean([record.milliseconds for record in own]))
        places = {name: found[method] for name, found in ranks.items() if method in found}
        gains = {name: means.gain(*_paired(method, name, by_method)) for name in metrics}
        explained = sum(bool(record.scores) for record in own)
        lines.append(Standing(method, scores[method], gains, places, spent, explained))
    first = next(iter(metrics.values()))
    return sorted(lines, key=lambda line: _worth(line.scores[first.name].mean, first), reverse=True)


def _values(records: Sequence[Record], name: str) -> Array:
    """What a metric says of each text, (N,) or (N, 2), nan for nothing."""
    found = [record.values[name] for record in records]
    width = next((len(value) for value in found if isinstance(value, tuple)), 0)
    return np.array([((np.nan,) * width or np.nan) if value is None else value for value in found], float)


def _paired(method: str, name: str, records: Mapping[str, Sequence[Record]]) -> tuple[Array, Array]:
    """What a metric says of the method and of the baseline for the texts that both have."""
    chance = {record.text: record for record in records.get(RANDOM, ())}
    own = [record for record in records[method] if record.text in chance]
    values = _values([*own, *(chance[record.text] for record in own)], name)
    return values[: len(own)], values[len(own) :]


def _worth(mean: float, row: Metric) -> float:
    """More is better; nothing is worst."""
    if np.isnan(mean):
        return -np.inf
    return mean if row.better == "higher" else -mean


def _ranks(found: Mapping[str, float], row: Metric) -> dict[str, int]:
    there = [method for method, mean in found.items() if method != RANDOM and not np.isnan(mean)]
    ordered = sorted((_worth(found[method], row) for method in there), reverse=True)
    return {method: 1 + ordered.index(_worth(found[method], row)) for method in there}
