"""The training loop: a generator of what happens, so that whoever calls it can show it."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from rnnx.config import Training
from rnnx.errors import ConfigError
from rnnx.models.batching import BUDGET, buckets
from rnnx.text.vocabulary import UNKNOWN
from rnnx.training.data import Minibatch, Part, epoch, stack
from rnnx.training.network import RecurrentNetwork

WARM_UP = 200  # steps, or a tenth of all where that is fewer
FLOOR = 0.02  # the last learning rate, as a share of the first
AVERAGE_EVERY = 4  # steps
SHORT = 30  # tokens: a text up to here may hang on a single "not", so it loses no words


@dataclass(frozen=True)
class Step:
    """After a batch: how far training is, and the loss and accuracy of this epoch so far."""

    epoch: int
    epochs: int
    done: int
    total: int
    loss: float
    accuracy: float


@dataclass(frozen=True)
class Epoch:
    """After an epoch: its training loss, and for each dev part (accuracy, loss) of the averaged weights."""

    number: int
    loss: float
    dev: dict[str, tuple[float, float]]
    best: bool


def fit(
    network: RecurrentNetwork, train: Sequence[Part], dev: Sequence[Part], settings: Training, seed: int
) -> Iterator[Step | Epoch]:
    """Train ``network`` in place; at the end it holds the averaged weights of the best epoch on ``dev``.

    Best is the highest accuracy, each dev part counting the same; training stops after ``patience`` epochs
    without a better one. The caller seeds torch. Raises ConfigError when the loss is no number any more.
    """
    rng = np.random.default_rng(seed)
    optimizer = torch.optim.Adam(network.parameters(), lr=settings.learning_rate)
    averaged = copy.deepcopy(network).eval()
    best, best_weights, since, step = -1.0, averaged.state_dict(), 0, 0
    for number in range(1, settings.epochs + 1):
        batches = epoch(train, rng, settings)
        total = len(batches) * settings.epochs
        seen, right, summed = 0, 0, 0.0
        for done, batch in enumerate(batches, 1):
            _set_rate(optimizer, settings.learning_rate, step, total)
            loss, correct = _update(network, optimizer, batch, settings)
            if not math.isfinite(loss):
                raise ConfigError(
                    f"training diverged in epoch {number}: the loss is {loss}", "try a smaller training.learning_rate"
                )
            step += 1
            if step % AVERAGE_EVERY == 0:
                _average(averaged, network, settings.average, step)
            n = len(batch.labels)
            seen, right, summed = seen + n, right + correct, summed + loss * n
            yield Step(number, settings.epochs, done, len(batches), summed / seen, right / seen)
        scores = {part.name: evaluate(averaged, part) for part in dev}
        score = sum(accuracy for accuracy, _ in scores.values()) / len(scores)
        since = 0 if score > best else since + 1
        if not since:
            best, best_weights = score, copy.deepcopy(averaged.state_dict())
        yield Epoch(number, summed / seen, scores, not since)
        if since >= settings.patience:
            break
    network.load_state_dict(best_weights)


def evaluate(network: RecurrentNetwork, part: Part) -> tuple[float, float]:
    """(accuracy, mean loss) on whole texts."""
    right, summed = 0, 0.0
    with torch.no_grad():
        for rows in buckets([len(example.ids) for example in part.examples], BUDGET, texts=512):
            batch = stack([part.examples[i] for i in rows])
            logits = network(batch.ids, batch.lengths)
            right += int((_classes(logits) == batch.labels).sum())
            summed += _loss(logits, batch.targets).item() * len(rows)
    return right / len(part.examples), summed / len(part.examples)


def _update(
    network: RecurrentNetwork, optimizer: torch.optim.Optimizer, batch: Minibatch, settings: Training
) -> tuple[float, int]:
    """One step of the optimizer; the batch's loss and how many it had right."""
    long = (batch.lengths > SHORT)[:, None]
    dropped = (torch.rand(batch.ids.shape) < settings.word_dropout) & (batch.ids > UNKNOWN) & long
    logits = network.train()(batch.ids.masked_fill(dropped, UNKNOWN), batch.lengths)
    loss = _loss(logits, batch.targets)
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    nn.utils.clip_grad_norm_(network.parameters(), settings.clip)
    optimizer.step()
    return loss.item(), int((_classes(logits) == batch.labels).sum())


def _loss(logits: Tensor, targets: Tensor) -> Tensor:
    if logits.shape[1] == 1:
        return functional.binary_cross_entropy_with_logits(logits[:, 0], targets[:, 1])
    return functional.cross_entropy(logits, targets)


def _classes(logits: Tensor) -> Tensor:
    return (logits[:, 0] > 0).long() if logits.shape[1] == 1 else logits.argmax(1)


def _set_rate(optimizer: torch.optim.Optimizer, rate: float, step: int, total: int) -> None:
    """Linear warm-up, then a cosine down to the floor."""
    cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, step / total)))
    scale = min(1.0, (step + 1) / min(WARM_UP, 1 + total // 10)) * (FLOOR + (1 - FLOOR) * cosine)
    for group in optimizer.param_groups:
        group["lr"] = rate * scale


def _average(averaged: RecurrentNetwork, network: RecurrentNetwork, decay: float, step: int) -> None:
    """Move the averaged weights on, faster at the beginning."""
    decay = min(decay, (1 + step) / (10 + step)) ** AVERAGE_EVERY
    with torch.no_grad():
        for mean, now in zip(averaged.parameters(), network.parameters(), strict=True):
            mean.lerp_(now, 1 - decay)
