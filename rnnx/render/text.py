"""Text from users is data: what could steer a terminal is made visible instead."""

from __future__ import annotations

import re

# C0 and C1 controls, delete, characters that reorder, hide or join text unseen, and lone surrogates.
UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\ud800-\udfff]"
)
_SHOWN = {"\n": "\n", "\t": "    ", "\u00ad": "", "\x7f": "\u2421"}


def visible(text: str) -> str:
    """The text with control characters as symbols (ESC becomes U+241B) or escapes, tabs as blanks, no soft hyphens."""
    return UNSAFE.sub(_symbol, text.replace("\r\n", "\n"))


def _symbol(match: re.Match[str]) -> str:
    found = _SHOWN.get(match[0])
    if found is None:
        code = ord(match[0])
        found = chr(0x2400 + code) if code < 0x20 else escape(match)
    return found


def escape(match: re.Match[str]) -> str:
    """A character as \\u and four digits, which is also what JSON wants."""
    return f"\\u{ord(match[0]):04x}"


def number(value: float) -> str:
    """A score to three digits."""
    if not value:
        return "0"
    text = f"{value:.3g}" if abs(value) < 0.01 or abs(value) >= 1000 else f"{value:.2f}"
    return text.replace("-", "\u2212", 1) if value < 0 else text


def signed(value: float) -> str:
    """A score with its sign, a real minus."""
    return ("+" if value > 0 else "\u2212" if value < 0 else "") + number(abs(value))


def percent(share: float) -> str:
    """A share of 1 as a percentage that says 0 or 100 only where it is."""
    text = f"{share:.1%}"
    if text == "100.0%" and share < 1:
        return ">99.9%"
    return "<0.1%" if text == "0.0%" and share > 0 else text
