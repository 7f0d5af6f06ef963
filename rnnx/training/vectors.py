"""Pretrained word vectors: a GloVe or word2vec text file, an installed package, or a model's own embeddings."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from rnnx.data.readers import text_lines
from rnnx.errors import DataError
from rnnx.models import catalog, checkpoint
from rnnx.models.protocols import Array
from rnnx.text.vocabulary import SPECIAL, UNKNOWN, Vocabulary

SPREAD = 0.1  # standard deviation of the vectors of words that have none


@dataclass(frozen=True)
class Vectors:
    """``matrix`` (words, E), a row a word; the words are in order of frequency."""

    words: tuple[str, ...]
    matrix: Array


def read(source: str) -> Vectors:
    """``package:NAME``, a shipped model or run folder, or else a text file. Raises DataError or ModelError."""
    if source.startswith("package:"):
        return _package(source.removeprefix("package:"))
    if source in catalog.names() or Path(source).is_dir():
        _, weights, vocabulary = checkpoint.read(catalog.folder(source))
        return Vectors(vocabulary.words[len(SPECIAL) :], weights["embedding.weight"][len(SPECIAL) :])
    return _text_file(Path(source))


def embeddings(vocabulary: Vocabulary, vectors: Vectors | None, size: int, scale: float, seed: int) -> Array:
    """First embeddings (V, E): a word's own vector times ``scale``, else a small random one; padding is 0.

    <unk> starts as the mean of all.
    """
    rng = np.random.default_rng(seed)
    size = vectors.matrix.shape[1] if vectors else size
    table = (SPREAD * rng.standard_normal((len(vocabulary), size))).astype(np.float32)
    if vectors:
        rows = {word: i for i, word in enumerate(vectors.words)}
        known = [(i, rows[word]) for i, word in enumerate(vocabulary.words) if word in rows]
        ours, theirs = (list(column) for column in zip(*known, strict=True)) if known else ([], [])
        table[ours] = scale * vectors.matrix[theirs]
    table[: len(SPECIAL)] = 0
    table[UNKNOWN] = table[len(SPECIAL) :].mean(0)
    return table


def filled(vocabulary: Vocabulary, vectors: Vectors, size: int) -> Vocabulary:
    """The vocabulary with the vectors' most frequent words (letters only) added, up to ``size`` words."""
    new = (word for word in vectors.words if word.isalpha() and word not in vocabulary.index)
    room = max(0, size + len(SPECIAL) - len(vocabulary))
    return Vocabulary(
        (*vocabulary.words, *(word for word, _ in zip(new, range(room), strict=False))), vocabulary.lowercase
    )


def _text_file(path: Path) -> Vectors:
    """A word and its numbers a line; a first line of two counts, as word2vec writes it, is passed over."""
    words, rows = [], []
    for number, line in enumerate(text_lines(path), 1):
        word, *values = line.rstrip().split(" ")
        if number == 1 and len(values) == 1:
            continue
        try:
            rows.append(np.array(values, dtype=np.float32))
        except ValueError:
            raise DataError(f"{path}:{number}: not a word and its numbers") from None
        if len(rows[-1]) != len(rows[0]):
            raise DataError(f"{path}:{number}: {len(rows[-1])} numbers, not {len(rows[0])} as before")
        words.append(word)
    if not rows:
        raise DataError(f"{path}: no vectors in it")
    return Vectors(tuple(words), np.stack(rows))


def _package(name: str) -> Vectors:
    """A package that holds data/*_emb.npy and the words as the column "index" of data/*_index.parquet."""
    spec = find_spec(name.replace("-", "_"))
    if spec is None or not spec.submodule_search_locations:
        raise DataError(f"the package {name} is not installed", f"pip install {name}")
    try:
        from pyarrow import parquet
    except ImportError:
        raise DataError(f"reading {name} needs pyarrow", "pip install pyarrow") from None
    folder = Path(spec.submodule_search_locations[0]) / "data"
    try:
        (array,), (index,) = folder.glob("*_emb.npy"), folder.glob("*_index.parquet")
    except ValueError:
        raise DataError(f"{folder} holds no word vectors that rnnx can read") from None
    return Vectors(tuple(parquet.read_table(index).column("index").to_pylist()), np.load(array))
