"""A training run from config to folder: read, train, write, and check what was written."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import torch
import yaml

from rnnx import __version__
from rnnx.config import Config
from rnnx.data.files import write_whole
from rnnx.data.readers import Fault
from rnnx.errors import ConfigError
from rnnx.models import checkpoint
from rnnx.training import devices, distillation, folder, progress
from rnnx.training.checks import check
from rnnx.training.corpus import Corpus, gather
from rnnx.training.loop import Step, fit
from rnnx.training.material import Material, prepare
from rnnx.training.metrics import Scores, measure
from rnnx.training.network import RecurrentNetwork
from rnnx.training.progress import Epoch, Progress


@dataclass(frozen=True)
class Job:
    """A run that is ready to start."""

    config: Config
    corpus: Corpus
    material: Material
    network: RecurrentNetwork
    device: torch.device

    @property
    def parameters(self) -> int:
        """How many numbers the network learns."""
        return sum(p.numel() for p in self.network.parameters())


def plan(config: Config, fault: Fault) -> Job:
    """Read the data and make the network. ``fault`` hears of bad rows. Seeds torch, and sets its threads.

    Raises ConfigError, DataError, ModelError and UnknownName.
    """
    device = _device(config.training.device)
    torch.manual_seed(config.seed)
    torch.set_num_threads(min(config.training.threads, os.cpu_count() or 1))
    check(config)
    corpus = gather(config, fault)
    material = prepare(config, corpus)
    try:
        network = _network(config, material).to(device)
    except (RuntimeError, MemoryError) as error:  # torch says the first where memory is short
        if "alloc" not in str(error).lower() and not isinstance(error, MemoryError):
            raise
        hint = "a smaller model.hidden or text.vocabulary"
        raise ConfigError("the model does not fit into the memory", hint) from None
    return Job(config, corpus, material, network, device)


def _network(config: Config, material: Material) -> RecurrentNetwork:
    model = config.model
    return RecurrentNetwork(
        material.spec,
        torch.from_numpy(material.embeddings),
        hidden=model.hidden,
        layers=model.layers,
        bidirectional=model.bidirectional,
        heads=model.heads,
        output=model.output,
        embedding_dropout=model.embedding_dropout,
        dropout=model.dropout,
    )


def train(job: Job, path: Path, *, resume: bool = False) -> Iterator[Step | Epoch]:
    """Train and write the folder; yields what happens. ``resume`` goes on from the folder's checkpoint, if any.

    The same config and data give the same weights on the same machine, with or without interruptions. Raises
    ConfigError (also for a checkpoint of another config), DataError (of other data) and ModelError.
    """
    path.mkdir(parents=True, exist_ok=True)
    with folder.locked(path):
        yield from _trained(job, path, resume)


def _trained(job: Job, path: Path, resume: bool) -> Iterator[Step | Epoch]:
    now = progress.start(job.network, job.config.training, job.config.seed)
    run = folder.fingerprint(job.config, job.material.digest(), job.device.type)
    if resume and (path / progress.FILE).exists():
        progress.restore(path, now, lambda begun: folder.check_same(begun, run))
    else:
        progress.save(path, now, run)  # from now on the folder is this run's
    yield from _saving(job, path, now, run)
    weights = {name: tensor.cpu().numpy() for name, tensor in now.best.items()}
    checkpoint.write(path, job.material.spec, weights, job.material.vocabulary, half=job.config.half)
    _record(job, path, now)
    (path / progress.FILE).unlink(missing_ok=True)


def _saving(job: Job, path: Path, now: Progress, run: str) -> Iterator[Step | Epoch]:
    """Train on from ``now``, with a checkpoint now and then."""
    settings = job.config.training
    before, started = now.seconds, time.monotonic()
    saved = started
    torch.set_flush_denormal(True)  # numbers that are nearly 0 would take many times longer
    try:
        for event in fit(now, job.material.train, job.material.dev, settings):
            now.seconds = before + time.monotonic() - started
            if time.monotonic() - saved > settings.save_every or isinstance(event, Epoch):
                progress.save(path, now, run)
                saved = time.monotonic()
            yield event
    finally:
        torch.set_flush_denormal(False)


def _device(name: str) -> torch.device:
    found = devices.find(name)
    if found is None:
        raise ConfigError("training.device is cuda, but torch finds no GPU", "training.device: auto, or --device cpu")
    return found


def _record(job: Job, path: Path, now: Progress) -> None:
    """What made this model, for people: the merged config, and metrics with seed, sizes and versions."""
    dumped = yaml.safe_dump(job.config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    best = next(e for e in reversed(now.history) if e.best)
    metrics = {
        "test": _measured(path, job.corpus),
        "dev": {name: scores.rounded() for name, scores in best.dev.items()},
        "best_epoch": best.number,
        "epochs": [
            {"epoch": e.number, "loss": round(e.loss, 4), "dev": {name: s.rounded() for name, s in e.dev.items()}}
            for e in now.history
        ],
        "train_texts": {part.name: len(part.examples) for part in job.material.train},
        "parameters": job.parameters,
        "seed": job.config.seed,
        "seconds": round(now.seconds),
        "device": job.device.type,
        "versions": {
            "rnnx": __version__,
            "python": platform.python_version(),
            **{package: version(package) for package in ("torch", "numpy")},
        },
    }
    write_whole(path / "config.yaml", dumped)
    write_whole(path / "metrics.json", json.dumps(metrics, indent=2) + "\n")


def _measured(path: Path, corpus: Corpus) -> dict[str, dict[str, float]]:
    """The scores on each test part of the model as it was written, read back by the engine that will explain it."""
    model = checkpoint.load(path.resolve())  # whatever its name, it is no shipped model
    found = {}
    for name, rows in corpus.test.items():
        opinions = distillation.opinions([model], [row.tokens for row in rows])
        scores: Scores = measure(opinions, [model.labels.index(row.label) for row in rows])
        found[name] = {"texts": len(rows), **scores.rounded()}
    return found
