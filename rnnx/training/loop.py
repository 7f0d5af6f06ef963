"""The training loop: a generator of what happens, so that whoever calls it can show it, save it, or stop it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from rnnx.config import Training
from rnnx.errors import ConfigError
from rnnx.models.batching import BUDGET, buckets
from rnnx.models.scores import probabilities
from rnnx.text.vocabulary import UNKNOWN
from rnnx.training.data import Minibatch, Part, epoch, stack
from rnnx.training.metrics import Scores, measure
from rnnx.training.progress import Epoch, Progress, keep_best

FLOOR = 0.02  # the last learning rate, as a share of the first
AVERAGE_EVERY = 4  # steps, and at an epoch's end
SHORT = 30  # tokens: a text up to here may hang on a single "not", so it loses no words


class Step(NamedTuple):
    """After a batch: how far training is, and the loss and accuracy of this epoch so far."""

    epoch: int
    epochs: int
    done: int
    total: int
    loss: float
    accuracy: float


def fit(progress: Progress, train: Sequence[Part], dev: Sequence[Part], settings: Training) -> Iterator[Step | Epoch]:
    """Go on from ``progress``, and keep it true: whenever an event comes out, it can be saved.

    At the end ``progress.best`` holds the averaged weights of the best epoch: the one with the best
    ``settings.best`` on ``dev``, each part counting the same, and of equal ones the one with the smallest log loss.
    Training stops after ``patience`` epochs without a better one. Raises ConfigError when it diverges.
    """
    while len(progress.history) < settings.epochs and _waited(progress.history) < settings.patience:
        number = len(progress.history) + 1
        batches = epoch(train, progress.rng, settings)
        yield from _epoch(progress, batches, settings)
        if not all(weight.isfinite().all() for weight in progress.averaged.parameters()):
            raise _diverged(number)
        scores = {part.name: evaluate(progress.averaged, part) for part in dev}
        best = all(_rank(scores, settings.best) > _rank(e.dev, settings.best) for e in progress.history)
        if best:
            keep_best(progress)
        progress.history.append(Epoch(number, progress.loss / progress.texts, scores, best))
        progress.begun = dict(progress.rng.bit_generator.state)
        progress.batches, progress.texts, progress.right, progress.loss = 0, 0, 0, 0.0
        yield progress.history[-1]


def _epoch(progress: Progress, batches: list[Minibatch], settings: Training) -> Iterator[Step]:
    """What is left of an epoch's batches."""
    number, total = len(progress.history) + 1, len(batches) * settings.epochs
    for batch in batches[progress.batches :]:
        rate = settings.learning_rate * scale(settings, progress.step, total)
        for group in progress.optimizer.param_groups:
            group["lr"] = rate
        loss, correct = _update(progress, batch, settings)
        if not math.isfinite(loss):
            raise _diverged(number)
        progress.step += 1
        progress.batches += 1
        if progress.step - progress.averaged_at == AVERAGE_EVERY or progress.batches == len(batches):
            _average(progress, settings.average)
        progress.texts += len(batch.labels)
        progress.right += correct
        progress.loss += loss * len(batch.labels)
        texts = progress.texts
        yield Step(
            number, settings.epochs, progress.batches, len(batches), progress.loss / texts, progress.right / texts
        )


def evaluate(network: nn.Module, part: Part) -> Scores:
    """How good the network is on whole texts."""
    found = np.zeros((len(part.examples), len(part.examples[0].target)), np.float32)
    device = next(network.parameters()).device
    with torch.no_grad():
        for rows in buckets([len(example.ids) for example in part.examples], BUDGET, texts=512):
            batch = stack([part.examples[i] for i in rows]).to(device)
            found[rows] = probabilities(network(batch.ids, batch.lengths).cpu().numpy())
    return measure(found, [example.label for example in part.examples])


def scale(settings: Training, step: int, total: int) -> float:
    """The learning rate at a step as a share of the largest: a linear warm-up, then the schedule."""
    done = min(1.0, step / total)
    decayed = {"cosine": 0.5 * (1 + math.cos(math.pi * done)), "linear": 1 - done, "constant": 1.0}[settings.schedule]
    return min(1.0, (step + 1) / max(1, min(settings.warmup, 1 + total // 10))) * (FLOOR + (1 - FLOOR) * decayed)


def _rank(scores: dict[str, Scores], name: str) -> tuple[float, float]:
    """The higher the better."""
    better = -sum(part.log_loss for part in scores.values())
    return (better if name == "log_loss" else sum(getattr(part, name) for part in scores.values()), better)


def _diverged(number: int) -> ConfigError:
    return ConfigError(f"training diverged in epoch {number}", "try a smaller training.learning_rate")


def _waited(history: Sequence[Epoch]) -> int:
    """Epochs since the best one."""
    return next((i for i, e in enumerate(reversed(history)) if e.best), 0)


def _update(progress: Progress, batch: Minibatch, settings: Training) -> tuple[float, int]:
    """One step of the optimizer; the batch's loss, nan for a step that cannot be taken, and how many it had right."""
    network = progress.network.train()
    batch = batch.to(next(network.parameters()).device)
    long = (batch.lengths > SHORT)[:, None]
    noise = torch.rand(batch.ids.shape, device=batch.ids.device)
    dropped = (noise < settings.word_dropout) & (batch.ids > UNKNOWN) & long
    logits = network(batch.ids.masked_fill(dropped, UNKNOWN), batch.lengths)
    loss = _loss(logits, batch)
    progress.optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    if not nn.utils.clip_grad_norm_(network.parameters(), settings.clip).isfinite():
        return math.nan, 0
    progress.optimizer.step()
    return loss.item(), int((_classes(logits) == batch.labels).sum())


def _loss(logits: Tensor, batch: Minibatch) -> Tensor:
    """The mean cross-entropy, each text counting as much as its class's weight."""
    if logits.shape[1] == 1:
        losses = functional.binary_cross_entropy_with_logits(logits[:, 0], batch.targets[:, 1], reduction="none")
    else:
        losses = functional.cross_entropy(logits, batch.targets, reduction="none")
    return (losses * batch.weights).sum() / batch.weights.sum()


def _classes(logits: Tensor) -> Tensor:
    return (logits[:, 0] > 0).long() if logits.shape[1] == 1 else logits.argmax(1)


def _average(progress: Progress, decay: float) -> None:
    """Move the averaged weights on, faster at the beginning."""
    decay = min(decay, (1 + progress.step) / (10 + progress.step)) ** (progress.step - progress.averaged_at)
    progress.averaged_at = progress.step
    with torch.no_grad():
        for mean, now in zip(progress.averaged.parameters(), progress.network.parameters(), strict=True):
            mean.lerp_(now, 1 - decay)
