"""Contextual decomposition: what tokens and phrases say where they stand, read off one split forward pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rnnx.errors import ConfigError, Unexplained
from rnnx.models.protocols import Array, Batch, Decomposable, Diagnosed, Integers, Mask, Spans
from rnnx.models.scores import cotangent
from rnnx.settings import Logit

LOST = 1e-3  # of the logit: where a span's share and all other tokens' miss it by more, the digits of both are lost
AT_ONCE = 4_000_000  # spans times tokens that are asked for together: their masks take a byte each


def cd(model: Decomposable, batch: Batch, target: Integers, *, of: Logit = "logit") -> Diagnosed:
    """What each token alone adds to the target's logit, in its place in the text.

    Murdoch, Liu & Yu 2018 (contextual decomposition). Every state of the network is split into what the token makes
    of it and what the rest of the text does, alone or together with the token; the score of token t is its part of
    the logit. Positive speaks for the target, negative against it. What biases make of the candidate and its gate
    goes to the token that is read there. The output gate of an LSTM, the weights of attention and the choice of max
    pooling are taken as they are.

    All tokens as one span make exactly the logit less the output layer's bias, to the ``residual``. The scores of the
    single tokens do not: ``interactions`` is what is missing, what tokens do together. ``--view phrases`` and
    ``--view hierarchy`` show where it is.

    Returns (batch, token) scores; padding is 0.
    """
    shares, scores = Shares.of(model, batch, target), np.zeros(batch.ids.shape, np.float64)
    text, token = np.nonzero(batch.mask)
    scores[text, token] = shares(text, token, token + 1)
    whole = shares(np.arange(len(batch.ids)), np.zeros_like(batch.lengths), batch.lengths)
    return Diagnosed(scores, {"residual": shares.logit - whole, "interactions": whole - scores.sum(1)})


def phrases(model: Decomposable, batch: Batch, target: Integers, *, longest: int = 5, of: Logit = "logit") -> Spans:
    """What each phrase, up to ``longest`` tokens, adds to the target's logit, and how much of that is its own.

    Murdoch, Liu & Yu 2018 (contextual decomposition, see ``rnnx methods cd``) of every run of neighbouring tokens.
    Positive speaks for the target, negative against it. The interaction is what a phrase says beyond its tokens: its
    score less the sum of theirs. The scores of phrases that overlap add up to nothing.

    Returns all spans, by length and place, single tokens first. Raises ConfigError if ``longest`` is not positive.
    """
    check_longest("phrases", longest)
    sizes = np.arange(1, min(longest, batch.ids.shape[1]) + 1)
    size, text, start = np.nonzero(np.arange(batch.ids.shape[1]) + sizes[:, None, None] <= batch.lengths[:, None])
    score = Shares.of(model, batch, target)(text, start, start + sizes[size])
    alone = np.zeros((len(batch.ids), batch.ids.shape[1] + 1))
    alone[text[size == 0], start[size == 0] + 1] = score[size == 0]
    total = alone.cumsum(1)
    parts = total[text, start + sizes[size]] - total[text, start]
    return Spans(text, start, start + sizes[size], score, np.where(size == 0, 0, score - parts))


def check_longest(view: str, longest: int) -> None:
    """Raise ConfigError if no token is that short."""
    if longest < 1:
        raise ConfigError(f"{view}: longest must be at least 1, not {longest}", "--set longest=5")


@dataclass(frozen=True)
class Shares:
    """The shares of spans in the target's logit. ``logit`` (B,) is all there is to share, without the bias."""

    share: Callable[[Integers, Mask], Array]
    choice: Array  # (B, C), of the logits
    logit: Array
    lengths: Integers

    @classmethod
    def of(cls, model: Decomposable, batch: Batch, target: Integers) -> Shares:
        """One forward pass over the batch."""
        done = model.decomposition(batch)
        choice = cotangent(done.logits, target, "logit")
        return cls(done.share, choice, ((done.logits - done.bias) * choice).sum(1), batch.lengths)

    def __call__(self, text: Integers, start: Integers, stop: Integers) -> Array:
        """The shares (N,) of the spans of tokens from ``start`` to before ``stop``. Raises as ``sets`` does."""
        out, places = np.zeros(len(text)), np.arange(self.lengths.max())
        size = max(1, AT_ONCE // len(places))
        for part in (slice(i, i + size) for i in range(0, len(text), size)):
            out[part] = self.sets(text[part], (places >= start[part, None]) & (places < stop[part, None]))
        return out

    def sets(self, text: Integers, tokens: Mask) -> Array:
        """The shares (N,) of sets of tokens (N, T) of the texts (N,).

        Raises Unexplained for the texts of which one has lost its digits: the parts of a state can grow from token to
        token, without bound, and then no longer add up to it.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            found, rest = (self.share(text, tokens) * self.choice[text]).sum(-1, dtype=np.float64)
            kept = np.abs(found + rest - self.logit[text]) <= LOST * (1 + np.abs(self.logit[text]))
        if lost := set(text[~kept].tolist()):
            what = "contextual decomposition loses its digits in a text of"
            reasons = {i: f"{what} {self.lengths[i]} tokens" for i in sorted(lost)}
            raise Unexplained(reasons, "explain shorter texts, or use another method, such as lrp")
        share: Array = found
        return share
