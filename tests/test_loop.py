"""What each setting of the training loop does, by hand."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from rnnx.config import Training
from rnnx.errors import ConfigError
from rnnx.models.catalog import Spec
from rnnx.text.vocabulary import UNKNOWN
from rnnx.training import loop, progress
from rnnx.training.data import Example, Part, epoch, stack
from rnnx.training.loop import SHORT, fit, scale
from rnnx.training.metrics import Scores
from rnnx.training.network import RecurrentNetwork
from rnnx.training.progress import Epoch, Progress
from rnnx.training.run import _device

NO_CHANCE = {"word_dropout": 0.0, "average": 0.0, "warmup": 0}


def network(classes: int = 2, seed: int = 0) -> RecurrentNetwork:
    torch.manual_seed(seed)
    spec = Spec("rnn", "mean", tuple(map(str, range(classes))))
    return RecurrentNetwork(spec, torch.randn(9, 3), hidden=4)


def example(ids: list[int], label: int, weight: float = 1.0, classes: int = 2) -> Example:
    return Example(np.array(ids, np.int32), label, np.eye(classes, dtype=np.float32)[label], weight)


EXAMPLES = [example([2 + i % 7, 3, 2 + i % 5], i % 2) for i in range(24)]


def trained(steps: int, seed: int = 0, **settings: object) -> Progress:
    """After so many steps with these settings."""
    chosen = Training.model_validate({**NO_CHANCE, "batch_texts": 6, "epochs": 50, **settings})
    now = progress.start(network(seed=seed), chosen, 0)
    events = fit(now, [Part("train", EXAMPLES)], [Part("dev", EXAMPLES)], chosen)
    while now.step < steps:
        next(events)
    return now


def moved(now: Progress) -> float:
    """The largest change of a weight."""
    before = network().state_dict()
    return max(float((w - before[name]).abs().max()) for name, w in now.network.state_dict().items())


@pytest.mark.parametrize(
    ("schedule", "half_way", "end"), [("constant", 1.0, 1.0), ("linear", 0.51, 0.02), ("cosine", 0.51, 0.02)]
)
def test_the_schedule(schedule: str, half_way: float, end: float) -> None:
    settings = Training.model_validate({"schedule": schedule, "warmup": 10})
    assert scale(settings, 500, 1000) == pytest.approx(half_way)
    assert scale(settings, 1000, 1000) == pytest.approx(end)
    assert [scale(settings, step, 1000) for step in range(3)] == pytest.approx([0.1, 0.2, 0.3], rel=1e-2)
    assert scale(settings, 9, 20) <= scale(settings, 2, 20)  # the warm-up takes a tenth of all steps at most


def test_linear_and_cosine_differ() -> None:
    linear, cosine = (Training.model_validate({"schedule": s, "warmup": 0}) for s in ("linear", "cosine"))
    assert scale(cosine, 250, 1000) == pytest.approx(0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi / 4)))
    assert scale(linear, 250, 1000) == pytest.approx(0.02 + 0.98 * 0.75)


def test_the_first_step_of_adam_is_as_long_as_the_learning_rate() -> None:
    for rate in (0.01, 0.001):
        assert moved(trained(1, learning_rate=rate)) == pytest.approx(rate, rel=1e-2)


def test_adamw_decays_the_weights_and_adam_their_gradient() -> None:
    plain = trained(1, learning_rate=0.01).network.state_dict()
    decayed = trained(1, learning_rate=0.01, optimizer="adamw", weight_decay=0.5).network.state_dict()
    before = network().state_dict()
    for name, w in decayed.items():  # Loshchilov & Hutter 2019: beside the step, not in it
        torch.testing.assert_close(w, plain[name] - 0.01 * 0.5 * before[name], atol=1e-6, rtol=0)
    adam = trained(1, learning_rate=0.01, optimizer="adam", weight_decay=0.5).network.state_dict()
    assert not torch.equal(adam["output.weight"], plain["output.weight"])
    assert not torch.allclose(adam["output.weight"], decayed["output.weight"], atol=1e-4)


def test_the_gradient_is_clipped() -> None:
    lengths = []
    for clip in (1e-3, 1e9):
        parameters = trained(1, clip=clip).network.parameters()
        lengths.append(math.sqrt(sum(float((p.grad**2).sum()) for p in parameters if p.grad is not None)))
    assert lengths[0] == pytest.approx(1e-3, rel=1e-3)
    assert lengths[1] > 0.01


def test_the_loss_is_a_weighted_mean() -> None:
    logits = torch.tensor([[2.0], [0.0]])
    batch = stack([example([2], 1, weight=3.0), example([2], 0, weight=1.0)])
    expected = (3 * math.log1p(math.exp(-2)) + math.log(2)) / 4
    assert float(loop._loss(logits, batch)) == pytest.approx(expected)
    three = stack([example([2], 1, 3.0, classes=3), example([2], 0, 1.0, classes=3)])
    rows = torch.tensor([[0.0, 2.0, 1.0], [0.0, 0.0, 0.0]])
    first = math.log(math.exp(-2) + 1 + math.exp(-1))
    assert float(loop._loss(rows, three)) == pytest.approx((3 * first + math.log(3)) / 4)


def test_only_long_texts_lose_words(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Tensor] = []
    net = network()
    forward = net.forward
    monkeypatch.setattr(net, "forward", lambda ids, lengths: seen.append(ids) or forward(ids, lengths))  # type: ignore[func-returns-value]  # append gives None
    settings = Training.model_validate({"word_dropout": 0.5})
    batch = stack([example([3] * SHORT, 0), example([3] * (SHORT + 40), 1)])
    loop._update(progress.start(net, settings, 0), batch, settings)
    short, long = ((seen[0] == UNKNOWN).sum(1)).tolist()
    assert short == 0
    assert 15 < long < 55
    assert (seen[0][0, SHORT:] == 0).all()  # padding stays padding


@pytest.mark.parametrize(
    ("name", "better", "worse"),
    [
        ("accuracy", Scores(0.9, 0.1, 9.0, 0), Scores(0.8, 0.9, 0.1, 0)),
        ("macro_f1", Scores(0.1, 0.9, 9.0, 0), Scores(0.9, 0.8, 0.1, 0)),
        ("log_loss", Scores(0.1, 0.1, 0.2, 0), Scores(0.9, 0.9, 0.3, 0)),
        ("accuracy", Scores(0.9, 0.1, 0.2, 0), Scores(0.9, 0.9, 0.3, 0)),
    ],
)
def test_what_is_best(name: str, better: Scores, worse: Scores) -> None:
    assert loop._rank({"a": better, "b": better}, name) > loop._rank({"a": better, "b": worse}, name)


def test_the_best_epoch_is_kept_and_patience_ends_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    found = iter([0.5, 0.7, 0.6, 0.6, 0.9])
    weights: list[Tensor] = []

    def evaluated(averaged: RecurrentNetwork, part: Part) -> Scores:
        weights.append(averaged.output.weight.detach().clone())
        return Scores(next(found), 0, 1, 0)

    monkeypatch.setattr(loop, "evaluate", evaluated)
    settings = Training.model_validate({**NO_CHANCE, "patience": 2, "epochs": 9})
    now = progress.start(network(), settings, 0)
    epochs = [e for e in fit(now, [Part("", EXAMPLES)], [Part("", EXAMPLES)], settings) if isinstance(e, Epoch)]
    assert [e.best for e in epochs] == [True, True, False, False]
    assert torch.equal(now.best["output.weight"], weights[1])


@pytest.mark.parametrize("steps", [1, 2, 3, 7])
def test_few_steps_are_steps_too(steps: int) -> None:
    """An epoch of a single batch; the average of no more than a few steps is near the weights themselves."""
    now = trained(steps, batch_texts=99, average=0.999, learning_rate=0.01)
    assert moved(now) > 0.005
    for mean, w in zip(now.averaged.parameters(), now.network.parameters(), strict=True):
        assert (mean - w).abs().max() <= 0.011


def test_an_average_without_memory_is_the_last_weights() -> None:
    now = trained(8, average=0.0)
    for mean, w in zip(now.averaged.parameters(), now.network.parameters(), strict=True):
        assert torch.equal(mean, w)


def test_a_step_that_cannot_be_taken_ends_the_training() -> None:
    with pytest.raises(ConfigError, match="diverged in epoch 1"):
        trained(99, learning_rate=1e6, average=0.0, clip=1e30, schedule="constant", optimizer="adamw", weight_decay=1e6)


@pytest.mark.parametrize(("passes", "texts"), [(0.001, 1), (0.5, 12), (1.0, 24), (2.5, 60)])
def test_an_epoch_has_texts(passes: float, texts: int) -> None:
    batches = epoch([Part("", EXAMPLES, passes)], np.random.default_rng(0), Training())
    assert sum(len(batch.labels) for batch in batches) == texts


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_the_device() -> None:
    assert _device("auto").type == _device("cpu").type == "cpu"
    with pytest.raises(ConfigError, match="torch finds no GPU"):
        _device("cuda")


def test_the_threads(tmp_path: Path) -> None:
    from rnnx.config import Config
    from rnnx.training.run import plan

    (tmp_path / "t.csv").write_text("text,label\n" + "good,1\nbad,0\n" * 20)
    before = torch.get_num_threads()
    try:
        for threads in (1, 2):
            data = {"folder": str(tmp_path), "train": ["t.csv"]}
            plan(Config.model_validate({"data": data, "training": {"threads": threads}}), pytest.fail)
            assert torch.get_num_threads() == min(threads, os.cpu_count() or 1)
    finally:
        torch.set_num_threads(before)
