"""From labelled texts to what training starts from: vocabulary, first embeddings, examples with targets."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rnnx.config import Config
from rnnx.errors import DataError, UnknownName
from rnnx.models.catalog import Spec
from rnnx.models.protocols import Array
from rnnx.text import vocabulary as vocabularies
from rnnx.text.vocabulary import SPECIAL, Vocabulary
from rnnx.training import distillation
from rnnx.training import vectors as pretrained
from rnnx.training.corpus import Corpus, Labelled
from rnnx.training.data import Example, Part


@dataclass(frozen=True)
class Material:
    """All that training starts from."""

    spec: Spec
    vocabulary: Vocabulary
    embeddings: Array
    train: list[Part]
    dev: list[Part]

    def digest(self) -> str:
        """A short name for these very labels, words, first embeddings, ids and targets."""
        found = hashlib.sha256(self.embeddings.tobytes())
        found.update(repr((self.spec, self.vocabulary.words)).encode())
        for part in (*self.train, *self.dev):
            for example in part.examples:
                found.update(example.ids.tobytes() + b"|" + example.target.tobytes())
        return found.hexdigest()[:16]


def prepare(config: Config, corpus: Corpus) -> Material:
    """Vocabulary, embeddings and examples. Raises DataError, ModelError (a teacher) and UnknownName."""
    text, data = config.text, config.data
    vectors = pretrained.read(text.vectors) if text.vectors else None
    words = vocabularies.build(
        (row.tokens for _, rows in corpus.train for row in rows), text.vocabulary, text.min_count, text.lowercase
    )
    vocabulary = pretrained.filled(words, vectors, text.vocabulary) if vectors and text.fill else words
    if len(vocabulary) == len(SPECIAL):
        raise DataError(f"no word occurs {text.min_count} times", "give more texts, or a smaller text.min_count")
    teachers = distillation.load_teachers(config.training.teachers, corpus.labels)
    share = config.training.teacher_weight if teachers else 0.0
    weights = class_weights(config.training.class_weights, corpus)

    def part(name: str, rows: Sequence[Labelled], passes: float = 1.0, taught: bool = True) -> Part:
        classes = [corpus.labels.index(row.label) for row in rows]
        targets = np.eye(len(corpus.labels), dtype=np.float32)[classes]
        if share and taught:
            targets = (1 - share) * targets + share * distillation.opinions(teachers, [row.tokens for row in rows])
        ids = (np.array(vocabulary.ids(row.tokens), np.int32) for row in rows)
        examples = zip(ids, classes, targets, (weights[c] for c in classes), strict=True)
        return Part(name, [Example(*example) for example in examples], passes)

    fields = data.fields if data and data.fields != ("text",) else ()
    return Material(
        spec=Spec(config.model.kind, config.model.pooling, corpus.labels, text.tokenizer, text.lowercase, fields),
        vocabulary=vocabulary,
        embeddings=pretrained.embeddings(vocabulary, vectors, config.model.embedding, text.vector_scale, config.seed),
        train=[part(source.path, rows, source.passes) for source, rows in corpus.train],
        dev=[part(name, rows, taught=False) for name, rows in corpus.dev.items()],
    )


def class_weights(given: str | Mapping[str, float] | None, corpus: Corpus) -> list[float]:
    """One weight a class: 1, or as given by label, or "balanced": in inverse proportion to its texts, and such
    that all texts together weigh their number. Raises UnknownName.
    """
    if given is None:
        return [1.0] * len(corpus.labels)
    if isinstance(given, Mapping):
        for label in given:
            if label not in corpus.labels:
                raise UnknownName("label in training.class_weights:", label, corpus.labels)
        return [given.get(label, 1.0) for label in corpus.labels]
    counts = Counter(row.label for _, rows in corpus.train for row in rows)
    return [counts.total() / (len(corpus.labels) * counts[label]) for label in corpus.labels]
