"""Comprehensiveness and sufficiency on the scale that a text leaves: between the worst and the best order of tokens."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from rnnx.methods.coalitions import Game, pieces
from rnnx.metrics.erasure import falls, game, worth
from rnnx.metrics.ranking import places
from rnnx.models.protocols import Array, Batch, Classifier, Integers, Mask
from rnnx.settings import Count, Few, FixedRemoval

LEAST = 1e-4  # of a difference between the limits: with less, no order is better than another
LONG = 48  # tokens: of a longer text several go at once
ROUNDS = 24  # in about so many groups


class Limits(NamedTuple):
    """The smallest and the largest mean fall that any order of a text's tokens reaches, (B,) both.

    ``exact`` (B,) is whether all orders were compared; else they are those of the best orders that a search found.
    ``removal`` is how tokens were taken away.
    """

    lower: Array
    upper: Array
    exact: Mask
    removal: FixedRemoval

    def among(self, rows: Integers) -> Limits:
        """Those of some of the texts."""
        return Limits(self.lower[rows], self.upper[rows], self.exact[rows], self.removal)

    def share(self, fall: Array) -> Array:
        """Where falls (B,) are between the limits, 0 the lower one, 1 the upper; nan where these are the same."""
        room = self.upper - self.lower
        found: Array = np.where(room < LEAST, np.nan, (fall - self.lower) / np.where(room < LEAST, 1, room))
        return found


def limits(
    model: Classifier,
    batch: Batch,
    target: Integers,
    *,
    removal: FixedRemoval = "delete",
    exact: Few = 12,
    beam: Count = 5,
) -> Limits:
    """The limits of the mean fall (``mean_fall``) of each text. They depend on no explanation.

    Edin et al. 2025. Of a text of up to ``exact`` tokens all orders are compared, by dynamic programming over its
    subsets: what is reached from a subset is the same by whichever order one came there, so that 2^T subsets do for T!
    orders. For a longer one a beam search keeps the ``beam`` best beginnings of an order; of more than 48 tokens a
    single one, which grows by several tokens at once. What a search finds is a limit that an order reaches, if not the
    last one: a fall may lie outside.
    """
    found = game(model, batch, target, removal)
    lower, upper = np.zeros((2, len(batch.ids)))
    short = batch.lengths <= exact
    for rows, worths in found.of_all(np.flatnonzero(short)):
        lower[rows], upper[rows] = _of_all_orders(worths)
    rows = np.flatnonzero(~short)
    if len(rows):
        part = found.among(rows)
        lower[rows], upper[rows] = (_mean_fall(part, order) for order in _search(part, beam))
    return Limits(lower, upper, short, removal)


def mean_fall(
    model: Classifier, batch: Batch, target: Integers, scores: Array, *, removal: FixedRemoval = "delete"
) -> Array:
    """The mean fall of the target's probability when the 1, 2, … and at last all tokens are taken away that come first
    by their scores, (B,): comprehensiveness over all numbers of tokens. Of a text of more than 48 tokens they go in
    some 24 groups of the same size.
    """
    return _mean_fall(game(model, batch, target, removal), places(batch, scores))


def normalised_comprehensiveness(
    model: Classifier, batch: Batch, target: Integers, scores: Array, limits: Limits
) -> Array:
    """How much of the fall that is possible the explanation reaches by taking the most important tokens away first.

    Edin et al. 2025 (normalised AOPC): the mean fall over all numbers of tokens taken away, where 0 is the worst order
    of this text's tokens and 1 the best one. Higher is better. Texts and models can be compared by it, which plain
    comprehensiveness does not allow. nan for a text of which no order is better than another, such as one of a single
    token.

    Returns (batch,).
    """
    return limits.share(mean_fall(model, batch, target, scores, removal=limits.removal))


def normalised_sufficiency(model: Classifier, batch: Batch, target: Integers, scores: Array, limits: Limits) -> Array:
    """How much of the fall that is possible happens when the least important tokens are taken away first.

    Edin et al. 2025 (normalised AOPC): as ``normalised_comprehensiveness``, in the opposite order. Lower is better: the
    most important tokens, which stay longest, are enough.

    Returns (batch,).
    """
    last_first = batch.lengths[:, None] - 1 - places(batch, scores)
    return limits.share(_mean_fall(game(model, batch, target, limits.removal), last_first))


def _mean_fall(game: Game, place: Integers) -> Array:
    """The mean fall when tokens go in the order of their places; padding is not looked at."""
    lengths, total = game.batch.lengths, np.zeros(len(place))
    group = _groups(lengths)
    rounds = -(-lengths // group)
    count = np.arange(1, rounds.max() + 1)
    for rows in pieces(len(place), place.shape[1] * len(count)):
        gone = (count * group[rows, None]).clip(max=lengths[rows, None])
        fall = falls(game.among(rows), place[rows][:, None] >= gone[:, :, None])
        total[rows] = (fall * (count <= rounds[rows, None])).sum(axis=1)
    return total / rounds


def _groups(lengths: Integers) -> Integers:
    """How many tokens of each text go at once, (B,)."""
    return np.where(lengths > LONG, -(-lengths // ROUNDS), 1)


def _of_all_orders(worths: Array) -> tuple[Array, Array]:
    """The lowest and the highest mean fall, from the worths (B, 2^T) of all subsets, numbered as by ``subsets``."""
    size = worths.shape[1].bit_length() - 1
    least, most = np.zeros((2, *worths.shape))  # of the sum of worths on the way from a subset down to nothing
    members, tokens = np.bitwise_count(np.arange(1 << size)), 1 << np.arange(size)
    for count in range(1, size + 1):
        numbers = np.flatnonzero(members == count)
        without = (numbers[:, None] & ~tokens)[(numbers[:, None] & tokens) > 0].reshape(len(numbers), count)
        least[:, numbers] = (worths + least)[:, without].min(axis=2)
        most[:, numbers] = (worths + most)[:, without].max(axis=2)
    return worths[:, -1] - most[:, -1] / size, worths[:, -1] - least[:, -1] / size


@dataclass
class _Beam:
    """The beginnings of an order that are kept: of text ``text``, for the lowest worths (``sign`` 1) or the highest."""

    text: int
    sign: int
    there: Mask  # (beginnings, T), the tokens that are left
    paths: list[list[int]] = field(default_factory=lambda: [[]])
    total: Array = field(default_factory=lambda: np.zeros(1))

    def candidates(self) -> tuple[Integers, Integers]:
        """Which beginning, and which of its tokens goes next."""
        beginning, token = np.nonzero(self.there)
        return beginning, token

    def grow(self, worths: Array, width: int, group: int) -> None:
        """Take the best of the candidates, whose worths these are: so many beginnings, or tokens of the only one."""
        beginning, token = self.candidates()
        total = self.sign * self.total[beginning] + self.sign * worths
        best = np.argsort(total, kind="stable")
        if group > 1:
            taken = token[best[:group]]
            self.there[0, taken] = False
            self.paths[0] += taken.tolist()
            return
        left = self.there[beginning[best]]
        left[np.arange(len(best)), token[best]] = False
        _, first = np.unique(left, axis=0, return_index=True)  # of those that end in the same set the best one
        first = np.sort(first)[:width]
        best = best[first]
        self.there, self.total = left[first], self.sign * total[best]
        self.paths = [[*self.paths[beginning[i]], int(token[i])] for i in best]


def _search(game: Game, width: int) -> tuple[Integers, Integers]:
    """The place of each token in the orders by which texts lose least and most, (B, T) both, padding last."""
    mask, lengths = game.batch.mask, game.batch.lengths
    groups = _groups(lengths)
    beams = [_Beam(i, sign, mask[i : i + 1].copy()) for i in range(len(mask)) for sign in (-1, 1)]
    while growing := [beam for beam in beams if beam.there.any()]:
        asked = [(beam, *beam.candidates()) for beam in growing]
        worths = worth(game, *_without(asked))
        parts = np.split(worths, np.cumsum([len(token) for _, _, token in asked])[:-1])
        for beam, found in zip(growing, parts, strict=True):
            beam.grow(found, width, int(groups[beam.text]))
    place = np.broadcast_to(np.arange(mask.shape[1]), (2, *mask.shape)).copy()
    for beam in beams:
        place[int(beam.sign > 0), beam.text, beam.paths[0]] = np.arange(lengths[beam.text])
    return place[0], place[1]


def _without(asked: list[tuple[_Beam, Integers, Integers]]) -> tuple[Integers, Mask]:
    """Of all candidates the text, and the tokens that are left of it."""
    there = np.concatenate([beam.there[beginning] for beam, beginning, _ in asked])
    there[np.arange(len(there)), np.concatenate([token for _, _, token in asked])] = False
    return np.concatenate([np.full(len(token), beam.text) for beam, _, token in asked]), there
