"""Whether attention explains anything: figures of ``rnnx.metrics.attention`` against stated thresholds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

AGREES = 0.5  # Kendall's tau from which on two rankings are taken to say the same
MATTERS = 0.05  # change of the prediction from which on it matters where the weights are
APART = 0.35  # Jensen-Shannon divergence up to which weights are alike; about half of the largest, log 2

EXPLAINS, IN_PART, NOT, UNTESTED = "explains", "explains in part", "does not explain", "cannot be tested"
FIGURES = (
    "tau_leave_one_out",
    "tau_gradient",
    "change_permuted",
    "change_uniform",
    "adversary_divergence",
    "adversary_change",
    "erased_attention",
    "erased_gradient",
    "erased_product",
    "erased_random",
)

Figures = Mapping[str, float | None]
Sums = dict[str, tuple[int, float, float]]


class Test(NamedTuple):
    """A statement, the names of the figures that decide it, what they must be, and whether they are; None: it cannot
    be said.
    """

    statement: str
    figures: tuple[str, ...]
    needs: str
    passed: bool | None


def tests(figures: Figures) -> list[Test]:
    """The five tests of a text, or of the means over texts."""
    known = {name: value for name, value in figures.items() if value is not None}

    def test(statement: str, names: tuple[str, ...], needs: str, passes: Callable[..., bool]) -> Test:
        there = known.keys() >= set(names)
        return Test(statement, names, needs, passes(*(known[name] for name in names)) if there else None)

    above, below = f"\u2265 {AGREES}", f"\u2264 {APART}"
    changes, erased = ("permuted", "uniform"), ("attention", "gradient", "random")
    return [
        test("ranks tokens as leave-one-out does", ("tau_leave_one_out",), above, lambda tau: tau >= AGREES),
        test("ranks tokens as gradients do", ("tau_gradient",), above, lambda tau: tau >= AGREES),
        test(
            "other weights change the prediction",
            tuple(f"change_{name}" for name in changes),
            f"both \u2265 {MATTERS}",
            lambda *change: min(change) >= MATTERS,
        ),
        test(
            "only weights like these say the same",
            ("adversary_divergence",),
            below,
            lambda divergence: divergence <= APART,
        ),
        test(
            "finds what the decision hangs on",
            tuple(f"erased_{name}" for name in erased),
            "\u2264 by gradient, < at random",
            lambda own, gradient, random: own <= gradient and own < random,
        ),
    ]


def verdict(found: Sequence[Test]) -> str:
    """In words: it explains if all tests pass, in part if all but one or two do, else it does not."""
    if any(test.passed is None for test in found):
        return UNTESTED
    passed = sum(bool(test.passed) for test in found)
    if passed == len(found):
        return EXPLAINS
    return IN_PART if passed >= len(found) - 2 else NOT


def report(figures: Figures) -> dict[str, Any]:
    """Figures, whether each test passes, and the verdict, as plain values."""
    found = tests(figures)
    return {**figures, "tests": {test.statement: test.passed for test in found}, "verdict": verdict(found)}


def sums(reports: Iterable[Mapping[str, Any]]) -> Sums:
    """Of each figure how many texts have it, its sum over them, and that of its squares."""
    found = dict.fromkeys(FIGURES, (0, 0.0, 0.0))
    for report in reports:
        for name, (count, total, squares) in found.items():
            value = report[name]
            if value is not None:
                found[name] = (count + 1, total + value, squares + value**2)
    return found


def added(parts: Iterable[Mapping[str, Sequence[float]]]) -> Sums:
    """The sums of several parts together."""
    found = sums([])
    for part in parts:
        found = {
            name: (int(have[0] + part[name][0]), have[1] + part[name][1], have[2] + part[name][2])
            for name, have in found.items()
        }
    return found


def means(found: Sums) -> dict[str, float | None]:
    """Of each figure over the texts that have it."""
    return {name: total / count if count else None for name, (count, total, _) in found.items()}


def deviations(found: Sums) -> dict[str, float]:
    """The standard deviation of each figure over the texts that have it, 0 of fewer than two."""
    return {
        name: (max(0.0, squares - total**2 / max(1, count)) / max(1, count - 1)) ** 0.5
        for name, (count, total, squares) in found.items()
    }
