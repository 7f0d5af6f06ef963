"""A training run from config to folder: read, train, write, and check what was written."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
import yaml

from rnnx import __version__
from rnnx.config import Config, Data, Source
from rnnx.data import readers
from rnnx.data.readers import Fault
from rnnx.errors import ConfigError, DataError, UnknownName
from rnnx.models import checkpoint
from rnnx.models.catalog import Spec
from rnnx.models.protocols import Array, Classifier
from rnnx.text import vocabulary as vocabularies
from rnnx.text.tokenizer import TOKENIZERS
from rnnx.text.vocabulary import Vocabulary
from rnnx.training import distillation
from rnnx.training import vectors as pretrained
from rnnx.training.data import Example, Part
from rnnx.training.loop import Epoch, Step, fit
from rnnx.training.network import RecurrentNetwork
from rnnx.types import Token

Labelled = tuple[tuple[Token, ...], str]


def prepare(config: Config, force: bool) -> Path:
    """The run's folder, checked before anything long starts. Raises ConfigError or DataError."""
    if config.data is None:
        raise ConfigError("the config has no data section", "see configs/quickstart.yaml")
    if config.output is None:
        raise ConfigError("the config names no output folder", "output: runs/NAME, or --output runs/NAME")
    folder = Path(config.output)
    if (folder / "model.json").exists() and not force:
        raise DataError(f"{folder} holds a model already", "choose another --output, or --force to replace it")
    return folder


def train(config: Config, folder: Path, fault: Fault) -> Iterator[Step | Epoch]:
    """Train as the config says and write the folder; yields what happens. ``fault`` hears of bad rows.

    The same config and data give the same weights on the same machine. Raises DataError, ModelError and
    UnknownName.
    """
    started = time.time()
    torch.manual_seed(config.seed)
    torch.set_num_threads(config.training.threads)
    torch.set_flush_denormal(True)
    material = _material(config, fault)
    network = RecurrentNetwork(
        material.spec,
        torch.from_numpy(material.embeddings),
        hidden=config.model.hidden,
        embedding_dropout=config.model.embedding_dropout,
        dropout=config.model.dropout,
    )
    history = []
    for event in fit(network, material.train, material.dev, config.training, config.seed):
        if isinstance(event, Epoch):
            history.append(event)
        yield event
    weights = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    checkpoint.write(folder, material.spec, weights, material.vocabulary, half=config.half)
    _record(config, folder, history, material.train, started)


@dataclass(frozen=True)
class _Material:
    """All that training starts from."""

    spec: Spec
    vocabulary: Vocabulary
    embeddings: Array
    train: list[Part]
    dev: list[Part]


def _material(config: Config, fault: Fault) -> _Material:
    """Read the files; make the vocabulary, the first embeddings and the targets."""
    assert config.data is not None  # prepare() has checked it
    train_texts = {s.path: _read(s, config, fault) for s in config.data.train}
    dev_texts = {s.path: _read(s, config, fault) for s in config.data.dev} or _split(train_texts, config)
    labels = _labels(config.data, [*train_texts.values(), *dev_texts.values()])
    vectors = pretrained.read(config.text.vectors) if config.text.vectors else None
    vocabulary = _vocabulary(config, train_texts, vectors)
    embeddings = pretrained.embeddings(
        vocabulary, vectors, config.model.embedding, config.text.vector_scale, config.seed
    )
    teachers = distillation.load_teachers(config.training.teachers, labels)
    return _Material(
        spec=Spec(config.model.kind, config.model.pooling, labels, config.text.tokenizer, config.text.lowercase),
        vocabulary=vocabulary,
        embeddings=embeddings,
        train=[
            Part(_name(s.path), _examples(train_texts[s.path], vocabulary, labels, teachers, config), s.passes)
            for s in config.data.train
        ],
        dev=[Part(_name(path), _examples(texts, vocabulary, labels, [], config)) for path, texts in dev_texts.items()],
    )


def _read(source: Source, config: Config, fault: Fault) -> list[Labelled]:
    """A file's texts as tokens, with their labels; texts without words or label are faults."""
    assert config.data is not None
    tokenize = TOKENIZERS[config.text.tokenizer]
    path = Path(config.data.folder) / source.path
    found = []
    for row in readers.read(path, fault, text=config.data.text, label=config.data.label):
        tokens = tokenize(row.text)
        if row.label is None or not tokens:
            fault(f"{row.where}: {'no words in the text' if row.label else 'no label'}")
        else:
            found.append((tokens, row.label))
    if not found:
        raise DataError(
            f"{path}: no labelled text in it",
            f"rows need the fields {config.data.text} and {config.data.label}",
        )
    return found


def _split(texts: dict[str, list[Labelled]], config: Config) -> dict[str, list[Labelled]]:
    """Take the dev texts out of the training texts, the same share of every label of every file."""
    assert config.data is not None
    rng = np.random.default_rng(config.seed)
    dev = []
    for path, rows in texts.items():
        order = rng.permutation(len(rows))
        taken: set[int] = set()
        for label in {label for _, label in rows}:
            own = [int(i) for i in order if rows[i][1] == label]
            taken |= set(own[: round(config.data.dev_share * len(own))])
        dev += [rows[i] for i in sorted(taken)]
        texts[path] = [row for i, row in enumerate(rows) if i not in taken]
    if not dev:
        raise ConfigError("no texts to measure progress on", "give data.dev files, or a larger data.dev_share")
    return {"dev": dev}


def _labels(data: Data, files: Sequence[list[Labelled]]) -> tuple[str, ...]:
    found = sorted({label for rows in files for _, label in rows})
    if data.labels is None and len(found) < 2:
        raise DataError(f"all texts have the label {found[0]!r}", "a classifier needs at least two labels")
    labels = tuple(data.labels or found)
    for label in found:
        if label not in labels:
            raise UnknownName("label", label, labels)
    return labels


def _vocabulary(config: Config, texts: dict[str, list[Labelled]], vectors: pretrained.Vectors | None) -> Vocabulary:
    """The training texts' words, then the vectors' if asked for."""
    text = config.text
    every = (tokens for rows in texts.values() for tokens, _ in rows)
    words = vocabularies.build(every, text.vocabulary, text.min_count, text.lowercase)
    return pretrained.filled(words, vectors, text.vocabulary) if vectors and text.fill else words


def _examples(
    texts: list[Labelled],
    vocabulary: Vocabulary,
    labels: tuple[str, ...],
    teachers: Sequence[Classifier],
    config: Config,
) -> list[Example]:
    """Ids, class and target: the class itself, or between it and what the teachers think."""
    classes = [labels.index(label) for _, label in texts]
    targets = np.eye(len(labels), dtype=np.float32)[classes]
    if teachers:
        weight = config.training.teacher_weight
        targets = (1 - weight) * targets + weight * distillation.opinions(teachers, [tokens for tokens, _ in texts])
    ids = (np.array(vocabulary.ids(tokens), np.int32) for tokens, _ in texts)
    return [Example(*example) for example in zip(ids, classes, targets, strict=True)]


def _name(path: str) -> str:
    """A file's name without its suffixes."""
    return Path(path).name.partition(".")[0]


def _record(config: Config, folder: Path, history: list[Epoch], parts: list[Part], started: float) -> None:
    """What made this model, for people: the merged config, and metrics with seed, sizes and versions."""
    dumped = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    (folder / "config.yaml").write_text(dumped, "utf-8")
    best = next(e for e in reversed(history) if e.best)
    metrics = {
        "dev": {name: {"accuracy": round(a, 4), "loss": round(loss, 4)} for name, (a, loss) in best.dev.items()},
        "best_epoch": best.number,
        "epochs": [
            {
                "epoch": e.number,
                "loss": round(e.loss, 4),
                **{name: round(a, 4) for name, (a, _) in e.dev.items()},
            }
            for e in history
        ],
        "train_texts": {part.name: len(part.examples) for part in parts},
        "seed": config.seed,
        "seconds": round(time.time() - started),
        "versions": {
            "rnnx": __version__,
            "python": platform.python_version(),
            **{package: version(package) for package in ("torch", "numpy")},
        },
    }
    (folder / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n", "utf-8")
