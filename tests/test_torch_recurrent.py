"""The torch engine sees a recurrent network from inside: the same numbers as the numpy engine, and nothing touched.

``tests/test_rules.py``, ``test_contextual.py`` and ``test_memory.py`` hold the numpy engine against loops written from
the papers; here the torch engine is held against it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import asdict, is_dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from torch import nn

from rnnx import registry
from rnnx.errors import UnknownName, Unsupported
from rnnx.models.engine.classifier import RecurrentClassifier
from rnnx.models.protocols import Array, Batch, Diagnosed, Integers
from rnnx.models.torch_engine import jacobians
from rnnx.models.torch_engine.classifier import TorchRecurrent
from rnnx.models.torch_engine.network import Reading, unrolled
from rnnx.models.torch_engine.rules import GRADIENT, RELEVANCE, SECANT, Backward
from rnnx.text.tokenizer import words
from rnnx.training.network import RecurrentNetwork
from tests.test_networks import (
    VOCABULARY,
    Shape,
    arrays,
    few,
    named,
    numpy_model,
    random_batch,
    seeds,
    shapes,
    some_lengths,
)
from tests.test_torch_engine import fingerprint, gpu

LENGTHS = [5, 2, 7, 1]
Ask = Callable[[Any, Batch, Integers], Any]
ROWS = {**registry.methods(), **registry.VIEWS}
# Interaction wants words; it asks of a model what phrases ask.
NEEDS = {name: row.needs for name, row in ROWS.items() if not row.needs <= {"gradients"} and name != "interaction"}


def method(name: str) -> Ask:
    return lambda model, batch, target: registry.load(ROWS[name].function)(model, batch, target)


def secants(model: Any, batch: Batch, target: Integers) -> Any:
    x = model.embed(batch)
    base = np.random.default_rng(0).normal(size=x.shape).astype(x.dtype)
    return model.secants(x, base, batch, target)


def skipped(model: Any, batch: Batch, target: Integers) -> Any:
    x = model.embed(batch)
    return [model.skipped(x, other, batch, target, "loss") for other in (None, x[0, 0])]


def steps(of: str) -> Ask:
    def ask(model: Any, batch: Batch, target: Integers) -> Any:
        found, mask = model.steps(model.embed(batch), batch, target, of), batch.mask[:, :, None, None]
        return replace(found, **{name: getattr(found, name) * mask for name in ("states", "adjoints", "jacobians")})

    return ask


def read_on(model: Any, batch: Batch, target: Integers) -> Any:
    """In two parts, of texts of one length."""
    batch = Batch(np.tile(batch.ids[2], (2, 1)), np.array([7, 7]))
    x = model.embed(batch)
    first, second = Batch(batch.ids[:, :3], np.array([3, 3])), Batch(batch.ids[:, 3:], np.array([4, 4]))
    _, state = model.resume(x[:, :3], first)
    logits, end = model.resume(x[:, 3:], second, state)
    whole, _ = model.resume(x, batch)
    return {"logits": logits, "rest": whole - logits, "layers": end.layers}


# What is asked for, and what a model must provide.
ASKED: dict[str, tuple[Ask, frozenset[str]]] = {
    **{name: (method(name), needs) for name, needs in NEEDS.items()},
    "relevance": (lambda m, batch, target: m.relevance(m.embed(batch), batch, target), frozenset({"recurrence"})),
    "secants": (secants, frozenset({"recurrence"})),
    **{f"steps of {of}": (steps(of), frozenset({"recurrence"})) for of in ("logit", "prob", "loss")},
    "skipped": (skipped, frozenset({"recurrence"})),
    "states": (lambda m, batch, target: [m.states(batch, layer) for layer in (0, -1)], frozenset({"recurrence"})),
    "memory below": (lambda m, batch, target: m.memory(batch, 0), frozenset({"recurrence"})),
    "resume": (read_on, frozenset({"resume"})),
    "attended": (lambda m, batch, target: m.attended(batch), frozenset({"attended"})),
    "gradient of states": (
        lambda m, batch, target: m.gradient_of_states(m.embed(batch), batch, target, "prob"),
        frozenset({"attended"}),
    ),
    "readout": (lambda m, batch, target: m.readout(batch), frozenset({"telescoping"})),
}
INSIDE = [name for name, (_, needs) in ASKED.items() if needs != {"attention"}]  # not by the module's own forward
# All kinds, directions, numbers of layers, poolings and outputs, though not all of their combinations.
SHAPES = [*shapes(layers=1, output="sigmoid"), *shapes(layers=2, output="softmax"), *shapes(layers=3, pooling="last")]


def torch_model(shape: Shape, network: nn.Module) -> TorchRecurrent:
    return TorchRecurrent("random", shape.spec.labels, words, VOCABULARY, network, pooling=shape.pooling)


def engines(shape: Shape, network: RecurrentNetwork) -> tuple[RecurrentClassifier, TorchRecurrent]:
    return numpy_model(shape, arrays(network.cpu())), torch_model(shape, network)


def leaves(found: Any, name: str = "") -> Iterator[tuple[str, Array]]:
    """All arrays in it."""
    if isinstance(found, np.ndarray):
        yield name, found
    elif is_dataclass(found):
        yield from leaves(asdict(found), name)  # type: ignore[arg-type]  # no class
    elif isinstance(found, Diagnosed):
        yield from leaves(found._asdict(), name)
    elif isinstance(found, Mapping):
        for key, value in found.items():
            yield from leaves(value, f"{name}.{key}")
    elif isinstance(found, list | tuple):
        for i, value in enumerate(found):
            yield from leaves(value, f"{name}.{i}")


def agree(ours: Any, theirs: Any, atol: float) -> None:
    """For numbers above 1 the tolerance is relative."""
    expected, found = dict(leaves(ours)), dict(leaves(theirs))
    assert expected
    assert expected.keys() == found.keys()
    for name, values in expected.items():
        assert found[name].dtype.kind == values.dtype.kind, name
        np.testing.assert_allclose(found[name], values, atol=atol * max(1, np.abs(values).max()), rtol=0, err_msg=name)


@pytest.mark.parametrize("shape", SHAPES, ids=named)
def test_the_same_numbers_in_double_precision(shape: Shape) -> None:
    ours, theirs = engines(shape, shape.torch(1))
    batch, target = random_batch(1, LENGTHS), np.array([0, 1, 0, 1])
    assert theirs.provides == ours.provides - {"weights"}  # which only the numpy engine gives another model of
    for ask, needs in ASKED.values():
        if needs <= ours.provides:
            agree(ask(ours, batch, target), ask(theirs, batch, target), 1e-9)


SINGLE = shapes(layers=2, directions=2, output="softmax") + shapes(layers=1, output="sigmoid", pooling="last")


def agree_in_single_precision(shape: Shape, device: str) -> None:
    ours, theirs = engines(shape, shape.torch(2).float())
    theirs.network.to(device)
    batch, target = random_batch(2, LENGTHS), np.array([0, 1, 0, 1])
    for ask, needs in ASKED.values():
        if needs <= ours.provides:
            agree(ask(ours, batch, target), ask(theirs, batch, target), 1e-5)


@pytest.mark.parametrize("shape", SINGLE, ids=named)
def test_the_same_numbers_in_single_precision(shape: Shape) -> None:
    agree_in_single_precision(shape, "cpu")


@gpu
@pytest.mark.parametrize("shape", SINGLE, ids=named)
def test_the_same_numbers_on_a_gpu(shape: Shape) -> None:
    agree_in_single_precision(shape, "cuda")


@pytest.mark.parametrize("rule", [GRADIENT, RELEVANCE, SECANT], ids=["gradient", "relevance", "secant"])
@pytest.mark.parametrize("shape", shapes(layers=2, directions=2, output="softmax"), ids=named)
def test_no_tensor_is_made_on_another_device(shape: Shape, rule: Backward) -> None:
    """On the device of torch's tensors without values, where one on the CPU is a mistake, as it is beside a GPU."""
    network = unrolled(shape.torch(0).to("meta"), shape.pooling, torch.double)
    x = torch.empty(4, 7, 4, dtype=torch.double, device="meta", requires_grad=True)
    done = network.forward(x, Reading.of(x, torch.empty(4, dtype=torch.long, device="meta"), rule))
    (found,) = torch.autograd.grad(done.logits.sum(), x)
    for layer, run in zip(network.levels[0], done.runs[0], strict=True):
        assert jacobians.of_steps(layer, run).is_meta
        assert jacobians.gains(layer, run, done.real).is_meta
    assert found.is_meta


@pytest.mark.parametrize("shape", shapes(layers=2, directions=2, output="softmax"), ids=named)
@few
@given(seed=seeds, lengths=some_lengths)
def test_what_is_shared_out_is_all_there(shape: Shape, seed: int, lengths: list[int]) -> None:
    model, batch = torch_model(shape, shape.torch(seed)), random_batch(seed, lengths)
    rng = np.random.default_rng(seed)
    x, target = model.embed(batch), rng.integers(0, 3, len(lengths))
    base = rng.normal(size=x.shape)
    found, difference = model.relevance(x, batch, target), model.secants(x, base, batch, target)
    np.testing.assert_allclose((x * found.x).sum((1, 2)) + found.bias, found.whole, atol=1e-8)
    np.testing.assert_allclose(((x - base) * difference.x).sum((1, 2)), difference.whole, atol=1e-8)
    split, places = model.decomposition(batch), np.arange(batch.ids.shape[1])
    spans = batch.mask & (places >= rng.integers(0, batch.lengths)[:, None])
    texts = np.arange(len(lengths))
    whole, nothing = split.logits - split.bias, np.zeros_like(split.logits)
    np.testing.assert_allclose(split.share(texts, batch.mask), [whole, nothing], atol=1e-8)
    np.testing.assert_allclose(split.share(texts, np.zeros_like(spans)), [nothing, whole], atol=1e-8)
    np.testing.assert_allclose(split.share(texts, spans).sum(0), whole, atol=1e-8)


@pytest.mark.parametrize("shape", shapes(layers=2, output="softmax", directions=2), ids=named)
def test_a_text_alone_and_among_others(shape: Shape) -> None:
    model, batch, target = torch_model(shape, shape.torch(4)), random_batch(4, LENGTHS), np.array([0, 2, 1, 0])
    for name in ("relevance", "steps of logit", "states", "memory", "cd"):
        together = dict(leaves(ASKED[name][0](model, batch, target)))
        for i, n in enumerate(LENGTHS):
            alone = Batch(batch.ids[i : i + 1, :n], batch.lengths[i : i + 1])
            single = dict(leaves(ASKED[name][0](model, alone, target[i : i + 1])))
            for key, values in together.items():
                mine = values[i, :n] if single[key][0].ndim and single[key].shape[1] == n else values[i]
                np.testing.assert_allclose(mine, single[key][0], atol=1e-9, err_msg=f"{name}{key}")
                assert not (values.ndim > 1 and values.shape[1] == 7 and values[i, n:].any()), f"{name}{key}"


def test_many_spans_are_computed_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    shape = Shape("gru", 2, 2, "attention", "softmax")
    model, batch, target = torch_model(shape, shape.torch(5)), random_batch(5, LENGTHS), np.array([0, 2, 1, 0])
    whole = method("phrases")(model, batch, target)
    monkeypatch.setattr("rnnx.models.torch_engine.contextual.TOKENS", 20)
    agree(whole, method("phrases")(model, batch, target), 1e-12)


def test_parts_that_cancel_out_keep_their_digits_in_a_network_of_single_precision() -> None:
    shape, batch, target = Shape("gru", output="softmax"), random_batch(3, [60]), np.array([1])
    single = shape.torch(2, scale=2.5).float()
    rounded, exact = (
        method("cd")(torch_model(shape, network), batch, target) for network in (single, deepcopy(single).double())
    )
    assert np.abs(exact.found).max() > 1e3
    agree(exact, rounded, 1e-12)


# --- the module is left alone -------------------------------------------------------------------------------------


def in_training(shape: Shape) -> TorchRecurrent:
    """A network in the middle of its training: dropout, gradients, some weights frozen."""
    network = RecurrentNetwork(
        shape.spec, torch.randn(len(VOCABULARY), 4), hidden=3, layers=2, dropout=0.5, embedding_dropout=0.5
    ).train()
    for weight in network.parameters():
        weight.grad = torch.ones_like(weight)
    network.output.bias.requires_grad = False
    return torch_model(shape, network)


@pytest.mark.parametrize("name", INSIDE)
def test_the_module_comes_back_as_it_was(name: str) -> None:
    ask, needs = ASKED[name]
    model = in_training(Shape("lstm", 1, 2, "attention"))
    if not needs <= model.provides:
        model = replace(model, network=in_training(Shape("lstm")).network, pooling="last")
        model.network.recurrent.num_layers = 1  # the layer above is then not read
    batch, target = random_batch(0, LENGTHS), np.array([0, 1, 0, 1])
    before = list(fingerprint(model.network))
    found = ask(model, batch, target)
    assert list(fingerprint(model.network)) == before
    model.network.eval()
    agree(ask(model, batch, target), found, 0)
    broken = Batch(batch.ids + 10_000, batch.lengths)  # no such words
    before = list(fingerprint(model.network))
    with pytest.raises(IndexError):
        ask(model, broken, target)
    assert list(fingerprint(model.network)) == before


def test_it_comes_back_when_the_unrolled_loop_breaks_off() -> None:
    model = in_training(Shape("lstm", 1, 2, "attention"))
    batch, target = random_batch(0, LENGTHS), np.array([0, 1, 0, 1])
    before, wrong = list(fingerprint(model.network)), np.ones((4, 7, 9), np.float32)
    uses: list[Callable[[], Any]] = [
        lambda: model.relevance(wrong, batch, target),
        lambda: model.secants(wrong, wrong, batch, target),
        lambda: model.steps(wrong, batch, target),
        lambda: model.resume(wrong, batch),
    ]
    for use in uses:
        with pytest.raises(RuntimeError, match="shapes"):
            use()
        assert list(fingerprint(model.network)) == before


@pytest.mark.parametrize("off", [torch.no_grad, torch.inference_mode])
def test_gradients_may_be_off_outside(off: Callable[[], Any]) -> None:
    shape = Shape("lstm", 2, 1, "last")
    model, batch, target = torch_model(shape, shape.torch(6)), random_batch(6, LENGTHS), np.array([0, 1, 0, 1])
    names = [name for name in INSIDE if ASKED[name][1] <= model.provides]
    for name in (*names, "grad"):
        ask = ASKED[name][0] if name in ASKED else method(name)
        expected = ask(model, batch, target)
        with off():
            agree(expected, ask(model, batch, target), 0)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_computed_in_single(dtype: torch.dtype) -> None:
    shape = Shape("lstm", 1, 1, "last")
    network = shape.torch(7).to(dtype)
    model, exact = torch_model(shape, network), torch_model(shape, shape.torch(7).to(dtype).double())
    batch, target = random_batch(7, LENGTHS), np.array([0, 1, 0, 1])
    for name in [name for name in INSIDE if ASKED[name][1] <= model.provides and name != "hierarchy"]:
        found, expected = (dict(leaves(ASKED[name][0](m, batch, target))) for m in (model, exact))
        for key, values in expected.items():
            np.testing.assert_allclose(found[key], values, atol=1e-5, err_msg=f"{name}{key}")
    assert method("grad")(model, batch, target).dtype == np.float32
    assert network.output.weight.dtype == dtype


@pytest.mark.parametrize("shape", shapes(directions=1, layers=2, output="softmax"), ids=named)
def test_a_text_is_read_on_at_every_cut(shape: Shape) -> None:
    model, batch = torch_model(shape, shape.torch(0)), random_batch(0, [7, 7])
    x, state = model.embed(batch), None
    for t in range(7):
        read, so_far = (
            Batch(batch.ids[:, part], np.array([n, n])) for part, n in ((slice(t, t + 1), 1), (slice(t + 1), t + 1))
        )
        logits, state = model.resume(x[:, t : t + 1], read, state)
        np.testing.assert_allclose(logits, model.forward(so_far), atol=1e-9)


def test_both_directions_cannot_resume() -> None:
    shape = Shape("gru", 2)
    model, batch = torch_model(shape, shape.torch(0)), random_batch(0, LENGTHS)
    with pytest.raises(Unsupported, match="both directions"):
        model.resume(model.embed(batch), batch)


@pytest.mark.parametrize("layer", [2, -3])
def test_a_layer_that_is_not_there(layer: int) -> None:
    shape = Shape("gru", 1, 2)
    model, batch = torch_model(shape, shape.torch(0)), random_batch(0, LENGTHS)
    for use in (model.states, model.memory):
        with pytest.raises(UnknownName, match="layer"):
            use(batch, layer)
