"""What it means to take a token away: the same for every method and measure that does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np

from rnnx.errors import Unsupported
from rnnx.methods.baselines import base_vector
from rnnx.methods.references import NOTHING, Follower, follower
from rnnx.models.protocols import Array, Batch, Classifier, Differentiable, Integers
from rnnx.models.seeds import Rngs, numbers
from rnnx.models.variants import ABSENT, Variants
from rnnx.settings import Removal, Texts

EXTRA = -2  # the symbol of the first embedding that is no word's


@dataclass(frozen=True)
class Removed:
    """What stands in the place of a token that is taken away: a symbol, or a word that is drawn."""

    symbol: int = ABSENT
    extra: Array | None = None
    draw: Follower | None = None

    def variants(self, batch: Batch, text: Integers, variant: Integers, place: Integers, rngs: Rngs = ()) -> Variants:
        """Variants n of the texts ``text[n]``, each without its tokens: m is at ``place[m]`` of ``variant[m]``.

        Both of these rise. Words are drawn by each text's own generator.
        """
        at = np.empty(0) if self.draw is None else numbers(text[variant], rngs, 2)
        return self.replaced(batch, text, variant, place, at)

    def replaced(self, batch: Batch, text: Integers, variant: Integers, place: Integers, at: Array) -> Variants:
        """The same; where words are drawn, at the random numbers ``at`` (M, 2) from [0, 1)."""
        symbol = self.symbol if self.draw is None else _words(self.draw, batch, text[variant], variant, place, at)
        return Variants.of(batch, text, variant, place, symbol, self.extra)


def removing(model: Classifier, name: Removal, references: Texts | None = None) -> Removed:
    """A way to take a token away.

    - ``mask``: an unknown word stands in its place.
    - ``delete``: nothing does, and its neighbours move together. Of a text of which nothing is left one unknown word
      is read.
    - ``pad``: zeros in place of its embedding.
    - ``mean``: the mean embedding of the vocabulary's words.
    - ``sample``: words are drawn that may stand after the one before it (Kim et al. 2020), see ``follower``.

    Raises Unsupported where the model has no embeddings for one of the last three.
    """
    if name == "mask":
        return Removed(model.unknown)
    if name == "delete":
        return Removed()
    if "gradients" not in model.provides:
        raise Unsupported(f"{model.name} reads only words: none can be replaced by {name}", "take mask or delete")
    differentiable = cast(Differentiable, model)
    if name == "sample":
        return Removed(draw=follower(differentiable, references))
    return Removed(EXTRA, base_vector(differentiable, "mean" if name == "mean" else "zero")[None])


def _words(draw: Follower, batch: Batch, text: Integers, variant: Integers, place: Integers, at: Array) -> Integers:
    """A word for each place, after the one before it, which may have been drawn itself."""
    words = np.empty(len(place), batch.ids.dtype)
    follows = np.zeros(len(place), bool)
    follows[1:] = (variant[1:] == variant[:-1]) & (place[1:] == place[:-1] + 1)
    first = np.maximum.accumulate(np.where(follows, 0, np.arange(len(place))))
    behind = np.arange(len(place)) - first
    before = np.where(place > 0, batch.ids[text, place - 1], NOTHING)
    for step in range(behind.max(initial=-1) + 1):
        now = np.flatnonzero(behind == step)
        words[now] = draw(words[now - 1] if step else before[now], at[now])
    return words
