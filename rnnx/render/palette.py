"""Scores to styles: blue for, vermillion against, purple where there is no sign.

The hues are those of Okabe & Ito (2008), which colour-blind people tell apart; bold (for) and underline
(against) repeat what they say. A score's box grows from the terminal's background to the full colour. Where
the background is not known, all colours keep one luminance in the middle between black and white, so that
text in them and boxes of them are readable on both, and a stronger score has more colour instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from itertools import product

from rich.color import Color
from rich.color_triplet import ColorTriplet
from rich.style import Style

from rnnx.render.summary import FAINT, MARKED, STRONG

RGB = tuple[int, int, int]

FOR, AGAINST, UNSIGNED = (0, 114, 178), (213, 94, 0), (146, 80, 160)
BACKGROUNDS: dict[str, RGB] = {"dark": (24, 24, 24), "light": (255, 255, 255)}
MIDDLE = 0.18  # the luminance that has the same contrast, 4.6, to black and to white
_HUES = {"for": FOR, "against": AGAINST, "unsigned": UNSIGNED}
_BASIC = {"for": "cyan", "against": "yellow", "unsigned": "magenta"}
_BASIC_LIGHT = {"for": "blue", "against": "red", "unsigned": "magenta"}
_STEPS = 20
_CUBE = (0, 95, 135, 175, 215, 255)


def theme(choice: str, environ: Mapping[str, str]) -> str:
    """As asked for, else as the terminal says in COLORFGBG: "dark", "light" or "unknown" at the end."""
    if choice != "auto":
        return choice
    background = environ.get("COLORFGBG", "").rpartition(";")[2]
    if not background.isdigit():
        return "unknown"
    return "light" if int(background) in (7, *range(9, 16)) else "dark"


def style(share: float, *, signed: bool, background: str = "unknown", colours: str = "truecolor") -> Style:
    """The look of a token whose score is ``share`` (-1 to 1) of the largest absolute score of its text.

    ``colours`` are the terminal's: "truecolor", "256" or "standard", 16 whose shades are its own, so that a box
    must be reversed text.
    """
    strength = min(abs(share), 1.0)
    if strength < FAINT:
        return Style()
    side = ("for" if share > 0 else "against") if signed else "unsigned"
    marked = strength >= MARKED
    bold, underline = marked and side != "against", marked and side == "against"
    if colours == "standard":
        color = (_BASIC_LIGHT if background == "light" else _BASIC)[side]
        return Style(color=color, bold=bold, underline=underline, reverse=strength >= STRONG)
    return _style(_HUES[side], round(strength * _STEPS) / _STEPS, background, colours == "256", bold, underline)


def bar(share: float, *, signed: bool, background: str = "unknown", colours: str = "truecolor") -> Style:
    """The colour of a bar of this sign, on any background; as of ``style``."""
    side = ("for" if share >= 0 else "against") if signed else "unsigned"
    if colours == "standard":
        return Style(color=(_BASIC_LIGHT if background == "light" else _BASIC)[side])
    return Style(color=_color((cube if colours == "256" else lambda rgb: rgb)(level(_HUES[side], 1.0))))


@cache
def _style(hue: RGB, strength: float, background: str, cubed: bool, bold: bool, underline: bool) -> Style:
    fit = cube if cubed else lambda rgb: rgb
    if background in BACKGROUNDS:
        box = fit(mix(BACKGROUNDS[background], hue, strength))
        return Style(color=_color(ink(box)), bgcolor=_color(box), bold=bold, underline=underline)
    if strength < MARKED:
        return Style(color=_color(fit(level(hue, 1.0))), bold=bold, underline=underline)
    box = fit(level(hue, strength))
    return Style(color=_color(ink(box)), bgcolor=_color(box), bold=bold, underline=underline)


def cube(rgb: RGB) -> RGB:
    """The nearest of the 256 colours' cube that is not a grey, so that a faint blue is no faint vermillion."""
    nearest = min(
        (c for c in product(_CUBE, repeat=3) if len(set(c)) > 1),
        key=lambda c: sum((a - b) ** 2 for a, b in zip(c, rgb, strict=True)),
    )
    return nearest[0], nearest[1], nearest[2]


def mix(start: RGB, end: RGB, share: float) -> RGB:
    """The colour ``share`` of the way from start to end."""
    r, g, b = (round(s + (e - s) * share) for s, e in zip(start, end, strict=True))
    return r, g, b


def level(hue: RGB, strength: float) -> RGB:
    """The hue at the middle luminance, mixed with grey of that luminance: 0 is grey, 1 the full colour."""
    scale = MIDDLE / luminance(hue)
    r, g, b = (_byte(strength * min(scale * _linear(v), 1) + (1 - strength) * MIDDLE) for v in hue)
    return r, g, b


def ink(box: RGB) -> RGB:
    """Black or white, whichever is easier to read on this colour."""
    return (255, 255, 255) if luminance(box) <= MIDDLE + 0.005 else (0, 0, 0)


def contrast(one: RGB, other: RGB) -> float:
    """Contrast ratio as defined by WCAG 2, from 1 to 21."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def luminance(colour: RGB) -> float:
    """Relative luminance as defined by WCAG 2."""
    r, g, b = (_linear(v) for v in colour)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def _linear(byte: int) -> float:
    v = byte / 255
    return v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4


def _byte(linear: float) -> int:
    v = 12.92 * linear if linear <= 0.0031308 else 1.055 * linear ** (1 / 2.4) - 0.055
    return round(255 * v)


def _color(rgb: RGB) -> Color:
    return Color.from_triplet(ColorTriplet(*rgb))
