"""dh_T/dh_t: against autograd in double precision, answers known by algebra, and what is said about it."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import rnnx
from rnnx import registry
from rnnx.errors import ConfigError, UnknownName
from rnnx.methods.memory import memory
from rnnx.models.algebra import largest_singular_value
from rnnx.models.engine.classifier import RecurrentClassifier
from rnnx.models.protocols import Array, Batch
from rnnx.render import plain
from rnnx.training.network import RECURRENT, RecurrentNetwork
from tests.conftest import Run
from tests.test_networks import HIDDEN, KINDS, Shape, all_layers, arrays, named, numpy_model, pool, random_batch, shapes

SHAPES = [Shape(kind, directions, layers) for kind, directions, layers in product(KINDS, (1, 2), (1, 2))]


def one_way(network: RecurrentNetwork, name: str, width: int) -> nn.RNNBase:
    """A layer and direction of a network (l0, l0_reverse, …) as a torch network of its own."""
    kinds = {"LSTM": "lstm", "GRU": "gru", "RNN_TANH": "rnn", "RNN_RELU": "rnn-relu"}
    layer = RECURRENT[kinds[network.recurrent.mode]](width, HIDDEN).double()
    weights = network.recurrent.state_dict()
    layer.load_state_dict(
        {f"{part}_l0": weights[f"{part}_{name}"] for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")}
    )
    return layer


def by_autograd(layer: nn.RNNBase, x: Tensor) -> tuple[Array, Tensor]:
    """Largest singular values of dh_T / d each part of the state after each of the steps x (T, E), and the h_t."""
    parts = 2 if layer.mode == "LSTM" else 1
    state = [torch.zeros(1, HIDDEN, dtype=torch.double) for _ in range(parts)]
    states = []
    for step in x:
        _, after = layer(step[None], tuple(state) if parts == 2 else state[0])
        # Cloned: h and c after a step count as independent, and h_T is itself.
        state = [part.clone().requires_grad_() for part in (after if parts == 2 else (after,))]
        states.append(state)
    rows = [
        torch.autograd.grad(unit, [part for state in states for part in state], retain_graph=True, allow_unused=True)
        for unit in states[-1][0][0]
    ]
    found = torch.stack(
        [torch.stack([torch.zeros(1, HIDDEN).double() if g is None else g for g in row]) for row in rows]
    )
    jacobians = found[:, :, 0].swapaxes(0, 1).reshape(len(x), parts, HIDDEN, HIDDEN)
    h = torch.cat([state[0] for state in states]).detach()
    return torch.linalg.matrix_norm(jacobians, 2).numpy(), h


def expected(network: RecurrentNetwork, x: Tensor, layer: int) -> Array:
    """(T, directions, parts) of one text in a layer counted from the bottom."""
    for i in range(layer + 1):
        found, beside = [], []
        for suffix in ("", "_reverse")[: 1 + network.recurrent.bidirectional]:
            turn = (lambda a: a.flip(0)) if suffix else (lambda a: a)
            gains, h = by_autograd(one_way(network, f"l{i}{suffix}", x.shape[1]), turn(x))
            found.append(gains[::-1] if suffix else gains)
            beside.append(turn(h))
        x = torch.cat(beside, 1)
    return np.stack(found, 1)


@pytest.mark.parametrize("shape", SHAPES, ids=named)
def test_it_is_the_jacobian_of_autograd(shape: Shape) -> None:
    network = shape.torch(seed=3)
    model = numpy_model(shape, arrays(network))
    batch = random_batch(5, [6, 1, 9])
    for layer in range(shape.layers):
        found = model.memory(batch, layer)
        assert found.dtype == np.float64
        np.testing.assert_array_equal(found, model.memory(batch, layer - shape.layers))
        for ids, n, row in zip(batch.ids, batch.lengths, found, strict=True):
            x = network.embedding(torch.from_numpy(ids[:n])).detach()
            np.testing.assert_allclose(row[:n], expected(network, x, layer), rtol=1e-8, atol=1e-8)
            assert not row[n:].any()


def linear(u: Array, *, directions: int = 1) -> tuple[RecurrentClassifier, Batch]:
    """A relu network whose states stay positive: dh_T/dh_t is a power of u."""
    shape = Shape("rnn-relu", directions)
    weights = {name: np.abs(w) for name, w in arrays(shape.torch(seed=0)).items()}
    weights |= {name: u for name in weights if "weight_hh" in name}
    return numpy_model(shape, weights), random_batch(1, [5, 3])


def test_powers_of_the_recurrent_weights() -> None:
    u = np.array([[0.5, 0.2, 0.0], [0.0, 0.5, 0.1], [0.3, 0.0, 0.5]])
    model, batch = linear(u, directions=2)
    powers = np.array([np.linalg.norm(np.linalg.matrix_power(u, k), 2) for k in range(5)])
    found = model.memory(batch)[..., 0]
    np.testing.assert_allclose(found[0], np.stack([powers[::-1], powers], 1))
    np.testing.assert_allclose(found[1, :3], np.stack([powers[2::-1], powers[:3]], 1))


@pytest.mark.parametrize(
    ("factor", "share", "heard", "first"),
    [(0.5, 0.1, [4, 3], [0.0625, 0.25]), (0.5, 0.05, [5, 3], [0.0625, 0.25]), (0.0, 0.1, [1, 1], [0, 0]),
     (1.0, 1.0, [5, 3], [1, 1]), (2.0, 0.1, [5, 3], [1, 1])],
)  # fmt: skip
def test_how_far_back_it_listens(factor: float, share: float, heard: list[int], first: list[float]) -> None:
    model, batch = linear(factor * np.eye(HIDDEN), directions=2)
    _, diagnostics = memory(model, batch, np.zeros(2, int), share=share)
    for suffix in ("", "_reverse"):
        np.testing.assert_allclose(diagnostics[f"tokens_heard{suffix}"], heard)
        np.testing.assert_allclose(diagnostics[f"first_heard{suffix}"], first)


def test_it_ends_in_the_identity_and_has_the_columns_of_the_table(model: RecurrentClassifier) -> None:
    (e,) = rnnx.explain(model, ["the plot , really not good"], view="memory")
    columns = e.evidence.columns
    assert columns["dh_T/dh_t"][-1] == pytest.approx(1)
    assert columns.get("dh_T/dc_t", (0,))[-1] == 0
    assert columns.get("dh_1/dh_t", (1,))[0] == pytest.approx(1)
    assert [name for name in registry.view("memory").columns if name in columns] == list(columns)


@pytest.mark.parametrize("shape", shapes(output="softmax"), ids=named)
def test_it_says_whether_the_states_on_the_way_are_read(shape: Shape) -> None:
    """By pooling, or by the next layer: then the logit is another than that of the states at the ends alone."""
    weights = arrays(shape.torch(seed=2))
    model, ends = numpy_model(shape, weights), Shape(shape.kind, shape.directions, pooling="last")
    batch, target = random_batch(3, [9, 1, 5, 7]), np.array([0, 1, 2, 1])
    tops = [all_layers(shape, weights, x[:n]) for x, n in zip(model.embed(batch), batch.lengths, strict=True)]
    out = weights["output.weight"][target]
    whole = np.array([w @ pool(shape, weights, layers[-1]["h"]) for w, layers in zip(out, tops, strict=True)])
    for layer in range(shape.layers):
        _, diagnostics = memory(model, batch, target, layer=layer)
        alone = np.array([w @ pool(ends, weights, layers[layer]["h"]) for w, layers in zip(out, tops, strict=True)])
        beside = np.abs(whole - alone)
        assert not ((beside > 1e-9) & (beside < 3e-5)).any()
        assert diagnostics["reads_between"].tolist() == (beside > 1e-5).tolist()
        if layer == shape.layers - 1:
            assert diagnostics["reads_between"][1] == 0
            assert (shape.pooling == "last") is not diagnostics["reads_between"].any()


def test_it_is_said_to_be_of_no_method_and_no_label() -> None:
    for name, reads in (("sentiment-lstm", False), ("sentiment-attention", True)):
        model = rnnx.load(name)
        found = [next(rnnx.explain(model, ["a dull film"], view="memory", target=label)) for label in model.labels]
        assert found[0].evidence == found[1].evidence
        for e in found:
            lines = list(plain.lines(e))
            assert "view memory \u00b7 layer=-1 \u00b7 share=0.1" in lines
            same = f"note: this is the same for {e.target} as for every other label"
            assert (same in lines) is (e.target != e.prediction.label)
            assert any("also read directly" in line for line in lines) is reads
            assert not [line for line in lines if "explained is" in line or "grad" in line]


def test_the_layers_of_a_network() -> None:
    shape = Shape("gru", 1, 2)
    model = numpy_model(shape, arrays(shape.torch(seed=0)))
    found = [next(rnnx.explain(model, ["a good film"], view="memory", layer=i)).evidence for i in (0, 1, -1)]
    assert found[0] != found[1] == found[2]
    with pytest.raises(UnknownName):
        list(rnnx.explain(model, ["a good film"], view="memory", layer=2))


@pytest.mark.parametrize("share", [0.0, -1.0, 1.5, float("nan")])
def test_a_share_is_one(share: float) -> None:
    with pytest.raises(ConfigError, match="share must be above 0"):
        list(rnnx.explain(rnnx.load("sentiment-lstm"), ["fine"], view="memory", share=share))


def test_what_is_said() -> None:
    model, _ = linear(0.5 * np.eye(HIDDEN), directions=2)
    text = "a good film but bad"
    (e,) = rnnx.explain(model, [text], view="memory")
    notes = [line for line in plain.lines(e) if "dh_" in line and line.startswith("note")]
    assert notes == [
        "note: dh_T/dh_t falls below 10% of its largest 4 of 5 tokens from the end, for good",
        "note: dh_1/dh_t falls below 10% of its largest 4 of 5 tokens from the start, for good",
    ]
    (e,) = rnnx.explain(model, [text], view="memory", share=0.05)
    notes = [line for line in plain.lines(e) if "dh_" in line and line.startswith("note")]
    assert notes[0] == "note: dh_T/dh_t does not vanish: after the token read first (a) it is 6.2% of its largest"
    assert "(bad)" in notes[1]
    (e,) = rnnx.explain(model, ["a"], view="memory")
    assert not [line for line in plain.lines(e) if line.startswith("note: dh_")]


def test_the_picture(run: Run) -> None:
    for name, said in (
        ("sentiment-lstm", "does not vanish"),
        ("sentiment-attention", "falls below 10% of its largest"),
    ):
        out = run(
            "explain", "--view", "memory", "-m", name, "It starts slowly, and " + "then " * 20 + ". Good!", screen=True
        ).out
        assert said in " ".join(out.split())
        assert "dh_T/dc_t" in out
        assert "\u2588" in out


def test_singular_values_of_any_size() -> None:
    rng = np.random.default_rng(0)
    for scale in (1e-30, 1.0, 1e30):
        for shape in ((2, 3, 5, 4), (2, 3, 4, 5)):
            matrices = (scale * rng.normal(size=shape)).astype(np.float32)
            reference = np.linalg.svd(matrices.astype(float), compute_uv=False)[..., 0]
            np.testing.assert_allclose(largest_singular_value(matrices), reference, rtol=1e-5)
    assert not largest_singular_value(np.zeros((2, 3, 3))).any()
