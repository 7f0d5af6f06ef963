"""Pretrained word vectors: a text file as of GloVe, an array with its words, a package, or a model's embeddings."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from rnnx.data.readers import text_lines
from rnnx.errors import ConfigError, DataError
from rnnx.models import catalog, checkpoint
from rnnx.models.protocols import Array
from rnnx.text.vocabulary import SPECIAL, UNKNOWN, Vocabulary

LINES = "a line is a word and its numbers with blanks or tabs between, as in the text files of GloVe and word2vec"
ARRAY = "numpy.save writes an array of numbers, a row a word; its words are in a .txt file beside it, one a line"
PACKAGE = "a package of vectors holds data/*_emb.npy and data/*_index.parquet"
SPREAD = 0.1  # standard deviation of the vectors of words that have none


@dataclass(frozen=True)
class Vectors:
    """``matrix`` (words, E), a row a word; the words are in order of frequency."""

    words: tuple[str, ...]
    matrix: Array


def read(source: str) -> Vectors:
    """``package:NAME``, a shipped model or run folder, an .npy file with its words in a .txt file beside it, or else
    a text file as of GloVe or word2vec. Raises DataError, ModelError, or ConfigError where a package is missing.
    """
    if source.startswith("package:"):
        return _package(source.removeprefix("package:"))
    if source in catalog.names() or Path(source).is_dir():
        _, weights, vocabulary = checkpoint.read(catalog.folder(source))
        return Vectors(vocabulary.words[len(SPECIAL) :], weights["embedding.weight"][len(SPECIAL) :])
    return _array_file(Path(source)) if source.endswith(".npy") else _text_file(Path(source))


def embeddings(vocabulary: Vocabulary, vectors: Vectors | None, size: int, scale: float, seed: int) -> Array:
    """First embeddings (V, E): a word's own vector times ``scale``, else a small random one; padding is 0.

    <unk> starts as the mean of all. Raises DataError for a vector that is not finite.
    """
    rng = np.random.default_rng(seed)
    size = vectors.matrix.shape[1] if vectors else size
    table = (SPREAD * rng.standard_normal((len(vocabulary), size))).astype(np.float32)
    if vectors:
        rows = {word: i for i, word in enumerate(vectors.words)}
        known = [(i, rows[word]) for i, word in enumerate(vocabulary.words) if word in rows]
        ours, theirs = (list(column) for column in zip(*known, strict=True)) if known else ([], [])
        table[ours] = scale * vectors.matrix[theirs]
        broken = np.flatnonzero(~np.isfinite(table).all(1))
        if broken.size:
            raise DataError(f"the vector of {vocabulary.words[broken[0]]!r} is not finite", "leave the word out")
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


@np.errstate(over="ignore")  # too large a number is infinite, which is an error of its own
def _text_file(path: Path) -> Vectors:
    """A word and its numbers a line; a first line of two counts, as word2vec writes it, is passed over."""
    words: list[str] = []
    rows: list[Array] = []
    for number, line in enumerate(text_lines(path), 1):
        if not line.strip():
            continue
        word, values = _split(line.rstrip(), len(rows[0]) if rows else 0)
        if number == 1 and len(values) == 1 and word.isdigit() and values[0].isdigit():
            continue
        words.append(word)
        rows.append(_numbers(values, f"{path}:{number}"))
        if len(values) != len(rows[0]):
            raise DataError(f"{path}:{number}: {len(values)} numbers, not {len(rows[0])} as before", LINES)
    if not rows:
        raise DataError(f"{path}: no vectors in it", LINES)
    return Vectors(tuple(words), np.stack(rows))


def _split(line: str, size: int) -> tuple[str, list[str]]:
    """A word and its numbers, of which there are ``size`` if that is known: GloVe has a few words with blanks."""
    if "\t" in line:
        word, _, numbers = line.partition("\t")
        return word, numbers.split()
    word, *values = line.split(" ")
    if 0 < size < len(values):
        word, *values = line.rsplit(" ", size)
    return word, values


def _numbers(values: list[str], where: str) -> Array:
    if not values:
        raise DataError(f"{where}: a word without numbers", LINES)
    try:
        found = np.array(values, dtype=np.float32)
    except ValueError:
        raise DataError(f"{where}: not a word and its numbers", LINES) from None
    if not np.isfinite(found).all():
        raise DataError(f"{where}: a number is not finite", "leave the word out")
    return found


def _array_file(path: Path) -> Vectors:
    """An array (words, E), read where it is needed, and beside it a word a line."""
    matrix, beside = _array(path), path.with_suffix(".txt")
    return _together(path, matrix, beside, [line.rstrip("\r\n") for line in text_lines(beside)])


def _array(path: Path) -> Array:
    """An array of numbers (words, E). Raises DataError for anything else."""
    try:
        matrix = np.load(path, mmap_mode="r")
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}", "check the name") from None
    except (ValueError, EOFError):
        raise DataError(f"{path}: not an array that numpy saved", ARRAY) from None
    if not isinstance(matrix, np.ndarray):
        raise DataError(f"{path} holds several arrays", ARRAY)
    if matrix.ndim != 2 or not matrix.size or matrix.dtype.kind not in "iuf":
        raise DataError(f"{path}: its shape is {matrix.shape} of {matrix.dtype}, not numbers (words, size)", ARRAY)
    return matrix


def _together(path: Path, matrix: Array, beside: Path, words: list[str]) -> Vectors:
    if len(words) != len(matrix):
        raise DataError(f"{path} has {len(matrix)} vectors, but {beside} {len(words)} words", "they go together")
    return Vectors(tuple(words), matrix)


def _package(name: str) -> Vectors:
    """A package that holds data/*_emb.npy and the words as the column "index" of data/*_index.parquet."""
    try:
        spec = find_spec(name.replace("-", "_"))
    except (ImportError, ValueError):  # a part of no package; no name at all
        spec = None
    if spec is None or not spec.submodule_search_locations:
        raise DataError(f"the package {name!r} is not installed", f"pip install {name}" if name else PACKAGE)
    try:
        from pyarrow import parquet
    except ImportError:
        raise ConfigError(f"reading {name} needs pyarrow", 'pip install "rnnx[vectors]"') from None
    folder = Path(spec.submodule_search_locations[0]) / "data"
    try:
        (array,), (index,) = folder.glob("*_emb.npy"), folder.glob("*_index.parquet")
        words = parquet.read_table(index).column("index").to_pylist()
    except (OSError, ValueError, KeyError):
        raise DataError(f"{folder} holds no word vectors that rnnx can read", PACKAGE) from None
    return _together(array, _array(array), index, words)
