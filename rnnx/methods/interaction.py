"""Two phrases of a text: what they say together that neither says alone."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

import numpy as np

from rnnx.errors import ConfigError, Unexplained
from rnnx.methods.contextual import Shares
from rnnx.models.protocols import Batch, Decomposable, Integers, Spans
from rnnx.settings import Logit


def interaction(
    model: Decomposable, batch: Batch, target: Integers, *, first: str = "", second: str = "", of: Logit = "logit"
) -> Spans:
    """What two phrases give to the target's logit together, beyond what each of them gives.

    Murdoch, Liu & Yu 2018: share(both) - share(first) - share(second), with the shares of contextual decomposition
    (see ``rnnx methods cd``); both are the tokens of the two as one set, without what stands between them. Positive
    speaks for the target, negative against it, as the shares do: the three add up to the share of both. Which of the
    two is called first does not matter.

    ``first`` and ``second`` are one word each, or several that are neighbours in the text. Words count as equal if
    they are to the model, which mostly does not see capitals. Where there are several, it is about the two that stand
    nearest to each other, and of several such pairs about the leftmost; the two have no token in common.

    Returns two spans a text, ``first`` and ``second``, each with its own share, and both with the interaction. Raises
    ConfigError for a phrase without words, or with one that the model does not know (all of those are one to it);
    Unexplained for texts that have not both phrases.
    """
    phrases = {"first": first, "second": second}
    words = [_ids(model, name, phrase) for name, phrase in phrases.items()]
    places = list(zip(*(_places(batch, ids) for ids in words), strict=True))
    pairs = [_nearest(*starts, *map(len, words)) for starts in places]
    lost = {i: _lost(phrases, places[i]) for i, pair in enumerate(pairs) if not pair}
    if lost:
        raise Unexplained(lost, "name words that stand in the text")
    shares, text, at = Shares.of(model, batch, target), np.arange(len(pairs)), np.arange(batch.ids.shape[1])
    start = np.array(pairs)  # (B, 2)
    stop = start + [len(ids) for ids in words]
    one, other = ((start[:, i, None] <= at) & (at < stop[:, i, None]) for i in (0, 1))
    alone = np.stack([shares.sets(text, one), shares.sets(text, other)], axis=1)
    beyond = shares.sets(text, one | other) - alone.sum(axis=1)
    return Spans(text.repeat(2), start.ravel(), stop.ravel(), alone.ravel(), beyond.repeat(2))


def _ids(model: Decomposable, name: str, phrase: str) -> Integers:
    tokens = model.tokenize(phrase)
    if not tokens:
        what = "has no words" if phrase.strip() else "is missing"
        raise ConfigError(f"interaction: {name} {what}", "for example --set first=not --set second=good")
    ids: Integers = model.collate([tokens]).ids[0]
    if (ids == model.unknown).any():
        word = tokens[int(np.argmax(ids == model.unknown))].text
        raise ConfigError(f"interaction: the model does not know {word!r}", "to it all unknown words are the same")
    return ids


def _places(batch: Batch, words: Integers) -> list[list[int]]:
    """Where the words stand in each text."""
    if len(words) > batch.ids.shape[1]:
        return [[] for _ in batch.ids]
    runs = np.lib.stride_tricks.sliding_window_view(batch.ids, len(words), axis=1)
    return [np.flatnonzero(row).tolist() for row in (runs == words).all(axis=2)]


def _nearest(firsts: list[int], seconds: list[int], size: int, other: int) -> tuple[int, int] | None:
    """Where the nearest two begin that do not overlap, the leftmost of several; they are so long."""
    pairs = []
    for start in firsts:
        before, after = bisect_right(seconds, start - other), bisect_left(seconds, start + size)
        pairs += [(start - at - other, at, start, (start, at)) for at in seconds[max(before - 1, 0) : before]]
        pairs += [(at - start - size, start, at, (start, at)) for at in seconds[after : after + 1]]
    return min(pairs)[-1] if pairs else None


def _lost(phrases: dict[str, str], places: tuple[list[int], ...]) -> str:
    absent = [repr(phrase) for phrase, starts in zip(phrases.values(), places, strict=True) if not starts]
    if absent:
        return f"the text has no {' and no '.join(absent)}"
    return "the text has no {second!r} apart from {first!r}".format(**phrases)
