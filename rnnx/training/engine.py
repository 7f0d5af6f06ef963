"""The torch engine: a model that rnnx trained, computed by torch, on a GPU where there is one."""

from __future__ import annotations

import torch

from rnnx.errors import UsageError
from rnnx.models import checkpoint
from rnnx.models.catalog import folder
from rnnx.models.torch_adapter import TorchClassifier
from rnnx.text.tokenizer import TOKENIZERS
from rnnx.training.network import load_network


def load(name: str, device: str = "auto") -> TorchClassifier:
    """The torch network of a shipped name or a run folder as a classifier, on cpu, cuda, or with auto a GPU if any.

    Raises ModelError, and UsageError for a GPU that torch does not find.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise UsageError("the device is cuda, but torch finds no GPU", "use the device auto, or cpu")
    spec, _, vocabulary = checkpoint.read(folder(name))
    network = load_network(name).to("cpu" if device == "cpu" or not torch.cuda.is_available() else "cuda")
    provides = {"gradients", *(["attention"] if spec.provides_attention else [])}
    return TorchClassifier(
        name, spec.labels, TOKENIZERS[spec.tokenizer], vocabulary, network, spec.fields, frozenset(provides)
    )
