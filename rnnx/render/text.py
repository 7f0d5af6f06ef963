"""Text from users is data: what could steer a terminal is made visible instead."""

from __future__ import annotations

import re

# C0 and C1 controls, delete, the invisible characters that reorder or hide text, and lone surrogates.
UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]|[\ud800-\udfff]")


def visible(text: str) -> str:
    """The text with control characters as symbols (ESC becomes U+241B) or as escapes, tabs as blanks."""
    return UNSAFE.sub(_symbol, text.replace("\r\n", "\n"))


def _symbol(match: re.Match[str]) -> str:
    code = ord(match[0])
    if match[0] in "\n\t":
        return {"\n": "\n", "\t": "    "}[match[0]]
    if code < 0x20:
        return chr(0x2400 + code)
    return "\u2421" if code == 0x7F else escape(match)


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
