"""Words to put in the place of others: those of given texts, in their order, or of the vocabulary by their rank."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rnnx.models.protocols import Array, Differentiable, Integers
from rnnx.settings import Texts

NOTHING = -1  # what stands before the first word

Follower = Callable[[Integers, Array], Integers]


def by_rank(model: Differentiable) -> Callable[[Array], Integers]:
    """Draws words of the vocabulary, from random numbers in [0, 1), by Zipf's law: half as often at twice the rank.

    The rank is that of the frequency in the training data, for models that rnnx trained.
    """
    words = model.word_ids
    up_to: Array = np.cumsum(1 / np.arange(1, len(words) + 1))
    return lambda at: words[np.searchsorted(up_to, at * up_to[-1], side="right")]


def follower(model: Differentiable, references: Texts | None) -> Follower:
    """Draws a word that may stand after another: from ids (n,) and random numbers (n, 2) from [0, 1), ids (n,).

    By the bigrams of the references, the ids of texts: after a word, or the beginning, that is there n times with k
    different followers, one of these n in n of n + k cases, and else any word (Witten & Bell 1991). Words that the
    model does not know are never drawn. Without references, or if it knows none of them, as ``by_rank``, whatever
    stands before.
    """
    pairs = [np.stack([np.append(NOTHING, text[:-1]), text]) for text in references or ()]
    before, every = np.concatenate(pairs, axis=1) if pairs else np.empty((2, 0), int)
    known = every != model.unknown
    if not known.any():
        any_word = by_rank(model)
        return lambda before, at: any_word(at[:, 1])
    before, every = before[known], every[known]
    order = np.argsort(before, kind="stable")
    before, after = before[order], every[order]
    kinds = np.unique(np.stack([before, after]), axis=1)[0]

    def draw(words: Integers, at: Array) -> Integers:
        first, count = _found(before, words)
        different = _found(kinds, words)[1]
        follows = at[:, 0] * (count + different) < count
        drawn: Integers = every[(at[:, 1] * len(every)).astype(int)]
        drawn[follows] = after[(first + at[:, 1] * count).astype(int)[follows]]
        return drawn

    return draw


def _found(sorted_: Integers, words: Integers) -> tuple[Integers, Integers]:
    """Where each word begins in a sorted list, and how often it is there."""
    first = np.searchsorted(sorted_, words, "left")
    return first, np.searchsorted(sorted_, words, "right") - first
