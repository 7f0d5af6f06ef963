"""Texts to tokens with exact offsets: words of English reviews, single characters of Chinese."""

from __future__ import annotations

import re

from rnnx.types import Token

# Signs that belong to the letter before them: accents, vowel signs, the hyphen that only shows at a line's end.
_SIGN = (
    r"\u00ad\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u05bf\u05c1-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed"
    r"\u0900-\u0963\u0966-\u0dff\u0e31-\u0e3a\u0e47-\u0e4e\u1ab0-\u1aff\u1dc0-\u1dff\u200c\u200d\u20d0-\u20ff"
)
_LETTER = r"[^\W\d_\u3040-\u30ff\u3400-\u9fff]"  # a letter of a script that separates its words
_WORD = rf"{_LETTER}(?:{_LETTER}|[\d{_SIGN}])*"
_APOSTROPHE = r"['\u2019]"
_PICTURE = r"[\u2190-\u21ff\u2300-\u27bf\u2900-\u297f\u2b00-\u2bff\U0001f000-\U0001faff]"
_MODIFIED = rf"{_PICTURE}[\ufe0e\ufe0f\u20e3\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]*"
# White space, HTML line breaks, and what no reader sees: marks of direction, joiners without anything to join.
_GAP = r"(?:[\s\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]+|<br\s*/?>)"

# The first alternative that fits wins, so the order matters.
_PIECES = re.compile(
    "|".join(
        (
            rf"(?P<gap>{_GAP})",
            r"(?:https?://|www\.)[^\s<>]+",
            r"<3|(?<![\d:])[:;=][-'^]?(?:[()\[\]|/\\*]+|[DPpO](?!\w))",  # emoticons
            r"[\U0001f1e6-\U0001f1ff]{2}",  # flags
            rf"{_MODIFIED}(?:\u200d{_MODIFIED})*",  # emoji, with skin tones and joined families
            r"[\d#*]\ufe0f?\u20e3",  # keycaps
            r"\d+(?:[.,:/]\d+)*",  # 8, 3.5, 10/10
            rf"(?:{_LETTER}\.){{2,}}",  # U.S.
            rf"{_WORD}?(?=n{_APOSTROPHE}t(?!\w))",  # the do of don't; as in the Penn Treebank
            rf"n{_APOSTROPHE}t(?!\w)",
            rf"{_APOSTROPHE}(?:s|m|d|ll|re|ve)(?!\w)",
            rf"{_WORD}(?:{_APOSTROPHE}(?!(?:s|m|d|ll|re|ve)(?!\w)){_WORD})*",  # o'clock
            r"([^\w\s])\2*[\ufe0e\ufe0f]*",  # punctuation, repeated: ... !!!
            rf".[{_SIGN}\ufe0e\ufe0f]*",
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
