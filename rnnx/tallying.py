"""Orchestration: comparisons of many texts in one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from rnnx.comparisons import Agreement, Comparison, Line, Matrix, Mean, Overall, Passes, What
from rnnx.metrics.means import score
from rnnx.models.protocols import Array

CHANGED = 12  # words whose scores changed most
RANDOM = ""  # the name of random orders; no method has it
KINDS = ("spearman", "overlap", "sign")


class Tally:
    """Adds up comparisons, of which it keeps only numbers."""

    def __init__(self) -> None:
        self.texts = self._same = 0
        self._what: What = "methods"
        self._costs: dict[str, list[tuple[float, ...]]] = {}
        self._faithful: list[Mapping[str, float]] = []
        self._cells: defaultdict[tuple[str, str, str], list[float]] = defaultdict(list)
        self._refused: dict[str, str] = {}
        self._changes: defaultdict[str, list[float]] = defaultdict(list)

    def watch(self, comparisons: Iterable[Comparison]) -> Iterator[Comparison]:
        """The same comparisons, counted on their way."""
        for comparison in comparisons:
            self.add(comparison)
            yield comparison

    def add(self, found: Comparison) -> None:
        """Count one more."""
        self._what = found.what
        self.texts += 1
        self._same += len({side.explanation.prediction.label for side in found.sides}) == 1
        self._refused = {**found.refused, **self._refused}
        for side in found.sides:
            self._costs.setdefault(side.name, []).append((side.milliseconds, *side.passes))
        known = {RANDOM: found.random, **{side.name: side.faithful for side in found.sides}}
        self._faithful.append({name: value for name, value in known.items() if value is not None})
        for kind in KINDS:
            for one, row in zip(found.agreement.names, getattr(found.agreement, kind), strict=True):
                for other, value in zip(found.agreement.names, row, strict=True):
                    if value is not None:
                        self._cells[kind, one, other].append(value)
        if found.what == "models" and len(found.scores) == 2:
            for token, before, after in zip(found.tokens, *found.scores, strict=True):
                self._changes[token.text.lower()].append(after - before)

    def overall(self) -> Overall:
        """All of them in one. There must be one."""
        names = list(self._costs)
        return Overall(
            what=self._what,
            texts=self.texts,
            lines=tuple(self._line(name) for name in names),
            random=self._mean(RANDOM),
            agreement=Agreement(tuple(names), *(self._matrix(kind, names) for kind in KINDS)),
            refused={name: reason for name, reason in self._refused.items() if name not in names},
            best=self._best(names),
            same_label=self._same,
            changed=self._changed(),
        )

    def _line(self, name: str) -> Line:
        milliseconds, forward, backward = np.mean(self._costs[name], axis=0).round(3).tolist()
        return Line(name, len(self._costs[name]), self._mean(name), milliseconds, Passes(forward, backward))

    def _mean(self, name: str) -> Mean | None:
        return _mean([row[name] for row in self._faithful if name in row])

    def _matrix(self, kind: str, names: Sequence[str]) -> Matrix:
        cells = [[self._cells.get((kind, one, other)) for other in names] for one in names]
        return tuple(tuple(round(float(np.mean(v)), 6) if v else None for v in row) for row in cells)

    def _best(self, names: Sequence[str]) -> tuple[str, ...]:
        """The most faithful, and those that it does not exceed reliably; none if it does not exceed random orders.

        Reliably: the 95 % interval of the mean of the differences, text by text, is above 0.
        """
        means = {name: found.mean for name in names if (found := self._mean(name))}
        if not means:
            return ()
        most = max(means, key=lambda name: means[name])
        if not self._exceeds(most, RANDOM):
            return ()
        return tuple(name for name in means if name == most or not self._exceeds(most, name))

    def _exceeds(self, one: str, other: str) -> bool:
        both = [row[one] - row[other] for row in self._faithful if one in row and other in row]
        found = _mean(both)
        return found is not None and found.low > 0

    def _changed(self) -> tuple[tuple[str, float, int], ...]:
        """The words with the largest changes, all added up."""
        words = sorted(self._changes, key=lambda word: -abs(sum(self._changes[word])))[:CHANGED]
        return tuple((w, round(float(np.mean(self._changes[w])), 4), len(self._changes[w])) for w in words)


def _mean(values: Sequence[float]) -> Mean | None:
    if not values:
        return None
    found: Array = np.array(values)
    return Mean(*(round(number, 6) for number in score(found, least=1)[:3]))
