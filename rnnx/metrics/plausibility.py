"""Whether an explanation marks what people mark. That says nothing of what the model does."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rnnx.metrics.erasure import SMALL
from rnnx.metrics.ranking import places
from rnnx.models.protocols import Array, Batch, Classifier, Integers, Mask

MATCH = 0.5  # of a span and one of people's: the share of their tokens, both together, that they have in common


class Marked(NamedTuple):
    """What people marked: tokens (B, T) of each text, and the mean share of a text that they mark in all the data."""

    tokens: Mask
    share: float

    def among(self, rows: Integers) -> Marked:
        """Those of some of the texts."""
        return Marked(self.tokens[rows], self.share)


def token_f1(model: Classifier, batch: Batch, target: Integers, scores: Array, marked: Marked) -> Array:
    """The F1 of the most important tokens against those that people marked.

    DeYoung et al. 2020 (ERASER, instance macro). As many tokens as people mark on average, as a share of the text and
    rounded up. From 0 to 1; higher is better. nan for a text in which nothing is marked.

    Returns (batch,).
    """
    hard = chosen(batch, scores, marked.share)
    both = (hard & marked.tokens).sum(axis=1)
    sizes = hard.sum(axis=1) + marked.tokens.sum(axis=1)
    return np.where(_has(marked), 2 * both / sizes, np.nan)


def iou_f1(model: Classifier, batch: Batch, target: Integers, scores: Array, marked: Marked) -> Array:
    """Precision and recall of the spans of the most important tokens against those that people marked.

    DeYoung et al. 2020 (ERASER): runs of the tokens of ``token_f1`` are spans; one counts that has at least half of all
    tokens of both in common with a span of people's. Over texts it is the F1 of the mean precision and the mean recall.
    Each from 0 to 1; higher is better. nan for a text in which nothing is marked.

    Returns (batch, 2).
    """
    hard, found = chosen(batch, scores, marked.share), np.full((len(scores), 2), np.nan)
    for i in np.flatnonzero(_has(marked)).tolist():
        ours, theirs = spans(hard[i]), spans(marked.tokens[i])
        right = sum(max(_overlap(span, other) for other in theirs) >= MATCH for span in ours)
        found[i] = right / len(ours), right / len(theirs)
    return found


def auprc(model: Classifier, batch: Batch, target: Integers, scores: Array, marked: Marked) -> Array:
    """The area under the curve of precision and recall of the scores against the tokens that people marked.

    DeYoung et al. 2020 (ERASER), by trapezoids between the different scores. From 0 to 1; higher is better; scores at
    random reach about the share of tokens that are marked. nan for a text in which nothing is marked.

    Returns (batch,).
    """
    found = np.full(len(scores), np.nan)
    for i in np.flatnonzero(_has(marked)).tolist():
        n = batch.lengths[i]
        found[i] = _area(scores[i, :n], marked.tokens[i, :n])
    return found


def chosen(batch: Batch, scores: Array, share: float) -> Mask:
    """The most important tokens, this share of each text, rounded up, and at least one, (B, T)."""
    size = np.ceil(batch.lengths * share - SMALL).clip(1)
    found: Mask = batch.mask
    found &= places(batch, scores) < size[:, None]
    return found


def spans(tokens: Mask) -> list[tuple[int, int]]:
    """The runs of tokens (T,) that are chosen, each from its first to before its end."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], tokens, [False]]).astype(int)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _has(marked: Marked) -> Mask:
    return np.asarray(marked.tokens.any(axis=1))


def _overlap(a: tuple[int, int], b: tuple[int, int]) -> float:
    both = max(0, min(a[1], b[1]) - max(a[0], b[0]))
    return both / (a[1] - a[0] + b[1] - b[0] - both)


def _area(scores: Array, truth: Mask) -> float:
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(truth[order])
    last = np.flatnonzero(np.diff(scores[order], append=np.inf))  # of those with the same score
    precision, recall = hits[last] / (last + 1), hits[last] / hits[-1]
    precision, recall = np.concatenate([[1], precision]), np.concatenate([[0], recall])
    return float((np.diff(recall) * (precision[1:] + precision[:-1]) / 2).sum())
