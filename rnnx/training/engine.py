"""The torch engine: a model that rnnx trained, computed by torch, on a GPU where there is one."""

from __future__ import annotations

from rnnx.errors import UsageError
from rnnx.models.catalog import folder
from rnnx.models.torch_engine.classifier import TorchRecurrent
from rnnx.text.tokenizer import TOKENIZERS
from rnnx.training import devices
from rnnx.training.network import read_network


def load(name: str, device: str = "auto") -> TorchRecurrent:
    """The torch network of a shipped name or a run folder as a classifier, on cpu, cuda, or with auto a GPU if any.

    Raises ModelError, and UsageError for a GPU that torch does not find.
    """
    where = devices.find(device)
    if where is None:
        raise UsageError("the device is cuda, but torch finds no GPU", "use the device auto, or cpu")
    network, spec, vocabulary = read_network(folder(name))
    tokenize = TOKENIZERS[spec.tokenizer]
    return TorchRecurrent(name, spec.labels, tokenize, vocabulary, network.to(where), spec.fields, pooling=spec.pooling)
