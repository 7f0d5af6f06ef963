"""The trust line: the level, and in words what it rests on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rnnx import registry
from rnnx.errors import UnknownName
from rnnx.render.text import number, percent, visible
from rnnx.types import Explanation

FULL = ("unclear", "low", "medium", "high")  # each with one dot more that is filled
MISSING, ERROR = 0.05, 0.1  # from which shares on they are a reason for doubt
SURELY = 1e-5  # the facts have four digits; no probability is 0 or 1


def level(explanation: Explanation) -> str | None:
    """high, medium or low, "unclear" where nothing can be said; None where trust was not asked for."""
    facts = explanation.diagnostics.get("trust")
    return None if facts is None else str(facts["level"] or "unclear")


def dots(level: str) -> str:
    """Three dots, more of them filled the higher the level."""
    return "".join("\u25cf" if FULL.index(level) > i else "\u25cb" for i in range(3))


def line(explanation: Explanation) -> Iterator[str]:
    """The level and what it rests on in one line, where trust was asked for."""
    if found := level(explanation):
        yield f"trust: {'; '.join([found, *words(explanation)])}"


def words(explanation: Explanation) -> Iterator[str]:
    """What was found, fact by fact; ``level`` must not be None."""
    facts = explanation.diagnostics["trust"]
    if facts["level"] is None:
        one = len(explanation.tokens) == 1
        yield "a single token has no order to judge" if one else "no order of the tokens changes anything"
    yield _removal(explanation, facts)
    faithful = facts.get("faithful")
    if faithful is None and facts.get("half_decides"):  # else the level would seem to contradict what was just said
        yield f"without the stronger half: {percent(max(facts['without_half'], SURELY))}"
    if faithful is not None:  # a search for the limits may miss the last bit of them
        way = percent(min(1, max(0, faithful)))
        yield f"its order of the tokens is {way} of the way from the worst order to the best"
    if "missing" in facts:
        missing = percent(facts["missing"])
        yield "the scores add up" if facts["missing"] < MISSING else f"{missing} of what they add up to is missing"
    if facts["saturated"] and _local(explanation):
        yield "the model is so sure that small changes hardly move it, and this method sees only those"
    if "error" in facts:
        doubt = ", which is much" if facts["error"] >= ERROR else ""
        yield f"chance moves a score by {percent(facts['error'])} of the largest{doubt}"
    if "stable" in facts:
        yield f"the ranks of the tokens under other seeds agree with these to {number(facts['stable'])} (1 is fully)"
    if unknown := len(explanation.diagnostics.get("unknown_tokens", ())):
        verb = "is" if unknown == 1 else "are"
        yield f"{unknown} of {len(explanation.tokens)} tokens {verb} unknown to the model"


def _removal(explanation: Explanation, facts: dict[str, Any]) -> str:
    count, label = facts["removed"], visible(explanation.target)
    before, after = explanation.prediction.probabilities[explanation.target], facts["without_strongest"]
    said = [percent(min(max(p, SURELY), 1 - SURELY)) for p in (before, after, facts["without_random"])]
    verb = "falls" if after < before else "rises"
    change = f"stays at {said[0]}" if said[0] == said[1] else f"{verb} from {said[0]} to {said[1]}"
    strongest, random = (
        ("strongest token", "one at random") if count == 1 else (f"{count} strongest tokens", f"{count} at random")
    )
    return f"without its {strongest} {label} {change}; without {random}: {said[2]}"


def _local(explanation: Explanation) -> bool:
    """Whether the method sees only small changes; one that is not known is taken not to."""
    try:
        return registry.method(explanation.method).local
    except UnknownName:
        return False
