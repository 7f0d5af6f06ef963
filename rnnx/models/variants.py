"""Texts that differ from others in a few places: what every method that changes the input asks a model about.

A symbol is an id, or ``ABSENT`` where no token stands, or -2 - j for row j of ``extra``, an embedding that belongs to
no word. A variant is a text and its edits; a token that is taken away is edited to ``ABSENT``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol, cast

import numpy as np

from rnnx.errors import Unsupported
from rnnx.models.batching import BUDGET, buckets
from rnnx.models.progress import tell
from rnnx.models.protocols import Array, Batch, Classifier, Differentiable, Integers, Mask

ABSENT = -1
AT_ONCE = 2**22  # symbols written out together, 32 MB of them


@dataclass(frozen=True)
class Variants:
    """N variants of B texts, written down as M edits.

    base (B, L): the texts as symbols. Variant n is the row ``text[n]`` of it, in which each of its edits puts
    ``symbol[m]`` at column ``column[m]``; ``variant[m]``, rising, is the n of edit m. One of which nothing is left is
    read as a single unknown token. extra (J, E) are the embeddings that symbols below ``ABSENT`` stand for.

    An engine shares work between variants best where those of a text follow each other, and the texts end in the same
    column, as ``of`` writes them. Insertions need a base with columns that are ``ABSENT``.
    """

    base: Integers
    text: Integers
    variant: Integers
    column: Integers
    symbol: Integers
    extra: Array | None = None

    @classmethod
    def of(
        cls,
        batch: Batch,
        text: Integers,
        variant: Integers,
        place: Integers,
        symbol: Integers | int,
        extra: Array | None = None,
    ) -> Variants:
        """Of the texts of a batch, whose tokens at ``place`` are edited."""
        shift = batch.ids.shape[1] - batch.lengths
        columns = np.arange(batch.ids.shape[1]) - shift[:, None]
        base = np.where(columns < 0, ABSENT, np.take_along_axis(batch.ids, columns.clip(0), axis=1))
        symbols = np.broadcast_to(np.asarray(symbol), variant.shape)
        return cls(base, text, variant, place + shift[text[variant]], symbols, extra)

    def __len__(self) -> int:
        return len(self.text)

    @property
    def changed(self) -> Mask:
        """Which are not just the text, (N,): have an edit to another symbol than the one that is there."""
        other = self.symbol != self.base[self.text[self.variant], self.column]
        return np.bincount(self.variant[other], minlength=len(self)) > 0

    def parts(self, size: int) -> Iterator[Variants]:
        """The same in parts of so many variants."""
        for start in range(0, len(self), size):
            first, last = np.searchsorted(self.variant, (start, start + size))
            edits = slice(first, last)
            yield replace(
                self,
                text=self.text[start : start + size],
                variant=self.variant[edits] - start,
                column=self.column[edits],
                symbol=self.symbol[edits],
            )

    def rows(self, unknown: int, absent: int = ABSENT) -> Integers:
        """The variants written out, (N, L)."""
        rows = self.base[self.text]
        rows[self.variant, self.column] = self.symbol
        rows[(rows == absent).all(axis=1), -1] = unknown
        return rows


class Perturbable(Classifier, Protocol):
    """A model with a way of its own to compute many variants."""

    def variants(self, variants: Variants) -> Array:
        """Logits (N, C) of each."""


def logits(model: Classifier | Perturbable, variants: Variants) -> Array:
    """Logits (N, C) of each variant, by the model's own way where it has one, or else ``plain``."""
    own: Callable[[Variants], Array] | None = getattr(model, "variants", None)
    return plain(model, variants) if own is None else own(variants)


def plain(model: Classifier, variants: Variants) -> Array:
    """Logits (N, C) of any model: those of each different text once, in batches of like length.

    Raises Unsupported for embeddings that are no word's, where the model reads only words.
    """
    if variants.extra is not None and "gradients" not in model.provides:
        raise Unsupported(f"{model.name} reads only words", "take tokens away by mask, delete or sample")
    size = max(1, AT_ONCE // variants.base.shape[1])
    return np.concatenate([_distinct(model, part) for part in variants.parts(size)])


def _distinct(model: Classifier, variants: Variants) -> Array:
    rows = variants.rows(model.unknown)
    rows = np.take_along_axis(rows, np.argsort(rows == ABSENT, axis=1, kind="stable"), axis=1)  # the gaps closed
    rows, which = np.unique(rows, axis=0, return_inverse=True)
    lengths = (rows != ABSENT).sum(1)
    found: list[Array] = [np.empty(0)] * len(rows)
    for chosen in buckets(lengths.tolist(), BUDGET):
        answers = _read(model, rows[chosen, : lengths[chosen].max()], lengths[chosen], variants.extra)
        tell(len(chosen))
        for i, answer in zip(chosen, answers, strict=True):
            found[i] = answer
    return np.stack(found)[which.reshape(-1)]


def _read(model: Classifier, rows: Integers, lengths: Integers, extra: Array | None) -> Array:
    batch = Batch(np.where(rows < ABSENT, model.unknown, rows.clip(0)), lengths)
    if extra is None:
        return model.forward(batch)
    differentiable = cast(Differentiable, model)
    x = differentiable.embed(batch)
    x[rows < ABSENT] = extra[-2 - rows[rows < ABSENT]]
    return differentiable.logits(x, batch)
