"""The torch engine beside the numpy engine; and a torch module that comes back as it was, whatever happens."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.backends import cudnn

import rnnx
from rnnx import registry, settings
from rnnx.errors import Unsupported, UsageError
from rnnx.models import catalog
from rnnx.models.protocols import Array, Base
from rnnx.models.torch_adapter import TorchClassifier
from rnnx.text.tokenizer import TOKENIZERS
from rnnx.text.vocabulary import SPECIAL, Vocabulary
from tests.conftest import MODELS, TEXTS, WORDS, Run, random_model
from tests.test_methods import provided

METHODS = registry.methods()
LONG = ["a masterpiece", "meh", "I expected to hate it but loved it. " * 12, "Dull, and far too long!"]
FIXED = {"tolerance": 0, "steps": 16, "samples": 4}  # as much work for one engine as for the other, and little
gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")


SPECS = MODELS | {name: catalog.read_spec(catalog.SHIPPED / name) for name in catalog.names()}
SERVED = [
    (name, method) for name, spec in SPECS.items() for method in METHODS if METHODS[method].needs <= provided(spec)
]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What each model is loaded as."""
    random = {name: str(random_model(tmp_path_factory.mktemp("model"), spec)) for name, spec in MODELS.items()}
    return random | {name: name for name in catalog.names()}


@pytest.fixture(params=SPECS)
def name(request: pytest.FixtureRequest, folders: dict[str, str]) -> str:
    return folders[request.param]


def found(model: Any, texts: Any, method: str, **given: Any) -> Array:
    """A method's scores of the first label, one text after another."""
    explained = rnnx.explain(model, texts, method, target=model.labels[0], **given)
    return np.concatenate([e.evidence.scores for e in explained])


def agree(name: str, method: str, device: str, atol: float) -> None:
    model, other = rnnx.load(name), rnnx.load(name, engine="torch", device=device)
    texts = TEXTS if Path(name).is_dir() else LONG
    known = settings.signature(METHODS[method].function).settings
    for of in known["of"].choices if "of" in known else ("",):
        given = {key: value for key, value in {**FIXED, "of": of}.items() if key in known}
        ours, theirs = found(model, texts, method, **given), found(other, texts, method, **given)
        np.testing.assert_allclose(theirs, ours, atol=atol * max(1, np.abs(ours).max()))


@pytest.mark.parametrize(("model", "method"), SERVED)
def test_both_engines_give_the_same_numbers(folders: dict[str, str], model: str, method: str) -> None:
    agree(folders[model], method, "cpu", 1e-5)


@gpu
@pytest.mark.parametrize(("model", "method"), SERVED)
def test_a_gpu_gives_the_same_numbers(folders: dict[str, str], model: str, method: str) -> None:
    agree(folders[model], method, "cuda", 1e-5)


def test_both_engines_predict_the_same(name: str) -> None:
    model, other = rnnx.load(name), rnnx.load(name, engine="torch")
    assert model.labels == other.labels
    assert model.unknown == other.unknown
    assert len(other.word_ids) == len(model.vocabulary) - len(SPECIAL)
    assert other.provides == model.provides - {"weights"}  # which only the numpy engine gives another model of
    batch = model.encode(TEXTS)
    np.testing.assert_array_equal(other.encode(TEXTS).ids, batch.ids)
    np.testing.assert_allclose(other.embed(batch), model.embed(batch), atol=0)
    np.testing.assert_allclose(other.forward(batch), model.forward(batch), atol=1e-5)
    for one, two in zip(rnnx.predict(model, TEXTS), rnnx.predict(other, TEXTS), strict=True):
        assert one.label == two.label
        assert one.probability == pytest.approx(two.probability, abs=1e-5)


def test_padding_changes_nothing_and_gets_nothing(name: str) -> None:
    model = rnnx.load(name, engine="torch", device="cpu")
    batch = model.encode(TEXTS)
    target = np.zeros(len(TEXTS), int)
    together = model.gradient(model.embed(batch), batch, target)
    assert not together[~batch.mask].any()
    for text, row in zip(TEXTS, together, strict=True):
        alone = model.encode([text])
        single = model.gradient(model.embed(alone), alone, target[:1])[0]
        np.testing.assert_allclose(single, row[: len(single)], atol=1e-5)


def test_slopes_along_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """At each point the gradient there times the way, however many points are computed at once."""
    model = rnnx.load("sentiment-lstm", engine="torch", device="cpu")
    batch = model.encode(LONG)
    x, target = model.embed(batch), np.array([1, 0, 0, 1])
    rng = np.random.default_rng(0)
    base = Base(rng.normal(size=(7, x.shape[2])).astype(x.dtype), rng.integers(0, 7, (4, 3, x.shape[1])))
    at = np.array([[0.0, 0.3, 1.0]] * 2 + [[0.5, 0.2, 0.9]] * 2)
    for budget in (1, 2 * x.shape[1], 16_384):
        monkeypatch.setattr("rnnx.models.torch_adapter.BUDGET", budget)
        slopes, logits = model.slopes(x, base, batch, target, at, "prob")
        assert slopes.shape == (4, 3, x.shape[1])
        for k in range(3):
            start = base.rows[base.which[:, k]]
            here = (start + at[:, k, None, None] * (x - start)).astype(x.dtype)
            expected = ((x - start) * model.gradient(here, batch, target, "prob")).sum(-1)
            np.testing.assert_allclose(slopes[:, k], expected, atol=1e-6)
            np.testing.assert_allclose(logits[:, k], model.logits(here, batch), atol=1e-5)


# --- the module comes back as it was ------------------------------------------------------------------------------


class Net(nn.Module):
    """A small network of another package's: everything that must rest, or be put back."""

    def __init__(self, broken: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embedding = nn.Embedding(len(WORDS) + len(SPECIAL), 4)
        self.lstm = nn.LSTM(4, 3, batch_first=True)
        self.norm = nn.BatchNorm1d(3)
        self.output = nn.Linear(3, 2)
        self.norm.running_mean += 0.5
        self.output.bias.requires_grad = False
        self.norm.eval()  # some of it in evaluation mode, the rest in training mode
        self.broken = broken
        self.seen: list[tuple[str, bool, bool]] = []

    def from_embeddings(self, x: Tensor, lengths: Tensor) -> Tensor:
        self.seen.append(("forward", cudnn.enabled, self.lstm.training))
        torch.rand(3)  # a network may draw though nobody needs it
        h = nn.functional.dropout(self.lstm(x)[0], 0.5, self.training)
        if self.broken:
            raise RuntimeError("broken on purpose")
        last = self.norm(h[torch.arange(len(h)), lengths - 1])
        if last.requires_grad:
            last.register_hook(lambda _: self.seen.append(("backward", cudnn.enabled, self.lstm.training)))
        return self.output(last)


def classifier(network: nn.Module) -> TorchClassifier:
    return TorchClassifier("net", ("no", "yes"), TOKENIZERS["words"], Vocabulary(SPECIAL + WORDS), network)


def fingerprint(network: nn.Module) -> Iterator[Any]:
    yield torch.get_rng_state().tolist()
    yield torch.is_grad_enabled()
    yield cudnn.enabled, cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32
    for module in network.modules():
        yield module.training, len(module._forward_hooks), len(module._backward_hooks), len(module._forward_pre_hooks)
    for key, tensor in network.state_dict(keep_vars=True).items():
        yield key, tensor.tolist(), tensor.requires_grad, None if tensor.grad is None else tensor.grad.tolist()


@pytest.mark.parametrize("broken", [False, True])
@pytest.mark.parametrize("grads", [False, True])
def test_the_module_comes_back_as_it_was(broken: bool, grads: bool) -> None:
    model = classifier(Net(broken))
    if grads:
        for weight in model.network.parameters():
            weight.grad = torch.ones_like(weight) if weight.requires_grad else None
    batch = model.encode(TEXTS)
    before = list(fingerprint(model.network))
    for use in (
        lambda: model.forward(batch),
        lambda: model.gradient(model.embed(batch), batch, np.zeros(len(TEXTS), int)),
        lambda: list(rnnx.explain(model, TEXTS, "grad")),
    ):
        if broken:
            with pytest.raises(RuntimeError, match="broken on purpose"):
                use()
        else:
            use()
        assert list(fingerprint(model.network)) == before


def test_dropout_and_batch_statistics_rest_in_training_mode() -> None:
    model = classifier(Net())
    results = []
    for mode in (True, False):
        model.network.train(mode)
        results.append((found(model, TEXTS, "grad"), model.forward(model.encode(TEXTS))))
        assert all(module.training is mode for module in model.network.modules())
    for one, two in zip(*results, strict=True):
        np.testing.assert_array_equal(one, two)


def test_cudnn_rests_on_the_way_back_only() -> None:
    """Its recurrent layers run backwards in training mode only, and nothing may be in training mode here."""
    network = Net()
    model = classifier(network)
    batch = model.encode(TEXTS)
    model.gradient(model.embed(batch), batch, np.zeros(len(TEXTS), int))
    assert network.seen == [("forward", False, False), ("backward", False, False)]
    network.seen.clear()
    model.forward(batch)
    assert network.seen == [("forward", True, False)]
    with cudnn.flags(enabled=False):  # switched off by somebody, it stays so
        model.forward(batch)
    assert network.seen[1:] == [("forward", False, False)]


def test_tf32_is_off_where_cudnn_is_on(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Net()
    inner, seen = network.from_embeddings, []
    monkeypatch.setattr(network, "from_embeddings", lambda *a: [seen.append(cudnn.allow_tf32), inner(*a)][1])
    model = classifier(network)
    assert cudnn.allow_tf32
    model.forward(model.encode(TEXTS))
    assert seen == [False]


def test_a_gradient_is_asked_for_also_where_gradients_are_off() -> None:
    model = classifier(Net())
    expected = found(model, TEXTS, "grad")
    with torch.no_grad():
        np.testing.assert_array_equal(found(model, TEXTS, "grad"), expected)


def test_the_callers_arrays_are_not_shared() -> None:
    model = classifier(Net())
    batch = model.encode(TEXTS)
    x = model.embed(batch)
    kept = x.copy()
    gradient = model.gradient(x, batch, np.zeros(len(TEXTS), int))
    gradient += 1
    np.testing.assert_array_equal(x, kept)


class Bag(nn.Module):
    """score = w . sum of the embeddings, in double precision."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(len(WORDS) + len(SPECIAL), 2).double()
        self.w = nn.Parameter(torch.tensor([3.0, -4.0], dtype=torch.double))

    def from_embeddings(self, x: Tensor, lengths: Tensor) -> Tensor:
        real = torch.arange(x.shape[1]) < lengths[:, None]
        return (x * real[..., None]).sum(1) @ self.w[:, None]


def test_any_module_with_embeddings_is_explained() -> None:
    model = classifier(Bag())
    batch = model.encode(TEXTS)
    target = np.array([1, 0, 1, 0, 1, 0])
    gradient = model.gradient(model.embed(batch), batch, target)
    assert gradient.dtype == np.float64
    expected = np.where(target == 1, 1, -1)[:, None, None] * np.array([3.0, -4.0]) * batch.mask[:, :, None]
    np.testing.assert_array_equal(gradient, expected)
    for e in rnnx.explain(model, TEXTS, "grad-x-input", target="yes"):
        assert sum(e.evidence.scores) == pytest.approx(e.prediction.logits[0], abs=1e-5)


class Counts(nn.Module):
    """Without a weight: score = tokens - 3."""

    def embedding(self, ids: Tensor) -> Tensor:
        return torch.ones(*ids.shape, 2, dtype=torch.get_default_dtype())

    def from_embeddings(self, x: Tensor, lengths: Tensor) -> Tensor:
        real = torch.arange(x.shape[1]) < lengths[:, None]
        return (x[..., 0] * real).sum(1)[:, None] - 3


def test_a_module_without_weights_is_explained() -> None:
    model = classifier(Counts())
    for e in rnnx.explain(model, TEXTS, "grad-x-input", target="yes"):
        assert e.evidence.scores == (1.0,) * len(e.tokens)


def test_a_module_of_half_precision_is_explained() -> None:
    network = Bag()
    exact = found(classifier(network), TEXTS, "grad-x-input")
    assert found(classifier(network.bfloat16()), TEXTS, "grad-x-input") == pytest.approx(exact, abs=0.1)
    assert network.w.dtype == torch.bfloat16


def test_a_gradient_inside_inference_mode() -> None:
    model = classifier(Bag())
    expected = found(model, TEXTS, "grad")
    with torch.inference_mode():
        np.testing.assert_array_equal(found(model, TEXTS, "grad"), expected)


def test_what_a_model_does_not_have_is_refused(run: Run) -> None:
    for argv in (["--method", "attention", "-m", "sentiment-lstm"], ["--method", "cell"]):
        result = run("explain", "--engine", "torch", *argv, "fine")
        assert (result.code, result.out) == (2, "")
        assert "does not have" in result.err
        assert result.err == run("explain", *argv, "fine").err


@pytest.mark.parametrize("method", ["lrp", "deeplift", "cd", "cell", "reat", "attention"])
def test_what_cannot_be_seen_in_a_module_is_refused(method: str) -> None:
    """It may be recurrent, or have attention: rnnx does not know where."""
    with pytest.raises(Unsupported, match="which rnnx cannot see in net") as refused:
        rnnx.explain(classifier(Net()), TEXTS, method)
    assert "methods for this model: grad, " in refused.value.hint
    assert "a network that rnnx trained" in refused.value.hint
    assert "engine" not in refused.value.message + refused.value.hint


# --- choosing -----------------------------------------------------------------------------------------------------


def test_the_engine_follows_from_what_is_asked_for() -> None:
    def kind(**asked: Any) -> str:
        return type(rnnx.load("sentiment-lstm", **asked)).__name__

    assert kind() == kind(device="cpu") == kind(engine="numpy") == kind(engine="numpy", device="auto")
    assert kind(engine="torch") == kind(device="auto") == kind(engine="torch", device="cpu") == "TorchRecurrent"
    assert kind() == "RecurrentClassifier"


@pytest.mark.parametrize("command", ["explain", "predict"])
@pytest.mark.parametrize(
    ("argv", "error", "hint"),
    [
        (["--engine", "trch"], "unknown engine 'trch'", "choose from numpy, torch"),
        (["--device", "gpu"], "unknown device 'gpu'", "choose from auto, cpu, cuda"),
        (["--engine", "numpy", "--device", "cuda"], "the numpy engine computes on the CPU", "the engine torch"),
    ],
)
def test_mistakes_are_said(run: Run, command: str, argv: list[str], error: str, hint: str) -> None:
    result = run(command, "fine", *argv)
    assert (result.code, result.out) == (2, "")
    first, second = result.err.splitlines()
    assert first.startswith("error: ")
    assert error in first
    assert hint in second


def test_no_gpu_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError, match="torch finds no GPU"):
        rnnx.load("sentiment-lstm", device="cuda")


def test_an_engine_is_no_setting_of_a_method(run: Run) -> None:
    assert "use --engine" in run("explain", "x", "--set", "engine=torch").err


def test_the_command_line_gives_the_same_with_both(run: Run) -> None:
    argv = ["not bad at all", "--method", "grad-x-input", "-f", "plain"]
    assert run("explain", *argv, "--engine", "torch").out == run("explain", *argv).out
    assert run("predict", "not bad", "--device", "auto").out == run("predict", "not bad").out


ASKED = {"interaction": ["--set", "first=the", "--set", "second=is"]}  # what a view has to be told
INSIDE = [["--method", name] for name in ("lrp", "deeplift", "cd", "cell", "reat")] + [
    ["--view", name, *ASKED.get(name, [])] for name in registry.VIEWS
]


@pytest.mark.parametrize("argv", INSIDE, ids=lambda argv: argv[1])
def test_the_command_line_sees_the_same_inside(run: Run, argv: list[str]) -> None:
    argv = ["explain", "the film is not bad at all", "the plot is thin", "-m", "sentiment-lstm", *argv, "-f", "json"]
    ours, theirs = run(*argv), run(*argv, "--engine", "torch", "--device", "cpu")
    assert (ours.code, theirs.code, theirs.err) == (0, 0, ours.err)
    assert json.loads(theirs.out) == nearly(json.loads(ours.out))


def nearly(data: Any) -> Any:
    """Data in which numbers may differ in the last digits of single precision."""
    if isinstance(data, float):
        return pytest.approx(data, rel=1e-5, abs=1e-5)
    if isinstance(data, list):
        return [nearly(value) for value in data]
    return {key: nearly(value) for key, value in data.items()} if isinstance(data, dict) else data


def test_without_torch_the_torch_engine_says_so() -> None:
    code = "import sys; sys.modules['torch'] = None\nfrom rnnx.cli import main\nsys.exit(main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", code, "explain", "fine", "--engine", "torch"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: the engine torch needs torch")
    assert "pip install torch" in done.stderr


def test_a_copy_may_be_elsewhere() -> None:
    """The classifier is plain data."""
    model = rnnx.load("sentiment-lstm", engine="torch", device="cpu")
    assert replace(model, name="other").name == "other"
