"""A comparison for the terminal: the text once for each side, scores, cost, agreement, and what it comes to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.style import Style
from rich.text import Text

from rnnx.comparisons import Comparison, Overall, Passes
from rnnx.render import palette, picture, plain, verdicts
from rnnx.render.matrices import FADED, NAME, Look, agreement, cell, filled, fitting, head, lettered
from rnnx.render.text import number, visible
from rnnx.render.verdicts import interval, listed, share
from rnnx.types import Attribution, Explanation

TEXTS = 6  # sides whose texts are shown beside the table of tokens
TOKENS = 16  # rows of that table
BAR = 20  # columns
LEGEND = (
    "faithful: how far the prediction falls when the strongest tokens go first, from 0, their worst order, to 1, "
    "the best; passes: texts that are read forward and backward, changed ones too"
)

Looks = Callable[[bool], Look]  # of shares with or without a sign


def show(console: Console, found: Comparison | Overall, background: str = "unknown") -> None:
    """Print a comparison of one text or many; ``background`` as for ``picture.show``."""
    width = min(console.width, picture.WIDEST) - 2 * picture.MARGIN
    look = _look(console, background)
    parts = _of_text(console, found, look, width) if isinstance(found, Comparison) else _of_all(found, look, width)
    picture.printed(console, Group(*parts), width)


def _of_text(console: Console, found: Comparison, look: Looks, width: int) -> Iterator[RenderableType]:
    """Of one text its sides, and what they come to."""
    heads = found.sides if found.what == "models" else found.sides[:1]
    for side in heads:
        name = side.name if found.what == "models" else side.explanation.model
        yield picture.headline(side.explanation.prediction, name, width)
    yield Text()
    if len(found.sides) <= TEXTS:
        yield from _texts(console, found, look, width)
        yield Text()
    yield from (_tokens(found, look, width), Text(), _methods(found, width), Text())
    if len(found.sides) > 1:
        yield from (agreement(found.agreement, look, width), Text())
    yield from _refused(found.refused)
    yield from (Text(line, "bold") for line in verdicts.of_text(found))


def _of_all(found: Overall, look: Looks, width: int) -> Iterator[RenderableType]:
    """Of many texts the means."""
    yield from (Text(f"{found.texts:,} texts", FADED), Text(), _lines(found, width), Text())
    if len(found.lines) > 1:
        yield from (agreement(found.agreement, look, width), Text())
    yield from _refused(found.refused)
    yield from (Text(line, "bold") for line in verdicts.of_all(found))


def _look(console: Console, background: str) -> Looks:
    """Of signed or unsigned shares the look; none where there are no colours."""
    colours = console.color_system
    if not colours:
        return lambda signed: lambda share: Style()
    return lambda signed: partial(palette.style, signed=signed, background=background, colours=colours)


def _texts(console: Console, found: Comparison, look: Looks, width: int) -> Iterator[Text]:
    """The text once for each side, line by line below each other."""
    names = lettered([side.name for side in found.sides])
    margin = max(map(cell_len, names)) + 2
    bodies = []
    for side in found.sides:
        evidence = side.explanation.evidence
        assert isinstance(evidence, Attribution)
        bodies.append(_wrapped(console, side.explanation, evidence, look(side.signed), max(width - margin, 10)))
    for i in range(max(map(len, bodies))):
        if i:
            yield Text()
        for name, body in zip(names, bodies, strict=True):
            if i < len(body):
                yield Text.assemble((filled(name, margin), FADED), body[i])


def _wrapped(console: Console, explanation: Explanation, evidence: Attribution, look: Look, width: int) -> list[Text]:
    if not console.color_system:
        return list(Text(plain.marked(explanation, evidence)).wrap(console, width))
    return list(picture.running(explanation, evidence, look).wrap(console, width))


def _tokens(found: Comparison, look: Looks, width: int) -> RenderableType:
    """Tokens by sides: all of them, or those with the largest scores of any side, in the order of the text."""
    largest = [max(abs(row[i]) for row in found.scores) for i in range(len(found.tokens))]
    shown = sorted(sorted(range(len(largest)), key=lambda i: (-largest[i], i))[:TOKENS])
    token = min(NAME, max(cell_len(visible(found.tokens[i].text)) for i in shown))
    size = fitting(width - token - 1, len(found.sides))
    lines = [Text(" " * (token + 1) + head(len(found.sides), size), "bold")]
    for i in shown:
        line = Text(filled(visible(found.tokens[i].text), token) + " ")
        for side, row in zip(found.sides, found.scores, strict=True):
            line.append_text(cell(row[i], size, look(side.signed), "+" if side.signed else ""))
        lines.append(line)
    rest = len(found.tokens) - len(shown)
    more = f"; {rest} more tokens have smaller ones (--format csv has all)" if rest else ""
    lines.append(Text(f"scores as shares of each column's largest{more}", FADED))
    return Group(*lines)


def _methods(found: Comparison, width: int) -> RenderableType:
    """How faithful each side is, and its cost."""
    rows = [(s.faithful, share(s.faithful), s.name in found.best, s.milliseconds, s.passes) for s in found.sides]
    return _table([side.name for side in found.sides], rows, found.random, share(found.random), width)


def _lines(found: Overall, width: int) -> RenderableType:
    """The same of many texts, with intervals."""
    rows = []
    for line in found.lines:
        mean = line.faithful.mean if line.faithful else None
        rows.append((mean, interval(line.faithful), line.name in found.best, line.milliseconds, line.passes))
    random = found.random.mean if found.random else None
    return _table([line.name for line in found.lines], rows, random, interval(found.random), width)


Row = tuple[float | None, str, bool, float, Passes]


def _table(names: Sequence[str], rows: Sequence[Row], random: float | None, chance: str, width: int) -> RenderableType:
    """Names, bars of faithfulness from 0, the worst order of the tokens, to 1, the best, and costs."""
    named = lettered(names)
    name, said = max(map(cell_len, [*named, "  random order"])) + 2, max(map(len, [chance, *(row[1] for row in rows)]))
    bar = max(0, min(BAR, width - name - said - 29))
    head = f"{'':{name}}{'faithful':<{bar + 1 + said}}{'ms':>9}{'forward':>9}{'backward':>9}"
    lines = [Text(head, "bold")]
    for label, (value, words, best, milliseconds, passes) in zip(named, rows, strict=True):
        line = Text(filled(label, name), "bold" if best else "").append_text(_bar(value, bar, best))
        cost = f"{number(milliseconds):>9}{_count(passes.forward):>9}{_count(passes.backward):>9}"
        lines.append(line.append(f" {words:<{said}}").append(cost, "not bold"))
    lines.append(Text(f"{'  random order':<{name}}", FADED).append_text(_bar(random, bar, False)).append(f" {chance}"))
    lines.append(Text(LEGEND, FADED))
    return Group(*lines)


def _bar(value: float | None, width: int, best: bool) -> Text:
    filled = round(min(1.0, max(0.0, value or 0.0)) * width)
    return Text("\u2501" * filled, "" if best else FADED).append("\u2500" * (width - filled), f"{FADED} dim")


def _count(passes: float) -> str:
    return f"{passes:,.0f}" if passes == round(passes) or passes >= 100 else f"{passes:.1f}"


def _refused(found: Mapping[str, str]) -> Iterator[Text]:
    """What is missing, and why; a reason that several share once."""
    for reason in dict.fromkeys(found.values()):
        names = [name for name, own in found.items() if own == reason]
        yield Text(f"left out: {listed(names)}: {visible(reason)}", FADED)
    if found:
        yield Text()
