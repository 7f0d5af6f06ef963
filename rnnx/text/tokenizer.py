"""Texts to tokens with exact offsets: words of English reviews, single characters of Chinese."""

from __future__ import annotations

import re

from rnnx.types import Token

_LETTER = r"[^\W\d_\u3040-\u30ff\u3400-\u9fff]"  # a letter of a script that separates its words
_WORD = rf"{_LETTER}(?:{_LETTER}|[\d\u0300-\u036f])*"
_APOSTROPHE = r"['\u2019]"
_PICTURE = r"[\u2190-\u21ff\u2300-\u27bf\u2900-\u297f\u2b00-\u2bff\U0001f000-\U0001faff]"
_MODIFIED = rf"{_PICTURE}[\ufe0e\ufe0f\U0001f3fb-\U0001f3ff]*"

# The first alternative that fits wins, so the order matters.
_PIECES = re.compile(
    "|".join(
        (
            r"(?P<gap>\s+|<br\s*/?>)",  # an HTML line break is white space
            r"(?:https?://|www\.)[^\s<>]+",
            r"<3|(?<![\d:])[:;=][-'^]?(?:[()\[\]|/\\*]+|[DPpO](?!\w))",  # emoticons
            r"[\U0001f1e6-\U0001f1ff]{2}",  # flags
            rf"{_MODIFIED}(?:\u200d{_MODIFIED})*",  # emoji, with skin tones and joined families
            r"\d+(?:[.,:/]\d+)*",  # 8, 3.5, 10/10
            rf"(?:{_LETTER}\.){{2,}}",  # U.S.
            rf"{_WORD}?(?=n{_APOSTROPHE}t(?!\w))",  # the do of don't; as in the Penn Treebank
            rf"n{_APOSTROPHE}t(?!\w)",
            rf"{_APOSTROPHE}(?:s|m|d|ll|re|ve)(?!\w)",
            rf"{_WORD}(?:{_APOSTROPHE}(?!(?:s|m|d|ll|re|ve)(?!\w)){_WORD})*",  # o'clock
            r"([^\w\s])\2*",  # punctuation, repeated: ... !!!
            r".",
        )
    ),
    re.IGNORECASE | re.DOTALL,
)


def words(text: str) -> tuple[Token, ...]:
    """Split into words, numbers, emoticons, emoji and punctuation; Chinese and Japanese into characters.

    Contractions are split as in the Penn Treebank (do|n't, it|'s), so that a negation is a token.
    """
    return tuple(Token(m[0], m.start(), m.end()) for m in _PIECES.finditer(text) if m.lastgroup != "gap")


TOKENIZERS = {"words": words}
