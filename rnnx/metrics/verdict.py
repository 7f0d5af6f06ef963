"""Whether attention explains anything: figures of ``rnnx.metrics.attention`` against stated thresholds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

AGREES = 0.5  # Kendall's tau from which on two rankings are taken to say the same
MATTERS = 0.05  # change of the prediction from which on it matters where the weights are
APART = 0.35  # Jensen-Shannon divergence up to which weights are alike; about half of the largest, log 2

Figures = Mapping[str, float | None]


class Test(NamedTuple):
    """What is asked, the names of the figures that answer it, what they must be, and whether they are; None: it cannot
    be said.
    """

    question: str
    figures: tuple[str, ...]
    needs: str
    passed: bool | None


def tests(figures: Figures) -> list[Test]:
    """The five tests of a text, or of the means over texts."""
    known = {name: value for name, value in figures.items() if value is not None}

    def test(question: str, names: tuple[str, ...], needs: str, passes: Callable[..., bool]) -> Test:
        there = known.keys() >= set(names)
        return Test(question, names, needs, passes(*(known[name] for name in names)) if there else None)

    above, below = f"\u2265 {AGREES}", f"\u2264 {APART}"
    changes, erased = ("permuted", "uniform"), ("attention", "gradient", "random")
    return [
        test("does it rank tokens as leaving each out does?", ("tau_leave_one_out",), above, lambda tau: tau >= AGREES),
        test("does it rank tokens as gradients do?", ("tau_gradient",), above, lambda tau: tau >= AGREES),
        test(
            "do permuted and equal weights change the prediction?",
            tuple(f"change_{name}" for name in changes),
            f"both \u2265 {MATTERS}",
            lambda *change: min(change) >= MATTERS,
        ),
        test(
            "do only weights that are alike say the same?",
            ("adversary_divergence",),
            below,
            lambda divergence: divergence <= APART,
        ),
        test(
            "does it find the tokens that the decision hangs on?",
            tuple(f"erased_{name}" for name in erased),
            "\u2264 by gradient, < at random",
            lambda own, gradient, random: own <= gradient and own < random,
        ),
    ]


def verdict(found: list[Test]) -> str:
    """In words: it explains if all tests pass, in part if all but one or two do, else it does not."""
    if any(test.passed is None for test in found):
        return "cannot be tested"
    passed = sum(bool(test.passed) for test in found)
    if passed == len(found):
        return "explains"
    return "explains in part" if passed >= len(found) - 2 else "does not explain"
