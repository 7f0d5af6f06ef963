"""Words to ids. Id 0 is padding, id 1 stands for every unknown word."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

PAD, UNKNOWN = 0, 1
SPECIAL = ("<pad>", "<unk>")
_REPEATED = re.compile(r"(.)\1{2,}")  # the o of sooo


@dataclass(frozen=True)
class Vocabulary:
    """``words[id]`` is the word; the first two are ``SPECIAL``."""

    words: tuple[str, ...]
    lowercase: bool = True

    def __len__(self) -> int:
        return len(self.words)

    @cached_property
    def index(self) -> dict[str, int]:
        """Word -> id, without the special ones: a text that says <pad> is not padding."""
        return {word: i for i, word in enumerate(self.words) if i > UNKNOWN}

    def id(self, token: str) -> int:
        """The id of a token; an elongated word (sooo) counts as its shorter form where only that is known."""
        word = normal(token, self.lowercase)
        found = self.index.get(word)
        if found is None and _REPEATED.search(word):
            found = self.index.get(_REPEATED.sub(r"\1\1", word)) or self.index.get(_REPEATED.sub(r"\1", word))
        return UNKNOWN if found is None else found

    def ids(self, tokens: Sequence[str]) -> list[int]:
        """One id a token."""
        get, any_case = self.index.get, not self.lowercase
        # What is in its normal form already needs no more than a look.
        return [
            (get(token) if token.isascii() and (any_case or token.islower()) else None) or self.id(token)
            for token in tokens
        ]


def normal(token: str, lowercase: bool) -> str:
    """The form in which a token is looked up: one apostrophe, no soft hyphens and, if asked for, lower case."""
    word = token.replace("\u2019", "'").replace("\u00ad", "")
    return word.lower() if lowercase else word


def build(texts: Iterable[Sequence[str]], size: int, min_count: int, lowercase: bool) -> Vocabulary:
    """The ``size`` most frequent words that occur at least ``min_count`` times, ties in alphabetical order."""
    counts = Counter(normal(token, lowercase) for tokens in texts for token in tokens)
    ranked = sorted((-n, word) for word, n in counts.items() if n >= min_count and word not in SPECIAL)
    return Vocabulary((*SPECIAL, *(word for _, word in ranked[:size])), lowercase)
