"""A text classifier that is a function of strings: whatever its tokens are, it is only ever asked about whole texts.

A change of a text is a change of its characters: a token is cut out, or written over, where it stands. Nothing is put
together again from words, so that spaces, quotes and line breaks stay as they were.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from importlib import import_module
from itertools import islice, pairwise
from typing import Any, NamedTuple

import numpy as np

from rnnx.errors import ModelError, Unsupported
from rnnx.models.batching import padded
from rnnx.models.progress import tell
from rnnx.models.protocols import Array, Batch
from rnnx.models.variants import ABSENT, Variants
from rnnx.text.tokenizer import TOKENIZERS, words
from rnnx.types import Token

AT_ONCE = 256  # texts that the function is asked about together
KEPT = 2**17  # pieces of texts that were read last, some 50 MB; more only of those that are read together
TOGETHER = 1e-3  # by which probabilities may miss 1
LEAST = 1e-12  # probability: below it, logits would say more than the numbers that they are made of

Answers = Callable[[list[str]], Any]  # texts to probabilities, (N, classes), or (N,) of the second of two classes


class Piece(NamedTuple):
    """A token and the characters around it that belong to no other: before it, and behind the last one."""

    before: str
    text: str
    after: str = ""


@dataclass(frozen=True)
class FunctionClassifier:
    """Meets ``Classifier``: enough for every method that only changes the text. An id stands for a ``Piece``."""

    name: str
    labels: tuple[str, ...]
    answers: Answers
    tokenize: Callable[[str], tuple[Token, ...]] = words
    mask: str = "[UNK]"
    fields: tuple[str, ...] = ()
    provides: frozenset[str] = frozenset()
    unknown: int = 1
    pieces: dict[int, Piece] = field(default_factory=dict, repr=False)  # by id

    def __post_init__(self) -> None:
        self.pieces[self.unknown] = Piece("", self.mask)

    def collate(self, tokens: Sequence[Sequence[Token]], texts: Sequence[str] = ()) -> Batch:
        """Pieces as ids. Of tokens without their texts it is not known what stands between them: spaces, then."""
        texts = texts or [_spaced(each) for each in tokens]
        rows = [[self._id(piece) for piece in _cut(*each)] for each in zip(tokens, texts, strict=True)]
        batch = replace(padded(rows), tokens=tokens)
        self._forget(len({self.unknown}.union(*rows)))
        return batch

    def encode(self, texts: Sequence[str]) -> Batch:
        """Texts as ids. Raises DataError for a text without tokens, TypeError for one string."""
        if isinstance(texts, str):
            raise TypeError("texts is one string; give a list")
        return self.collate([self.tokenize(text) for text in texts], texts)

    def forward(self, batch: Batch) -> Array:
        """Logits (B, C): one, the log odds, for two classes, else the logs of the probabilities."""
        every = np.arange(len(batch.ids))
        none = np.empty(0, int)
        return self.variants(Variants.of(batch, every, none, none, none))

    def variants(self, variants: Variants) -> Array:
        """Logits (N, C) of changed texts, each different one asked about once. Raises ModelError, Unsupported."""
        if variants.extra is not None:
            raise Unsupported(f"{self.name} reads only words", "take tokens away by mask or delete")
        rows = variants.rows(self.unknown).tolist()
        bases = [(base, self._usual(base)) for base in variants.base.tolist()]
        written = zip(variants.text.tolist(), rows, strict=True)
        texts = [self._written(bases[i][0], bases[i][1], row) for i, row in written]
        different = iter(dict.fromkeys(texts))
        found: dict[str, Array] = {}
        while part := list(islice(different, AT_ONCE)):
            found |= zip(part, self._asked(part), strict=True)
            tell(len(part))
        return np.stack([found[text] for text in texts])

    def _id(self, piece: Piece) -> int:
        """Always the same for the same piece, as draws depend on it."""
        number = (
            int.from_bytes(blake2b("\0".join(piece).encode("utf-8", "surrogatepass"), digest_size=7).digest(), "big")
            + self.unknown
            + 1
        )
        self.pieces.pop(number, None)
        self.pieces[number] = piece  # the last of all
        return number

    def _forget(self, needed: int) -> None:
        """The pieces that were read longest ago, but the last ``needed`` ones."""
        self.pieces[self.unknown] = self.pieces.pop(self.unknown)
        for number in list(islice(self.pieces, max(0, len(self.pieces) - max(KEPT, needed)))):
            del self.pieces[number]

    def _piece(self, number: int) -> Piece:
        """What an id stands for. Raises ModelError for one of a batch of long ago."""
        if number not in self.pieces:
            raise ModelError(f"{self.name} remembers no more what the ids stand for", "collate the texts again")
        return self.pieces[number]

    def _usual(self, base: list[int]) -> str:
        """What most often stands between two words of a text: in Chinese, nothing."""
        pieces = [self._piece(symbol) for symbol in base if symbol != ABSENT]
        gaps = Counter(piece.before for last, piece in pairwise(pieces) if _touching(last.text, piece.text))
        return max(gaps, key=gaps.__getitem__, default=" ")

    def _written(self, base: list[int], usual: str, row: list[int]) -> str:
        """The text with what now stands at each place, after what stood before it; a token goes with the gap before it.

        The text begins and ends as it did. Words that come to stand side by side have a gap, as is ``usual``.
        """
        parts, as_before, last = list[str](), True, ""
        for old, new in zip(base, row, strict=True):
            stays, as_before = as_before and new in (old, self.unknown), new in (old, self.unknown)
            if new != ABSENT:
                word, gap = self._piece(new).text, self._piece(new if old == ABSENT else old).before
                parts += gap if gap or stays or not _touching(last, word) else usual, word
                last = word
        own = [self._piece(symbol) for symbol in base if symbol != ABSENT]
        return "".join([own[0].before, *parts[1:], own[-1].after])

    def _asked(self, texts: list[str]) -> Array:
        """Logits. Raises ModelError if the answers are no probabilities."""
        try:
            answers = np.asarray(self.answers(texts))
            found = answers.astype(np.float64, casting="same_kind" if np.iscomplexobj(answers) else "unsafe")
        except (Exception, SystemExit) as error:
            raise ModelError(f"{self.name} failed: {type(error).__name__}: {error}", "--debug shows where") from error
        count = len(self.labels)
        if count == 2 and found.shape in ((len(texts),), (len(texts), 1)):
            found = np.stack([1 - found.ravel(), found.ravel()], axis=1)
        if found.shape != (len(texts), count):
            asked = "1 text" if len(texts) == 1 else f"{len(texts)} texts"
            raise ModelError(
                f"{self.name} answers {asked} with an array of shape {found.shape}",
                f"it should give {count} probabilities a text, one a label: shape {(len(texts), count)}",
            )
        wrong = ~((found >= 0).all(axis=1) & (np.abs(found.sum(axis=1) - 1) <= TOGETHER))
        if wrong.any():
            row, values = texts[wrong.argmax()], ", ".join(f"{p:g}" for p in found[wrong.argmax()])
            raise ModelError(f"{self.name} answers {row!r} with {values}: no probabilities", "each row should sum to 1")
        logs: Array = np.log(found.clip(LEAST))
        return logs[:, 1:] - logs[:, :1] if count == 2 else logs


def wrap(
    answers: Answers,
    labels: Sequence[str],
    *,
    name: str | None = None,
    tokenizer: str | Callable[[str], tuple[Token, ...]] = "words",
    mask: str = "[UNK]",
) -> FunctionClassifier:
    """A classifier around a function from a list of texts to probabilities.

    ``answers`` gives one row a text and one column a label, or for two labels only the probability of the second.
    ``tokenizer`` says what a token of an explanation is: words, characters, jieba, or a function to ``Token``s with
    their offsets. ``mask`` is written in the place of a token that is masked. Raises ModelError for fewer than two
    different labels, or an unknown tokenizer.
    """
    named = name or str(getattr(answers, "__name__", type(answers).__name__))
    labels = tuple(map(str, labels))
    if len(set(labels)) != len(labels) or len(labels) < 2:
        raise ModelError(f"{named} has the labels {', '.join(labels) or 'none'}", "give two or more different ones")
    if isinstance(tokenizer, str) and tokenizer not in TOKENIZERS:
        raise ModelError(f"unknown tokenizer {tokenizer!r}", f"choose from {', '.join(TOKENIZERS)}")
    return FunctionClassifier(
        named, labels, answers, TOKENIZERS[tokenizer] if isinstance(tokenizer, str) else tokenizer, mask
    )


def load(place: str) -> FunctionClassifier:
    """The function ``module:function`` that a module of the path or of this folder holds; its ``labels`` are its own.

    Raises ModelError where there is none, or it has no labels.
    """
    module, name = place.split(":")
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        answers = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ModelError(f"no model {place!r}: {error}", "name a function as module:function") from None
    except (Exception, SystemExit) as error:
        reason = f"{type(error).__name__}: {error}"
        raise ModelError(f"{place}: importing {module} failed: {reason}", "--debug shows where") from error
    if not callable(answers) or not isinstance(getattr(answers, "labels", None), Iterable):
        hint = f'say which classes its probabilities are of: {name}.labels = ("negative", "positive")'
        raise ModelError(f"{place} is no function with labels", hint)
    return wrap(answers, answers.labels, name=place)


def _cut(tokens: Sequence[Token], text: str) -> list[Piece]:
    """A text in pieces, which put together give all of it."""
    ends = [0, *(token.end for token in tokens)]
    found = [
        Piece(text[end : token.start], text[token.start : token.end]) for end, token in zip(ends, tokens, strict=False)
    ]
    return [*found[:-1], found[-1]._replace(after=text[ends[-1] :])] if found else []


def _touching(last: str, word: str) -> bool:
    """Whether two tokens would be one word without a gap."""
    return bool(last) and last[-1].isalnum() and word[:1].isalnum()


def _spaced(tokens: Sequence[Token]) -> str:
    text = ""
    for token in tokens:
        text = text.ljust(token.start) + token.text
    return text
