"""What a comparison comes to, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rnnx.comparisons import MARGIN, Comparison, Mean, Overall, Side
from rnnx.render.summary import named
from rnnx.render.text import percent, signed, visible

SHOWN = 3  # tokens that changed most


def of_text(found: Comparison) -> Iterator[str]:
    """Where the sides of one text disagree, and which to believe."""
    if found.what == "models":
        yield _predictions(found.sides)
        yield from _changes(found)
    elif len(found.sides) > 1:
        yield _dispute(found)
    faithful = [side.faithful for side in found.sides if side.faithful is not None]
    if found.random is None or not faithful:
        yield "No order of the tokens is better than another here: there is nothing to tell the methods apart."
    elif not found.best:
        yield f"None of them orders the tokens better than chance does ({share(found.random)}): believe none here."
    elif found.what == "methods":
        near = "" if len(found.best) == 1 else ", which are equally good here"
        yield f"Believe {listed(found.best)}{near}; chance would reach {share(found.random)}."


def of_all(found: Overall) -> Iterator[str]:
    """The same of many texts."""
    if found.what == "models":
        yield f"They predict the same for {found.same_label} of {found.texts} texts."
        if found.changed:
            words = "; ".join(f"{named(w)} {signed(round(m, 2))} ({n}\u00d7)" for w, m, n in found.changed)
            yield f"What changed most, the mean change and how often it stands there: {words}."
    elif found.random is None:
        yield "No order of the tokens is better than another: there is nothing to tell the methods apart."
    elif not found.best:
        yield f"None of them orders the tokens reliably better than chance does ({share(found.random.mean)})."
    else:
        near = "" if len(found.best) == 1 else ", which do not differ reliably"
        yield f"Believe {listed(found.best)}{near}; chance would reach {share(found.random.mean)}."


def share(faithful: float | None) -> str:
    """Faithfulness with two digits."""
    return "\u2013" if faithful is None else f"{faithful:.2f}".replace("-", "\u2212")


def interval(found: Mean | None) -> str:
    """A mean with its interval."""
    return share(None) if found is None else f"{share(found.mean)} ({share(found.low)} to {share(found.high)})"


def listed(names: Sequence[str]) -> str:
    """a, b and c."""
    shown = [visible(name) for name in names]
    return " and ".join(filter(None, (", ".join(shown[:-1]), shown[-1])))


def _dispute(found: Comparison) -> str:
    if found.dispute is None:
        return "They do not differ much on any token."
    sides = {side.name: side for side in found.sides}
    both = [sides[name] for name in (found.dispute.one, found.dispute.other)]
    one, other = found.dispute.scores
    signs = all(side.signed for side in both)
    first, second = (two(s) if signs else f"{abs(s):.2f} in size" for s in (one, other))
    opposed = f" (+ speaks for {visible(found.target)}, \u2212 against it)" if signs and one * other < 0 else ""
    token = f"\u201c{visible(found.tokens[found.dispute.token].text)}\u201d"
    about = f"{both[0].name} gives it {first} and {both[1].name} {second}{opposed}"
    return f"They disagree most about {token}: {about}; {_believed(found, both)}."


def _believed(found: Comparison, both: Sequence[Side]) -> str:
    """Which of the two, and why."""
    assert found.dispute is not None
    faithful = {side.name: share(side.faithful) for side in both}
    known = [side.faithful for side in both if side.faithful is not None]
    if found.random is None or len(known) < 2:
        return "nothing measured decides between them"
    if max(known) <= found.random + MARGIN:
        return f"neither is better than chance ({listed(list(faithful.values()))} against {share(found.random)})"
    if found.dispute.believe is None:
        return f"both are about as faithful ({listed(list(faithful.values()))})"
    better = found.dispute.believe
    (other,) = faithful.keys() - {better}
    return (
        f"of the two believe {better}, whose strongest tokens the prediction needs more "
        f"({faithful[better]} against {faithful[other]})"
    )


def _predictions(sides: Sequence[Side]) -> str:
    said = [(side.name, side.explanation.prediction) for side in sides]
    if len({prediction.label for _, prediction in said}) == 1:
        labels = " and ".join(percent(prediction.probability) for _, prediction in said)
        return f"All say {visible(said[0][1].label)}: {labels}."
    words = [f"{visible(name)} says {visible(p.label)} ({percent(p.probability)})" for name, p in said]
    return f"{', '.join(words)}."


def _changes(found: Comparison) -> Iterator[str]:
    """The tokens whose scaled scores differ most between the first model and the last one."""
    before, after = found.scores[0], found.scores[-1]
    order = sorted(range(len(before)), key=lambda i: -abs(after[i] - before[i]))[:SHOWN]
    words = [f"{named(found.tokens[i].text)} from {two(before[i])} to {two(after[i])}" for i in order]
    changed = any(abs(after[i] - before[i]) >= 0.01 for i in order)
    yield f"What changed most: {', '.join(words)}." if changed else "No token's score changed."


def two(value: float) -> str:
    """A scaled score."""
    return signed(round(value, 2)) if round(value, 2) else "0"
