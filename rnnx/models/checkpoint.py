"""Read and write a model's folder; weights are named as in the torch network (``rnnx.training.network``)."""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike, fspath
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from rnnx.data.files import write_together
from rnnx.errors import ModelError
from rnnx.models.catalog import AGAIN, Spec, as_json, folder, read_spec
from rnnx.models.engine.cells import CELLS, Cell
from rnnx.models.engine.classifier import RecurrentClassifier
from rnnx.models.engine.layer import Layer
from rnnx.models.engine.network import Network
from rnnx.models.engine.pooling import Attention, Hidden, Last, Max, Mean, Pooling
from rnnx.models.protocols import Array
from rnnx.text.tokenizer import TOKENIZERS
from rnnx.text.vocabulary import Vocabulary

Weights = dict[str, Array]
PICKLES = {".bin", ".ckpt", ".pickle", ".pkl", ".pt", ".pth"}
PICKLED = (b"PK\x03\x04", b"\x80")  # how torch.save begins, and a bare pickle


def load(name: str | PathLike[str]) -> RecurrentClassifier:
    """The numpy engine's model of a shipped name or a run folder. Raises ModelError."""
    name = fspath(name)
    path = folder(name)
    spec, weights, vocabulary = read(path)
    network = assembled(path, spec, weights)
    return RecurrentClassifier(name, spec.labels, TOKENIZERS[spec.tokenizer], vocabulary, network, spec.fields)


def read(path: Path) -> tuple[Spec, Weights, Vocabulary]:
    """What a folder holds; weights in single precision whatever they are on disk. Raises ModelError."""
    spec = read_spec(path)
    for name, known in (("kind", CELLS), ("pooling", POOLINGS), ("tokenizer", TOKENIZERS)):
        if getattr(spec, name) not in known:
            raise ModelError(
                f"{path / 'model.json'}: unknown {name} {getattr(spec, name)!r}", f"known: {', '.join(known)}"
            )
    weights = _stored(path)
    try:
        words = (path / "vocabulary.txt").read_text("utf-8").split("\n")[:-1]
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"the model in {path} cannot be read: {error}", AGAIN) from None
    for name, w in weights.items():
        if not np.isfinite(w).all():
            raise ModelError(
                f"the weights {name} in {path} are not all finite", "train it again, with a smaller learning rate"
            )
    rows = len(np.atleast_1d(weights.get("embedding.weight", [])))
    if rows != len(words):
        raise ModelError(f"{path}: {len(words)} words in vocabulary.txt, but {rows} embeddings", AGAIN)
    if len(set(words)) != len(words):
        raise ModelError(f"{path}: a word stands in vocabulary.txt twice", AGAIN)
    return spec, weights, Vocabulary(tuple(words), spec.lowercase)


def _stored(path: Path) -> Weights:
    """The weights of a folder. Raises ModelError, and never opens a pickle: loading one runs the program in it."""
    file = path / "model.safetensors"
    try:
        if not file.exists():
            file = next((f for f in sorted(path.iterdir()) if f.suffix in PICKLES), file)
        pickled = file.suffix in PICKLES or is_pickle(file)
        if pickled:
            raise ModelError(
                f"{file} is a pickle, which rnnx does not open: that can run any program",
                "the weights must be in model.safetensors, as rnnx train writes them",
            )
        return {name: w.astype(np.float32, copy=False) for name, w in load_file(file).items()}
    except (OSError, ValueError, TypeError, KeyError, SafetensorError) as error:
        raise ModelError(f"the model in {path} cannot be read: {error}", AGAIN) from None


def is_pickle(file: Path) -> bool:
    """Whether a file begins as a pickle or as what torch.save writes. Raises OSError.

    A safetensors file may begin with the same byte; but then with the length of its header, a JSON object.
    """
    with file.open("rb") as stream:
        head = stream.read(9)
    header = int.from_bytes(head[:8], "little")
    safe = head[8:] == b"{" and header + 8 <= file.stat().st_size
    return head.startswith(PICKLED) and not safe


def write(path: Path, spec: Spec, weights: Weights, vocabulary: Vocabulary, *, half: bool = False) -> None:
    """Write what ``read`` reads; ``half`` stores half-precision weights.

    Raises OSError, and ModelError for a weight that is not finite, or too large for half precision.
    """
    path.mkdir(parents=True, exist_ok=True)
    dtype = np.float16 if half else np.float32
    largest = np.finfo(dtype).max
    for name, w in weights.items():
        if not (np.abs(w) <= largest).all():
            raise ModelError(f"a weight in {name} is beyond {largest:g}", "half: false, or a smaller learning rate")
    # Not save_file, which makes a file that only its owner may read.
    stored = save({name: np.ascontiguousarray(w, dtype) for name, w in weights.items()})
    words = "".join(f"{word}\n" for word in vocabulary.words)
    model: dict[str, bytes | str] = {"model.safetensors": stored, "vocabulary.txt": words, "model.json": as_json(spec)}
    write_together({path / name: content for name, content in model.items()})


def assembled(path: Path, spec: Spec, weights: Weights) -> Network:
    """The engine's network of what ``read`` found in a folder. Raises ModelError where it does not fit together."""
    try:
        return assemble(spec, weights)
    except ValueError as error:
        raise ModelError(f"the weights in {path} are not those of its model.json: {error}", AGAIN) from None


def assemble(spec: Spec, weights: Weights) -> Network:
    """The engine's network, in the precision of the weights. ValueError for one that is missing or misshapen."""
    weights = dict(weights)  # each is taken out, so that none is left over
    embedding = _take(weights, "embedding.weight", None, None)
    directions = ("", "_reverse") if "recurrent.weight_hh_l0_reverse" in weights else ("",)
    levels: list[tuple[Layer, ...]] = []
    width = embedding.shape[1]
    while not levels or f"recurrent.weight_hh_l{len(levels)}" in weights:
        names = [f"l{len(levels)}{direction}" for direction in directions]
        levels.append(tuple(_layer(CELLS[spec.kind], weights, name, width) for name in names))
        width = sum(layer.size for layer in levels[-1])
    pooling = POOLINGS[spec.pooling](weights, width, levels[-1][0].size)
    w_out = _take(weights, "output.weight", None, width)
    if len(w_out) != len(spec.labels) and (len(w_out), len(spec.labels)) != (1, 2):
        raise ValueError(f"output.weight gives {len(w_out)} logits for {len(spec.labels)} labels")
    network = Network(embedding, tuple(levels), pooling, w_out.T, _take(weights, "output.bias", len(w_out)))
    if weights:
        raise ValueError(f"there is also {', '.join(sorted(weights))}")
    return network


def _layer(cell: Cell, weights: Weights, name: str, width: int) -> Layer:
    """The layer and direction of this name, which reads vectors of this width."""
    hidden = _take(weights, f"recurrent.weight_hh_{name}", None, None)
    rows, size = hidden.shape
    if rows != cell.gates * size:
        raise ValueError(f"recurrent.weight_hh_{name} has the shape {hidden.shape}")
    inputs = _take(weights, f"recurrent.weight_ih_{name}", rows, width)
    biases = [_take(weights, f"recurrent.bias_{side}_{name}", rows) for side in ("ih", "hh")]
    w, u = (np.ascontiguousarray(cell.arrange(weight).swapaxes(1, 2)) for weight in (inputs, hidden))
    w_bias, u_bias = (cell.arrange(bias)[:, None] for bias in biases)
    return Layer(cell, w, u, w_bias, u_bias, reverse=name.endswith("_reverse"))


def _attention(weights: Weights, width: int, forwards: int) -> Pooling:
    hidden = _take(weights, "pooling.hidden.weight", None, width)
    bias = _take(weights, "pooling.hidden.bias", len(hidden))
    return Attention(_queries(weights, len(hidden), width), Hidden(hidden.T, bias))


def _dot_attention(weights: Weights, width: int, forwards: int) -> Pooling:
    return Attention(_queries(weights, width, width) / width**0.5)


def _queries(weights: Weights, size: int, width: int) -> Array:
    """(size, heads)."""
    queries = _take(weights, "pooling.query.weight", None, size)
    if not len(queries) or width % len(queries):
        raise ValueError(f"pooling.query.weight has {len(queries)} heads for {width} units")
    return queries.T


def _take(weights: Weights, name: str, *shape: int | None) -> Array:
    """Take out a weight of this shape, None for any size."""
    if name not in weights:
        raise ValueError(f"{name} is missing")
    found = weights.pop(name)
    if len(found.shape) != len(shape) or any(n not in (None, m) for n, m in zip(shape, found.shape, strict=True)):
        raise ValueError(f"{name} has the shape {found.shape}")
    return found


# Each from the weights, the number of units and how many of them read forwards.
POOLINGS: dict[str, Callable[[Weights, int, int], Pooling]] = {
    "last": lambda weights, width, forwards: Last(forwards),
    "mean": lambda weights, width, forwards: Mean(),
    "max": lambda weights, width, forwards: Max(),
    "attention": _attention,
    "dot-attention": _dot_attention,
}
