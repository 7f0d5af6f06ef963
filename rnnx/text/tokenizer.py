"""Texts to tokens with exact offsets: words of English reviews, characters or words of Chinese, characters of any."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any
from unicodedata import category

from rnnx.errors import ConfigError
from rnnx.types import Token

# Signs that belong to the letter before them: accents, vowel signs, the hyphen that only shows at a line's end.
_SIGN = (
    r"\u00ad\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u05bf\u05c1-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed"
    r"\u0900-\u0963\u0966-\u0dff\u0e31-\u0e3a\u0e47-\u0e4e\u1ab0-\u1aff\u1dc0-\u1dff\u200c\u200d\u20d0-\u20ff"
)
_HAN = r"\u3005\u3007\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_LETTER = rf"[^\W\d_\u3040-\u30ff{_HAN}]"  # a letter of a script that separates its words
_WORD = rf"{_LETTER}(?:{_LETTER}|[\d{_SIGN}])*"
_APOSTROPHE = r"['\u2019]"
_PICTURE = r"[\u2190-\u21ff\u2300-\u27bf\u2900-\u297f\u2b00-\u2bff\U0001f000-\U0001faff]"
_MODIFIED = rf"{_PICTURE}[\ufe0e\ufe0f\u20e3\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]*"
# White space, and what no reader sees: HTML tags (those of formatted text: a <sigh> is a word), marks of direction,
# joiners without anything to join.
_TAG = r"</?(?:b|big|blockquote|br|center|div|em|font|h[1-6]|hr|i|li|ol|p|s|small|span|strong|su[bp]|u|ul)\s*/?>"
_GAP = rf"(?:[\s\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]+|{_TAG})"
_PICTURES = (
    r"[\U0001f1e6-\U0001f1ff]{2}",  # flags
    rf"{_MODIFIED}(?:\u200d{_MODIFIED})*",  # emoji, with skin tones and joined families
    r"[\d#*]\ufe0f?\u20e3",  # keycaps
)

# An address ends before the punctuation of its sentence; what it opens in round brackets it closes.
_ADDRESS = r"[^\s<>()\u3000-\u303f\uff00-\uff65]"
_IN_BRACKETS = rf"\({_ADDRESS}*\)"
_URL = rf"(?:https?://|www\.)(?:{_ADDRESS}|{_IN_BRACKETS})*(?:(?![.,:;!?'\"*\u2019\u201d\u2026\]}}]){_ADDRESS}|{_IN_BRACKETS})"

_FACE = r"(?<![\d:])[:;=][-'^]?(?:[()\[\]|/\\*]++|[DPpO](?!\w))"
# Between two letters or digits it is punctuation: cast:(Tom).
_EMOTICON = rf"<3|(?<!{_LETTER}){_FACE}|{_FACE}(?!{_LETTER}|\d)"

_FLAGS = re.IGNORECASE | re.DOTALL
_SIGNS = rf"[{_SIGN}\ufe00-\ufe0f\U000e0100-\U000e01ef]"

# The first alternative that fits wins, so the order matters.
_ALTERNATIVES = (
    rf"(?P<gap>{_GAP})",
    _URL,
    r"&(?:[a-z]{2,8}|#\d{1,7}|#x[\da-f]{1,6});",  # HTML for a character, as &amp;
    _EMOTICON,
    *_PICTURES,
    r"\d+(?:[.,:/]\d+)*",  # 8, 3.5, 10/10
    rf"(?:{_LETTER}\.){{2,}}",  # U.S.
    rf"{_WORD}?(?=n{_APOSTROPHE}t(?!\w))",  # the do of don't; as in the Penn Treebank
    rf"n{_APOSTROPHE}t(?!\w)",
    rf"{_APOSTROPHE}(?:s|m|d|ll|re|ve)(?!\w)",
    rf"{_WORD}(?:{_APOSTROPHE}(?!(?:s|m|d|ll|re|ve)(?!\w)){_WORD})*",  # o'clock
    r"([^\w\s])\2*[\ufe0e\ufe0f]*",  # punctuation, repeated: ... !!!
    rf".{_SIGNS}*",
)
_PLAIN = r"[a-z]+(?=[ \n])"  # what most tokens are, found in a fraction of the time that the others take to fail
_PIECES = re.compile("|".join((_PLAIN, *_ALTERNATIVES)), _FLAGS)
_CHINESE = rf"(?P<chinese>[{_HAN}]{{2,}}(?!{_SIGNS}))"
_WITH_CHINESE = "|".join((*_ALTERNATIVES[:-1], _CHINESE, _ALTERNATIVES[-1]))
_CHARACTERS = "|".join((rf"(?P<gap>{_GAP})", *_PICTURES, r"."))


def words(text: str) -> tuple[Token, ...]:
    """Split into words, numbers, emoticons, emoji and punctuation; Chinese and Japanese into characters.

    Contractions are split as in the Penn Treebank (do|n't, it|'s), so that a negation is a token. HTML tags that
    only form a text (<br />, <i>) are passed over, a character written in HTML (&amp;) is one token.
    """
    new = tuple.__new__  # Token(...) takes twice as long
    found = _PIECES.finditer(text)
    return tuple([new(Token, (m[0], m.start(), m.end(), "")) for m in found if m.lastgroup != "gap"])


def characters(text: str) -> tuple[Token, ...]:
    """Every visible character with the accents and vowel signs that belong to it; an emoji is one, however long."""
    starts: list[int] = []
    ends: list[int] = []
    for m in re.finditer(_CHARACTERS, text, _FLAGS):
        if m.lastgroup == "gap":
            continue
        if ends and ends[-1] == m.start() and category(m[0][0]).startswith("M"):
            ends[-1] = m.end()
        else:
            starts.append(m.start())
            ends.append(m.end())
    return tuple(Token(text[start:end], start, end) for start, end in zip(starts, ends, strict=True))


def jieba(text: str) -> tuple[Token, ...]:
    """As ``words``, but Chinese is split into words too, by jieba. Raises ConfigError where that is missing."""
    return tuple(_with_chinese(text, _jieba().cut))


def _with_chinese(text: str, cut: Callable[[str], Iterator[str]]) -> Iterator[Token]:
    for m in re.finditer(_WITH_CHINESE, text, _FLAGS):
        at = m.start()
        for piece in cut(m[0]) if m.lastgroup == "chinese" else [m[0]] if m.lastgroup != "gap" else []:
            yield Token(piece, at, at + len(piece))
            at += len(piece)


@cache
def _jieba() -> Any:
    """The tokenizer of jieba with its dictionary, which takes most of a second to read."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of its imports, which are no business of ours
            import jieba
    except ImportError:
        raise ConfigError("the tokenizer jieba is not installed", 'pip install "rnnx[chinese]"') from None
    tokenizer = jieba.Tokenizer()
    # Not its own initialize(), which talks, and trusts and writes a cache in the folder that all users share; the
    # cache saves no time.
    tokenizer.FREQ, tokenizer.total = tokenizer.gen_pfdict(tokenizer.get_dict_file())
    tokenizer.initialized = True
    return tokenizer


TOKENIZERS = {"words": words, "characters": characters, "jieba": jieba}
