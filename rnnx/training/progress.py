"""Where training stands, and its checkpoint, from which it goes on as if nothing had happened."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_bytes
from torch import Tensor, nn

from rnnx.config import Training
from rnnx.data.files import write_whole
from rnnx.errors import ModelError
from rnnx.models import checkpoint
from rnnx.training.metrics import Scores

FILE = "checkpoint.safetensors"
FORMAT = 1
_PLAIN = ("begun", "batches", "step", "averaged_at", "texts", "right", "loss", "seconds")
OPTIMIZERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}


class Epoch(NamedTuple):
    """After an epoch: its training loss, the scores of the averaged weights on each dev part, and whether those
    are the best so far.
    """

    number: int
    loss: float
    dev: dict[str, Scores]
    best: bool


@dataclass
class Progress:
    """All that the rest of a training run depends on, beside its config and data.

    ``begun`` is the state that ``rng`` had when this epoch began, ``batches`` how many of it are done; ``texts``,
    ``right`` and ``loss`` are the sums over them. ``averaged_at`` is the step of the last average.
    """

    network: nn.Module
    averaged: nn.Module
    optimizer: torch.optim.Optimizer
    rng: np.random.Generator
    best: dict[str, Tensor]
    begun: dict[str, Any]
    history: list[Epoch] = field(default_factory=list)
    batches: int = 0
    step: int = 0
    averaged_at: int = 0
    texts: int = 0
    right: int = 0
    loss: float = 0.0
    seconds: float = 0.0


def start(network: nn.Module, settings: Training, seed: int) -> Progress:
    """Before the first step. The caller has seeded torch."""
    optimizer = OPTIMIZERS[settings.optimizer](
        network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    rng = np.random.default_rng(seed)
    averaged = copy.deepcopy(network).eval()
    return Progress(network, averaged, optimizer, rng, _copied(averaged), dict(rng.bit_generator.state))


def keep_best(progress: Progress) -> None:
    """The averaged weights are the best so far."""
    progress.best = _copied(progress.averaged)


def save(folder: Path, progress: Progress, run: str) -> None:
    """Write the checkpoint; ``run`` says which run it is of. Raises OSError, leaving the last checkpoint whole."""
    tensors = {"rng.torch": torch.get_rng_state()}
    if _on_gpu(progress):
        tensors["rng.cuda"] = torch.cuda.get_rng_state()
    for name, values in _parts(progress).items():
        tensors |= {f"{name}.{key}": value for key, value in values.items()}
    for i, values in progress.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{i}.{key}": value for key, value in values.items()}
    plain = {name: getattr(progress, name) for name in _PLAIN}
    history = [[*epoch] for epoch in progress.history]
    text = json.dumps({"format": FORMAT, "run": run, "history": history, **plain})
    arrays = {name: tensor.cpu().numpy() for name, tensor in tensors.items()}
    write_whole(folder / FILE, to_bytes(arrays, metadata={"progress": text}))


def restore(folder: Path, progress: Progress, same: Callable[[str], None]) -> None:
    """Bring ``progress``, as ``start`` made it, to where the checkpoint is.

    ``same`` hears which run it was saved of, and raises an error if that is another one. Raises ModelError if the
    checkpoint cannot be read.
    """
    file = folder / FILE
    try:
        if checkpoint.is_pickle(file):
            raise ValueError("it is a pickle, and opening one can run any program")
        with safe_open(file, framework="pt") as stream:
            plain = json.loads((stream.metadata() or {}).get("progress", "{}"))
            if plain.get("format") != FORMAT:
                raise ValueError(f"its format is {plain.get('format')}, this rnnx reads {FORMAT}")
            same(plain["run"])
            tensors = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118  # it is no dict
        _restore(progress, plain, tensors)
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, RuntimeError) as error:
        reason = str(error).split("\n")[0]
        raise ModelError(f"{file} cannot be read: {reason}", "--force starts the training anew") from None


def _restore(progress: Progress, plain: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    progress.network.load_state_dict(_below("network", tensors))
    progress.averaged.load_state_dict(_below("averaged", tensors))
    progress.best = _below("best", tensors)
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in _below("optimizer", tensors).items():
        i, _, key = name.partition(".")
        state.setdefault(int(i), {})[key] = tensor
    progress.optimizer.load_state_dict({**progress.optimizer.state_dict(), "state": state})
    for name in _PLAIN:
        setattr(progress, name, plain[name])
    progress.history = [
        Epoch(number, loss, {part: Scores(*scores) for part, scores in dev.items()}, best)
        for number, loss, dev, best in plain["history"]
    ]
    progress.rng.bit_generator.state = progress.begun
    torch.set_rng_state(tensors["rng.torch"])
    if _on_gpu(progress):
        torch.cuda.set_rng_state(tensors["rng.cuda"])


def _on_gpu(progress: Progress) -> bool:
    return next(progress.network.parameters()).is_cuda


def _parts(progress: Progress) -> dict[str, dict[str, Tensor]]:
    return {
        "network": progress.network.state_dict(),
        "averaged": progress.averaged.state_dict(),
        "best": progress.best,
    }


def _below(part: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(f"{part}."): t for name, t in tensors.items() if name.startswith(f"{part}.")}


def _copied(module: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}
