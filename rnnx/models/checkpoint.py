"""Read and write a model's folder; weights are named as in the torch network (``rnnx.training.network``)."""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike, fspath
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from rnnx.errors import ModelError
from rnnx.models.catalog import AGAIN, Spec, folder, read_spec, write_spec
from rnnx.models.engine.cells import CELLS, Cell
from rnnx.models.engine.classifier import RecurrentClassifier
from rnnx.models.engine.layer import Layer
from rnnx.models.engine.network import Network
from rnnx.models.engine.pooling import Attention, Last, Pooling
from rnnx.models.protocols import Array
from rnnx.text.tokenizer import TOKENIZERS
from rnnx.text.vocabulary import Vocabulary

Weights = dict[str, Array]


def load(name: str | PathLike[str]) -> RecurrentClassifier:
    """The numpy engine's model of a shipped name or a run folder. Raises ModelError."""
    name = fspath(name)
    path = folder(name)
    spec, weights, vocabulary = read(path)
    if spec.tokenizer not in TOKENIZERS:
        raise ModelError(
            f"{path / 'model.json'}: unknown tokenizer {spec.tokenizer!r}", f"known: {', '.join(TOKENIZERS)}"
        )
    try:
        network = assemble(spec, weights)
    except (KeyError, ValueError) as error:
        raise ModelError(f"the weights in {path} are not those of its model.json: {error}", AGAIN) from None
    return RecurrentClassifier(name, spec.labels, TOKENIZERS[spec.tokenizer], vocabulary, network)


def read(path: Path) -> tuple[Spec, Weights, Vocabulary]:
    """What a folder holds; weights in single precision whatever they are on disk. Raises ModelError."""
    spec = read_spec(path)
    try:
        stored = load_file(path / "model.safetensors")
        words = (path / "vocabulary.txt").read_text("utf-8").split("\n")[:-1]
    except (OSError, SafetensorError, UnicodeDecodeError) as error:
        raise ModelError(f"the model in {path} cannot be read: {error}", AGAIN) from None
    weights = {name: w.astype(np.float32, copy=False) for name, w in stored.items()}
    for name, w in weights.items():
        if not np.isfinite(w).all():
            raise ModelError(
                f"the weights {name} in {path} are not all finite", "train it again, with a smaller learning rate"
            )
    rows = len(weights.get("embedding.weight", ()))
    if rows != len(words):
        raise ModelError(f"{path}: {len(words)} words in vocabulary.txt, but {rows} embeddings", AGAIN)
    if len(set(words)) != len(words):
        raise ModelError(f"{path}: a word stands in vocabulary.txt twice", AGAIN)
    return spec, weights, Vocabulary(tuple(words), spec.lowercase)


def write(path: Path, spec: Spec, weights: Weights, vocabulary: Vocabulary, *, half: bool = False) -> None:
    """Write what ``read`` reads; ``half`` stores half-precision weights."""
    path.mkdir(parents=True, exist_ok=True)
    dtype = np.float16 if half else np.float32
    # Not save_file, which makes a file that only its owner may read.
    stored = save({name: np.ascontiguousarray(w, dtype) for name, w in weights.items()})
    (path / "model.safetensors").write_bytes(stored)
    (path / "vocabulary.txt").write_text("".join(f"{word}\n" for word in vocabulary.words), "utf-8", newline="\n")
    write_spec(path, spec)


def count_layers(weights: Weights) -> int:
    """How many recurrent layers the weights are for."""
    return sum(name.startswith("recurrent.weight_hh_l") for name in weights)


def assemble(spec: Spec, weights: Weights) -> Network:
    """The engine's network. KeyError for a weight that is missing, ValueError for one of a wrong shape."""
    if spec.kind not in CELLS or spec.pooling not in POOLINGS:
        raise ValueError(f"unknown kind {spec.kind!r} or pooling {spec.pooling!r}")
    weights = dict(weights)  # each is taken out, so that none is left over
    embedding = _take(weights, "embedding.weight", None, None)
    layers, width = [], embedding.shape[1]
    for i in range(count_layers(weights)):
        layers.append(_layer(CELLS[spec.kind], weights, i, width))
        width = layers[-1].size
    classes = 1 if len(spec.labels) == 2 else len(spec.labels)
    network = Network(
        embedding=embedding,
        layers=tuple(layers),
        pooling=POOLINGS[spec.pooling](weights, width),
        w_out=_take(weights, "output.weight", classes, width).T,
        b_out=_take(weights, "output.bias", classes),
    )
    if weights:
        raise ValueError(f"there is also {', '.join(sorted(weights))}")
    return network


def _layer(cell: Cell, weights: Weights, i: int, width: int) -> Layer:
    """Layer i, which reads vectors of this width."""
    size = weights[f"recurrent.weight_hh_l{i}"].shape[-1]
    rows = cell.gates * size
    shapes = {"weight_ih": (rows, width), "weight_hh": (rows, size), "bias_ih": (rows,), "bias_hh": (rows,)}
    w, u, w_bias, u_bias = (
        np.ascontiguousarray(cell.arrange(_take(weights, f"recurrent.{name}_l{i}", *shape)).T)
        for name, shape in shapes.items()
    )
    return Layer(cell, w, u, w_bias, u_bias)


def _attention(weights: Weights, width: int) -> Pooling:
    hidden = _take(weights, "pooling.hidden.weight", None, width)
    bias = _take(weights, "pooling.hidden.bias", len(hidden))
    return Attention(hidden.T, bias, _take(weights, "pooling.query.weight", 1, len(hidden))[0])


def _take(weights: Weights, name: str, *shape: int | None) -> Array:
    """Take out a weight of this shape, None for any size."""
    found = weights.pop(name)
    if len(found.shape) != len(shape) or any(n not in (None, m) for n, m in zip(shape, found.shape, strict=True)):
        raise ValueError(f"{name} has the shape {found.shape}")
    return found


POOLINGS: dict[str, Callable[[Weights, int], Pooling]] = {
    "last": lambda weights, width: Last(),
    "attention": _attention,
}
