"""What a file of texts comes to: how many of each label, how sure, which tokens, and which texts to look at again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from rnnx.render import checks, trust, units
from rnnx.render.summary import named
from rnnx.render.text import percent, visible
from rnnx.types import Attribution, Explanation, LeftOut, Prediction

STRONGEST = 3  # tokens of a text that count
SHOWN, DOUBTED = 12, 10  # tokens a label, and texts of low trust, that are named
MOST, KEPT = 20_000, 10_000  # tokens a label that are counted: beyond the first, the rarest are forgotten
LOW = "low"  # the level of trust to look at


@dataclass
class Tally:
    """Counts over texts; adding those of two parts is adding up the whole.

    ``labels``: texts and summed probability of each predicted label. ``tokens``: for each label that was explained, in
    how many texts a token was among the strongest for it. ``trust``: texts of each level, where that was judged, and
    ``doubted`` where the first of low trust stand. ``left_out``: rows by the reason why they were. ``tested`` and
    ``units``: whether attention explains, and what its units give, where that was asked for. ``given``: where texts
    were only labelled, how many rows had which label of their own, and ``right``, how many of these agree.
    """

    labels: dict[str, tuple[int, float]] = field(default_factory=dict)
    tokens: dict[str, Counter[str]] = field(default_factory=dict)
    trust: Counter[str] = field(default_factory=Counter)
    doubted: list[str] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    tested: checks.Tested = field(default_factory=dict)
    units: units.Sums = field(default_factory=dict)
    given: Counter[str] = field(default_factory=Counter)
    right: int = 0

    @property
    def texts(self) -> int:
        """How many were explained, or labelled."""
        return sum(count for count, _ in self.labels.values())

    def add(self, e: Explanation, where: str) -> None:
        """Count one explanation."""
        self._label(e.prediction.label, 1, e.prediction.probability)
        if isinstance(e.evidence, Attribution):
            strongest = sorted(zip(e.evidence.scores, range(len(e.tokens)), strict=True), reverse=True)[:STRONGEST]
            words = {e.tokens[i].text.lower() for score, i in strongest if score > 0}
            self.tokens.setdefault(e.target, Counter()).update(words)
        checks.add(self.tested, e)
        units.add(self.units, e)
        if level := trust.level(e):
            self.trust[level] += 1
            if level == LOW and len(self.doubted) < DOUBTED:
                self.doubted.append(where)

    def predicted(self, p: Prediction, given: str | None) -> None:
        """Count one prediction, and whether it is what the row said."""
        self._label(p.label, 1, p.probability)
        if given is not None:
            self.given[given] += 1
            self.right += given == p.label

    def leave_out(self, what: LeftOut) -> None:
        """Count rows that were left out."""
        self.left_out[what.reason] += what.rows

    def merge(self, other: Tally) -> None:
        """Add the counts of texts that come after these."""
        for label, (count, total) in other.labels.items():
            self._label(label, count, total)
        for label, tokens in other.tokens.items():
            mine = self.tokens.setdefault(label, Counter())
            mine.update(tokens)
            if len(mine) > MOST:
                self.tokens[label] = Counter(dict(ranked(mine)[:KEPT]))
        self.trust.update(other.trust)
        self.left_out.update(other.left_out)
        self.given.update(other.given)
        self.right += other.right
        checks.merge(self.tested, other.tested)
        units.merge(self.units, other.units)
        self.doubted = [*self.doubted, *other.doubted][:DOUBTED]

    def _label(self, label: str, count: int, total: float) -> None:
        texts, probability = self.labels.get(label, (0, 0.0))
        self.labels[label] = texts + count, probability + total

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Tally:
        """The inverse of ``vars``, also after a trip through JSON."""
        return cls(
            labels={label: (count, total) for label, (count, total) in data["labels"].items()},
            tokens={label: Counter(tokens) for label, tokens in data["tokens"].items()},
            trust=Counter(data["trust"]),
            doubted=list(data["doubted"]),
            left_out=Counter(data["left_out"]),
            tested=data["tested"],
            units=data["units"],
            given=Counter(data["given"]),
            right=data["right"],
        )


def lines(tally: Tally) -> Iterator[str]:
    """The summary, a fact a line."""
    texts = tally.texts
    yield f"{texts:,} text{'s' * (texts != 1)}"
    width = max((len(visible(label)) for label in tally.labels), default=0)
    for label, (count, total) in sorted(tally.labels.items(), key=lambda item: -item[1][0]):
        share = f"{count:>9,}  {percent(count / texts):>6}"
        yield f"{visible(label):<{width}} {share}  mean confidence {percent(total / count)}"
    for label, tokens in sorted(tally.tokens.items()):
        shown = ", ".join(f"{named(token)} {count:,}" for token, count in ranked(tokens)[:SHOWN])
        if shown:
            yield f"most often among the {STRONGEST} strongest for {visible(label)}: {shown}"
    if tally.trust:
        yield "trust: " + ", ".join(f"{visible(level)} {count:,}" for level, count in tally.trust.most_common())
    if tally.doubted:
        more = tally.trust[LOW] - len(tally.doubted)
        yield "low trust: " + ", ".join(map(visible, tally.doubted)) + (f", and {more:,} more" if more > 0 else "")
    yield from attended(tally)
    if tally.left_out:
        yield "left out: " + reasons(tally)


def attended(tally: Tally) -> Iterator[str]:
    """Whether attention explains, and what its units give, where that was asked for."""
    if tally.tested:
        yield from checks.summary(tally.tested)
    if tally.units:
        yield from units.summary(tally.units)


def reasons(tally: Tally) -> str:
    """Why rows were left out, and how many for each reason."""
    return ", ".join(f"{visible(reason)} ({count:,})" for reason, count in ranked(tally.left_out))


def ranked(counts: Counter[str]) -> list[tuple[str, int]]:
    """The most frequent first, equally frequent ones by name, so that no order of counting shows."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))
