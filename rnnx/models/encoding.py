"""From texts to ids, and on to what a classifier makes of them: the same for all engines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from rnnx.models.batching import padded
from rnnx.models.protocols import Batch, Integers
from rnnx.text.vocabulary import SPECIAL
from rnnx.types import Token


class Words(Protocol):
    """Words to ids; 0 is padding, 1 an unknown word."""

    def __len__(self) -> int:
        """How many ids."""

    def ids(self, words: Sequence[str]) -> list[int]:
        """One a word."""


class Encoder:
    """What an engine's classifier takes over: its own ``tokenize`` and ``vocabulary`` turn texts into ids."""

    tokenize: Callable[[str], tuple[Token, ...]]
    vocabulary: Words

    @property
    def word_ids(self) -> Integers:
        """The ids of all words, without the special ones; the most frequent first, where the vocabulary is so."""
        return np.arange(len(SPECIAL), len(self.vocabulary))

    def collate(self, tokens: Sequence[Sequence[Token]], texts: Sequence[str] = ()) -> Batch:
        """Ids padded on the right; what stands between the tokens is not read. Raises DataError for one without any."""
        ids = [self.vocabulary.ids([token.text for token in text]) for text in tokens]
        return replace(padded(ids), tokens=tokens)

    def encode(self, texts: Sequence[str]) -> Batch:
        """Texts as ids. Raises DataError for a text without tokens, TypeError for one string."""
        if isinstance(texts, str):
            raise TypeError("texts is one string; give a list")
        return self.collate([self.tokenize(text) for text in texts])
