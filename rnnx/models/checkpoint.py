"""Read and write a model's folder; weights are named as in the torch network (``rnnx.training.network``)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from rnnx.errors import ModelError, UnknownName
from rnnx.models.catalog import Spec, folder, read_spec, write_spec
from rnnx.models.engine.cells import CELLS
from rnnx.models.engine.classifier import RecurrentClassifier
from rnnx.models.engine.layer import Layer
from rnnx.models.engine.network import Network
from rnnx.models.engine.pooling import Attention, Last, Pooling
from rnnx.models.protocols import Array
from rnnx.text.tokenizer import TOKENIZERS
from rnnx.text.vocabulary import Vocabulary

Weights = dict[str, Array]


def load(name: str) -> RecurrentClassifier:
    """The numpy engine's model of a shipped name or a run folder. Raises ModelError."""
    path = folder(name)
    spec, weights, vocabulary = read(path)
    if spec.tokenizer not in TOKENIZERS:
        raise UnknownName("tokenizer", spec.tokenizer, TOKENIZERS)
    try:
        network = assemble(spec, weights)
    except KeyError as missing:
        raise ModelError(f"{path / 'model.safetensors'} lacks the weights {missing}", "train the model again") from None
    return RecurrentClassifier(name, spec.labels, TOKENIZERS[spec.tokenizer], vocabulary, network)


def read(path: Path) -> tuple[Spec, Weights, Vocabulary]:
    """What a folder holds; weights in single precision whatever they are on disk. Raises ModelError."""
    spec = read_spec(path)
    try:
        stored = load_file(path / "model.safetensors")
        words = (path / "vocabulary.txt").read_text("utf-8").split("\n")[:-1]
    except (OSError, SafetensorError, UnicodeDecodeError) as error:
        raise ModelError(
            f"the model in {path} cannot be read: {error}", "train it again, or copy its folder whole"
        ) from None
    weights = {name: w.astype(np.float32, copy=False) for name, w in stored.items()}
    if len(words) != len(weights["embedding.weight"]):
        raise ModelError(f"{path}: {len(words)} words but {len(weights['embedding.weight'])} embeddings")
    return spec, weights, Vocabulary(tuple(words), spec.lowercase)


def write(path: Path, spec: Spec, weights: Weights, vocabulary: Vocabulary, *, half: bool = False) -> None:
    """Write what ``read`` reads; ``half`` stores half-precision weights."""
    path.mkdir(parents=True, exist_ok=True)
    dtype = np.float16 if half else np.float32
    save_file({name: np.ascontiguousarray(w, dtype) for name, w in weights.items()}, path / "model.safetensors")
    (path / "vocabulary.txt").write_text("".join(f"{word}\n" for word in vocabulary.words), "utf-8", newline="\n")
    write_spec(path, spec)


def assemble(spec: Spec, weights: Weights) -> Network:
    """The engine's network. KeyError if a weight is missing."""
    if spec.kind not in CELLS:
        raise UnknownName("kind of model", spec.kind, CELLS)
    if spec.pooling not in POOLINGS:
        raise UnknownName("pooling", spec.pooling, POOLINGS)
    cell = CELLS[spec.kind]
    w, u, w_bias, u_bias = (
        np.ascontiguousarray(cell.arrange(weights[f"recurrent.{name}_l0"]).T)
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    )
    return Network(
        embedding=weights["embedding.weight"],
        layers=(Layer(cell, w, u, w_bias, u_bias),),
        pooling=POOLINGS[spec.pooling](weights),
        w_out=weights["output.weight"].T,
        b_out=weights["output.bias"],
    )


def _attention(weights: Weights) -> Pooling:
    hidden, bias, query = (weights[f"pooling.{name}"] for name in ("hidden.weight", "hidden.bias", "query.weight"))
    return Attention(hidden.T, bias, query[0])


POOLINGS = {"last": lambda weights: Last(), "attention": _attention}
