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
from rnnx.config import Config, Data
from rnnx.data import readers
from rnnx.data.readers import Fault
from rnnx.errors import ConfigError, DataError, UnknownName
from rnnx.models import checkpoint
from rnnx.models.catalog import Spec
from rnnx.models.protocols import Array, Classifier
from rnnx.text import vocabulary as vocabularies
from rnnx.text.tokenizer import TOKENIZERS
from rnnx.text.vocabulary import SPECIAL, Vocabulary
from rnnx.training import distillation
from rnnx.training import vectors as pretrained
from rnnx.training.data import Example, Part
from rnnx.training.loop import Epoch, Step, fit
from rnnx.training.network import RecurrentNetwork
from rnnx.types import Token

Labelled = tuple[tuple[Token, ...], str]
Files = dict[str, list[Labelled]]


def prepare(config: Config, force: bool) -> Path:
    """The run's folder, made before anything long starts. Raises ConfigError or DataError."""
    _data(config)
    if config.output is None:
        raise ConfigError("the config names no output folder", "output: runs/NAME, or --output runs/NAME")
    folder = Path(config.output)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        taken = any(folder.iterdir())
    except OSError as error:
        raise DataError(f"{folder}: {error.strerror}", "choose another --output") from None
    if taken and not force:
        raise DataError(f"{folder} is not empty", "choose another --output, or --force to write into it")
    return folder


def _data(config: Config) -> Data:
    if config.data is None:
        raise ConfigError("the config has no data section", "see configs/quickstart.yaml")
    return config.data


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
    _record(config, folder, history, material, started)


@dataclass(frozen=True)
class _Material:
    """All that training starts from."""

    spec: Spec
    vocabulary: Vocabulary
    embeddings: Array
    train: list[Part]
    dev: list[Part]
    test: Files


def _material(config: Config, fault: Fault) -> _Material:
    """Read the files; make the vocabulary, the first embeddings and the targets."""
    data = _data(config)
    train_texts = {s.path: _read(s.path, config, fault) for s in data.train}
    dev_texts = {path: _read(path, config, fault) for path in data.dev}
    test_texts = {path: _read(path, config, fault) for path in data.test}
    if not dev_texts:
        train_texts, dev_texts = _split(train_texts, data.dev_share, config.seed)
    labels = _labels(data, [*train_texts.values(), *dev_texts.values(), *test_texts.values()])
    vectors = pretrained.read(config.text.vectors) if config.text.vectors else None
    vocabulary = _vocabulary(config, train_texts, vectors)
    if len(vocabulary) == len(SPECIAL):
        raise DataError(f"no word occurs {config.text.min_count} times", "give more texts, or a smaller text.min_count")
    embeddings = pretrained.embeddings(
        vocabulary, vectors, config.model.embedding, config.text.vector_scale, config.seed
    )
    teachers = distillation.load_teachers(config.training.teachers, labels)
    return _Material(
        spec=Spec(config.model.kind, config.model.pooling, labels, config.text.tokenizer, config.text.lowercase),
        vocabulary=vocabulary,
        embeddings=embeddings,
        train=[
            Part(s.path, _examples(train_texts[s.path], vocabulary, labels, teachers, config), s.passes)
            for s in data.train
        ],
        dev=[Part(path, _examples(texts, vocabulary, labels, [], config)) for path, texts in dev_texts.items()],
        test=test_texts,
    )


def _read(path: str, config: Config, fault: Fault) -> list[Labelled]:
    """A file's texts as tokens, with their labels; texts without words or label are faults."""
    data, tokenize = _data(config), TOKENIZERS[config.text.tokenizer]
    file = Path(data.folder) / path
    found = []
    for row in readers.read(file, fault, text=data.text, label=data.label):
        tokens = tokenize(row.text)
        if row.label is None or not tokens:
            fault(f"{row.where}: {'no label' if tokens else 'no words in the text'}")
        else:
            found.append((tokens, row.label))
    if not found:
        raise DataError(f"{file}: no labelled text in it", f"rows need the fields {data.text} and {data.label}")
    return found


def _split(texts: Files, share: float, seed: int) -> tuple[Files, Files]:
    """(train, dev): of every file and label the same share, drawn at random. Raises ConfigError for no dev."""
    rng = np.random.default_rng(seed)
    train: Files = {}
    dev: list[Labelled] = []
    for path, rows in texts.items():
        order = rng.permutation(len(rows)).tolist()
        taken: set[int] = set()
        for label in {label for _, label in rows}:
            own = [i for i in order if rows[i][1] == label]
            taken |= set(own[: round(share * len(own))])
        dev += [rows[i] for i in sorted(taken)]
        train[path] = [row for i, row in enumerate(rows) if i not in taken]
    if not dev or not all(train.values()):
        missing = "measure progress on" if not dev else "train on"
        raise ConfigError(
            f"data.dev_share {share} leaves no texts to {missing}", "give more texts, data.dev files, or another share"
        )
    return train, {"held-out share": dev}


def _labels(data: Data, files: Sequence[list[Labelled]]) -> tuple[str, ...]:
    found = sorted({label for rows in files for _, label in rows})
    if data.labels is None and len(found) < 2:
        raise DataError(f"all texts have the label {found[0]!r}", "a classifier needs at least two labels")
    labels = tuple(data.labels or found)
    for label in found:
        if label not in labels:
            raise UnknownName("label", label, labels)
    return labels


def _vocabulary(config: Config, texts: Files, vectors: pretrained.Vectors | None) -> Vocabulary:
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


def _record(config: Config, folder: Path, history: list[Epoch], material: _Material, started: float) -> None:
    """What made this model, for people: the merged config, and metrics with seed, sizes and versions."""
    dumped = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    (folder / "config.yaml").write_text(dumped, "utf-8")
    best = next(e for e in reversed(history) if e.best)
    metrics = {
        "test": _measured(folder, material.test),
        "dev": {path: {"accuracy": round(a, 4), "loss": round(loss, 4)} for path, (a, loss) in best.dev.items()},
        "best_epoch": best.number,
        "epochs": [
            {"epoch": e.number, "loss": round(e.loss, 4), "dev": {path: round(a, 4) for path, (a, _) in e.dev.items()}}
            for e in history
        ],
        "train_texts": {part.name: len(part.examples) for part in material.train},
        "seed": config.seed,
        "seconds": round(time.time() - started),
        "versions": {
            "rnnx": __version__,
            "python": platform.python_version(),
            **{package: version(package) for package in ("torch", "numpy")},
        },
    }
    (folder / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n", "utf-8")


def _measured(folder: Path, files: Files) -> dict[str, dict[str, float]]:
    """Accuracy on each file of the model as it was written, read back by the engine that will explain it."""
    model = checkpoint.load(str(folder))
    found = {}
    for path, rows in files.items():
        predicted = distillation.opinions([model], [tokens for tokens, _ in rows]).argmax(1)
        right = sum(model.labels[i] == label for i, (_, label) in zip(predicted, rows, strict=True))
        found[path] = {"texts": len(rows), "accuracy": round(right / len(rows), 4)}
    return found
