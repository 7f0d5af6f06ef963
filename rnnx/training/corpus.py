"""The labelled texts of a config: read, tokenised, split into train, dev and test, checked and counted."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from rnnx.config import Config, Data, Source
from rnnx.data import sources
from rnnx.data.readers import Fault
from rnnx.errors import ConfigError, DataError, UnknownName
from rnnx.text import fields
from rnnx.text.tokenizer import TOKENIZERS
from rnnx.types import Counts, LeftOut, Summary

HELD_OUT = "held-out share"  # the name of a part that is split off


class Labelled(NamedTuple):
    """A text as words, never none, and its label. Equal words are one object, which saves most of the memory."""

    tokens: tuple[str, ...]
    label: str
    text: str = ""


Parts = dict[str, list[Labelled]]


@dataclass(frozen=True)
class Corpus:
    """All texts: those of each source to train on, and by name those to choose the best epoch by and to test on.

    ``left_out`` counts the rows that are in none of them by the reason why.
    """

    labels: tuple[str, ...]
    train: list[tuple[Source, list[Labelled]]]
    dev: Parts
    test: Parts
    left_out: Counter[str] = field(default_factory=Counter)


def gather(config: Config, fault: Fault) -> Corpus:
    """Read what ``config.data`` names; ``fault`` hears of each row that is left out.

    Where no dev or no test is given, their shares are split off the training texts: of every source and label the
    same share, drawn at random by the config's seed. Raises ConfigError (a share that leaves a part without
    texts), DataError (what cannot be read; a label without training texts) and UnknownName (a label that is none
    of ``data.labels`` or, for dev and test, of the training texts).
    """
    data = _data(config)
    left_out: Counter[str] = Counter()
    known = tuple(data.labels) if data.labels else None
    train = [(source, _read(source, config, known, fault, left_out)) for source in data.train]
    labels = known or _labels(row for _, rows in train for row in rows)
    dev, test = (_named(part, config, labels, fault, left_out) for part in (data.dev, data.test))
    shares = (0.0 if dev else data.dev_share, 0.0 if test else data.test_share)
    train, held_out = _split(train, shares, config.seed)
    _check(held_out, bool(dev), data, train)
    _check_labels(labels, (row for _, rows in train for row in rows))
    dev, test = ({HELD_OUT: off} if off else given for given, off in zip((dev, test), held_out, strict=True))
    return Corpus(labels, train, dev, test, left_out)


def _data(config: Config) -> Data:
    if config.data is None:
        raise ConfigError("the config has no data section", "see configs/quickstart.yaml")
    return config.data


def _named(given: Iterable[Source], config: Config, labels: tuple[str, ...], fault: Fault, left: Counter[str]) -> Parts:
    """The texts of sources by path; several of one path, as splits or with a label each, together."""
    found: Parts = {}
    for source in given:
        found.setdefault(source.path, []).extend(_read(source, config, labels, fault, left))
    return found


def _read(
    source: Source, config: Config, labels: tuple[str, ...] | None, fault: Fault, left_out: Counter[str]
) -> list[Labelled]:
    """A source's texts as tokens; those without tokens or label are faults."""
    data, tokenize = _data(config), TOKENIZERS[config.text.tokenizer]
    before = Counter(left_out)

    def left(what: LeftOut) -> None:
        left_out[what.reason] += what.rows
        fault(what)

    found = []
    for row in sources.rows(source, data, left):
        if row.label is None:
            left(LeftOut(row.where, "no label"))
            continue
        if labels and row.label not in labels:
            raise UnknownName(f"label in {row.where}:", row.label, labels)
        text, tokens = fields.tokenize(row.item, tokenize, data.fields)
        if tokens:
            found.append(Labelled(tuple(sys.intern(token.text) for token in tokens), row.label, text))
        else:
            left(LeftOut(row.where, "no words in the text"))
    if not found:
        why = left_out - before
        hint = f"all {why.total()} rows were left out: {', '.join(why)}" if why else "it is empty"
        raise DataError(f"{source.path}: no labelled text in it", hint)
    return found


def _labels(rows: Iterable[Labelled]) -> tuple[str, ...]:
    found = sorted({row.label for row in rows})
    if len(found) < 2:
        raise DataError(f"all texts have the label {found[0]!r}", "a classifier needs at least two labels")
    return tuple(found)


Train = list[tuple[Source, list[Labelled]]]


def _split(train: Train, shares: Sequence[float], seed: int) -> tuple[Train, list[list[Labelled]]]:
    """(what stays, what is split off for each share), in the order of the sources."""
    rng = np.random.default_rng(seed)
    stays: Train = []
    held_out: list[list[Labelled]] = [[] for _ in shares]
    for source, rows in train:
        order = rng.permutation(len(rows)).tolist()
        part = dict.fromkeys(order, -1)
        for label in {row.label for row in rows}:
            own = [i for i in order if rows[i].label == label]
            at = 0
            for number, share in enumerate(shares):
                taken = own[at : at + round(share * len(own))]
                part.update(dict.fromkeys(taken, number))
                at += len(taken)
        stays.append((source, [row for i, row in enumerate(rows) if part[i] == -1]))
        for number, off in enumerate(held_out):
            off += [row for i, row in enumerate(rows) if part[i] == number]
    return stays, held_out


def _check(held_out: Sequence[Sequence[Labelled]], has_dev: bool, data: Data, train: Train) -> None:
    """Raise ConfigError for a part without texts."""
    dev, test = held_out
    hint = "give more texts, files of them, or another share"
    if not dev and not has_dev:
        raise ConfigError(f"data.dev_share {data.dev_share} leaves no texts to measure progress on", hint)
    if not test and not data.test and data.test_share:
        raise ConfigError(f"data.test_share {data.test_share} leaves no texts to test on", hint)
    if not all(rows for _, rows in train):
        share = f"data.dev_share {data.dev_share}" + (f" and test_share {data.test_share}" if test else "")
        raise ConfigError(f"{share} leaves no texts to train on", hint)


def _check_labels(labels: Sequence[str], rows: Iterable[Labelled]) -> None:
    counts = Counter(row.label for row in rows)
    for label in labels:
        if not counts[label]:
            listed = ", ".join(f"{name} {counts[name]}" for name in labels)
            raise DataError(f"no text to train on has the label {label!r}", f"texts a label: {listed}")


def summary(corpus: Corpus) -> Summary:
    """What the texts are like: sizes, lengths, and what would make a measured accuracy worth less."""
    train = [row for _, rows in corpus.train for row in rows]
    dev, test = ([row for rows in part.values() for row in rows] for part in (corpus.dev, corpus.test))
    parts = {name: rows for name, rows in {"train": train, "dev": dev, "test": test}.items() if rows}
    same = {name: list(_same(rows)) for name, rows in parts.items()}
    seen = set(same["train"])
    return Summary(
        parts={name: _counts(rows, corpus.labels) for name, rows in parts.items()},
        repeated={name: len(texts) - len(set(texts)) for name, texts in same.items()},
        contradictory={name: _contradictory(rows, same[name]) for name, rows in parts.items()},
        in_train={name: sum(text in seen for text in texts) for name, texts in same.items() if name != "train"},
        left_out=dict(corpus.left_out.most_common()),
    )


def _same(rows: Iterable[Labelled]) -> Iterator[int]:
    """For each text a number that texts share which differ in white space and case only."""
    return (hash(" ".join(row.text.split()).casefold()) for row in rows)


def _counts(rows: Sequence[Labelled], labels: Sequence[str]) -> Counts:
    lengths = np.array([len(row.tokens) for row in rows])
    median, long = np.percentile(lengths, [50, 95], method="closest_observation").tolist()
    counts = Counter(row.label for row in rows)
    return Counts(len(rows), {label: counts[label] for label in labels}, int(median), int(long), int(lengths.max()))


def _contradictory(rows: Sequence[Labelled], same: Sequence[int]) -> int:
    """How many different texts stand there under several labels."""
    labels: dict[int, set[str]] = {}
    for row, text in zip(rows, same, strict=True):
        labels.setdefault(text, set()).add(row.label)
    return sum(len(found) > 1 for found in labels.values())
