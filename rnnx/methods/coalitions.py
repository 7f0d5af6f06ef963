"""What a text is worth with only some of its tokens: the game whose prize Shapley values share out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from rnnx.methods.perturbation import falls
from rnnx.methods.removal import Removed
from rnnx.models.protocols import Array, Batch, Classifier, Integers, Mask
from rnnx.models.scores import score
from rnnx.models.seeds import Rngs, numbers
from rnnx.models.variants import Variants, logits

AT_ONCE = 2**20  # tokens of coalitions that are written out together: some 50 MB, with what is taken away
WORTHS = 2**22  # of all coalitions of texts, that are known together, or those of one text


class Coalitions(NamedTuple):
    """Of the texts ``text`` (N,) of a batch the tokens that are ``there`` (N, T), whatever that says of padding.

    ``at`` (N, T, 2): where words are drawn in place of those taken away, the random numbers from [0, 1) for each.
    """

    text: Integers
    there: Mask
    at: Array | None = None


class Game(NamedTuple):
    """Texts of which a coalition of tokens is worth the score ``of`` the target that a model gives it, the other tokens
    ``removed``.
    """

    model: Classifier
    batch: Batch
    target: Integers
    removed: Removed
    of: str

    @property
    def draws(self) -> bool:
        """Whether the words in place of those taken away are drawn, and worths with them."""
        return self.removed.draw is not None

    def among(self, rows: Integers, tokens: int | None = None) -> Game:
        """The same with some of the texts, padded to so many ``tokens``, or as they were."""
        batch = Batch(self.batch.ids[rows, :tokens], self.batch.lengths[rows])
        return self._replace(batch=batch, target=self.target[rows])

    def worths(self, parts: Iterable[Coalitions]) -> Array:
        """Of the coalitions of all parts, one part after the other, (N,)."""
        found = []
        for part in parts:
            variants = self._without(part)
            found.append(score(logits(self.model, variants), self.target[part.text], self.of))
        return np.concatenate(found)

    def gains(self, parts: Iterable[Coalitions]) -> Array:
        """The same, each less the worth of its text: exactly 0 where nothing was changed."""
        return -np.concatenate([falls(self.model, self._without(part), self.target, self.of) for part in parts])

    def _without(self, part: Coalitions) -> Variants:
        """The texts with the words that are not there taken away."""
        variant, place = np.nonzero(~part.there & self.batch.mask[part.text])
        words = np.empty(0) if part.at is None else part.at[variant, place]
        return self.removed.replaced(self.batch, part.text, variant, place, words)

    def of_all(self, rows: Integers) -> Iterator[tuple[Integers, Array]]:
        """Of these texts some of each length T, and the worths (B, 2^T) of all their coalitions, by number."""
        lengths = self.batch.lengths[rows]
        for size in np.unique(lengths).tolist():
            same = rows[lengths == size]
            for own in np.split(same, range(max(1, WORTHS >> size), len(same), max(1, WORTHS >> size))):
                yield own, self.among(own, size).worths(_every(len(own), size)).reshape(len(own), -1)

    def with_words(self, text: Integers, there: Mask, rngs: Rngs) -> Iterator[Coalitions]:
        """Coalitions in any number, each with words of its own, by the generator of its text."""
        for part in pieces(*there.shape):
            own = text[part]
            at = numbers(own, rngs, 2 * self.batch.lengths).reshape(len(own), -1, 2) if self.draws else None
            yield Coalitions(own, there[part], at)


def _every(texts: int, size: int) -> Iterator[Coalitions]:
    for part in pieces(texts << size, size):
        text, number = np.divmod(part, 1 << size)
        yield Coalitions(text, subsets(size, number))


def pieces(count: int, size: int) -> Iterator[Integers]:
    """The numbers of ``count`` coalitions of texts of ``size`` tokens, in parts that are written out together."""
    return (np.arange(part.start, part.stop) for part in parts(count, size))


def parts(count: int, size: int) -> Iterator[slice]:
    """The rows of a matrix (count, size), so many together as are written out together."""
    at_once = max(1, AT_ONCE // size)
    return (slice(start, min(start + at_once, count)) for start in range(0, count, at_once))


def subsets(size: int, numbers: Integers) -> Mask:
    """The subsets (N, size) of so many tokens that have these numbers, the first token for the highest bit."""
    found: Mask = (numbers[:, None] >> np.arange(size)[::-1] & 1).astype(bool)
    return found
