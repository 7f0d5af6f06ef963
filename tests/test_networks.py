"""Every kind of network: the numpy engine, torch, and loops written from the equations give the same.

A sigmoid is over two classes here, a softmax over three.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file
from safetensors.torch import save_file as torch_save_file
from torch import nn

from rnnx.config.schema import Model
from rnnx.errors import ConfigError, ModelError, UnknownName, Unsupported
from rnnx.methods.chain import chain
from rnnx.models import checkpoint
from rnnx.models.catalog import SHIPPED, Spec, as_json, names, read_spec
from rnnx.models.checkpoint import Weights
from rnnx.models.engine.cells import CELLS
from rnnx.models.engine.classifier import RecurrentClassifier
from rnnx.models.engine.packing import Packing
from rnnx.models.engine.pooling import Max
from rnnx.models.protocols import Array, Batch, State
from rnnx.text.tokenizer import words
from rnnx.text.vocabulary import SPECIAL, Vocabulary
from rnnx.training.network import POOLINGS, RECURRENT, Output, RecurrentNetwork, load_network
from tests.conftest import TEXTS, WORDS

KINDS = tuple(CELLS)
VOCABULARY = Vocabulary(SPECIAL + WORDS)
EMBEDDING, HIDDEN = 4, 3


@dataclass(frozen=True)
class Shape:
    kind: str
    directions: int = 1
    layers: int = 1
    pooling: str = "last"
    output: Output = "sigmoid"
    heads: int = 1

    @property
    def spec(self) -> Spec:
        return Spec(self.kind, self.pooling, ("no", "yes") if self.output == "sigmoid" else ("no", "yes", "maybe"))

    def torch(self, seed: int, scale: float = 1.5) -> RecurrentNetwork:
        """A network in double precision whose nonlinearities bend."""
        torch.manual_seed(seed)
        vectors = torch.randn(len(VOCABULARY), EMBEDDING)
        network = RecurrentNetwork(
            self.spec,
            vectors,
            hidden=HIDDEN,
            layers=self.layers,
            bidirectional=self.directions == 2,
            heads=self.heads,
            output=self.output,
        )
        with torch.no_grad():
            for weight in network.parameters():
                weight *= scale
        return network.double().eval()


def arrays(network: RecurrentNetwork) -> Weights:
    return {name: tensor.detach().numpy().copy() for name, tensor in network.state_dict().items()}


def numpy_model(shape: Shape, weights: Weights) -> RecurrentClassifier:
    """The engine in the precision of the weights."""
    network = checkpoint.assemble(shape.spec, weights)
    return RecurrentClassifier("random", shape.spec.labels, words, VOCABULARY, network)


def random_batch(seed: int, lengths: list[int]) -> Batch:
    ids = np.random.default_rng(seed).integers(1, len(VOCABULARY), (len(lengths), max(lengths)))
    n = np.array(lengths)
    return Batch(np.where(np.arange(ids.shape[1]) < n[:, None], ids, 0), n)


def shapes(**given: object) -> list[Shape]:
    """All combinations of what is not given."""
    every: dict[str, tuple[object, ...]] = {
        "kind": KINDS,
        "directions": (1, 2),
        "layers": (1, 2, 3),
        "pooling": ("last", "mean", "max", "attention"),
        "output": ("sigmoid", "softmax"),
    }
    values = product(*((given[name],) if name in given else choices for name, choices in every.items()))
    more = [shape for shape in ATTENTION if all(getattr(shape, name) == value for name, value in given.items())]
    return [Shape(*v) for v in values] + more  # type: ignore[arg-type]


ATTENTION = [  # other than additive attention with one head; of several, each has units of both directions
    Shape("lstm", 1, 1, "dot-attention", "sigmoid"),
    Shape("gru", 2, 2, "dot-attention", "softmax"),
    Shape("lstm", 2, 1, "attention", "sigmoid", 3),
    Shape("rnn", 2, 2, "attention", "softmax", 3),
    Shape("lstm", 1, 2, "dot-attention", "sigmoid", 3),
    Shape("rnn-relu", 2, 3, "dot-attention", "sigmoid", 3),
]


def named(shape: Shape) -> str:
    heads = f"-{shape.heads}" if shape.heads > 1 else ""
    return f"{shape.kind}-{shape.directions}x{shape.layers}-{shape.pooling}{heads}-{shape.output}"


seeds = st.integers(0, 2**31)
some_lengths = st.lists(st.integers(1, 7), min_size=1, max_size=4)
few = settings(max_examples=3)


# --- the equations, one token and one text at a time --------------------------------------------------------


def sigmoid(p: Array) -> Array:
    return 1 / (1 + np.exp(-p))


def one_step(kind: str, p: Array, q: Array, h: Array, c: Array) -> dict[str, Array]:
    """The state and gates from the input's share p and the state's share q, in torch's order of the gates."""
    if kind == "lstm":
        i, f, g, o = np.split(p + q, 4)
        i, f, g, o = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)
        c = f * c + i * g
        return {"h": o * np.tanh(c), "c": c, "input": i, "forget": f, "output": o, "candidate": g}
    if kind == "gru":
        (p_r, p_z, p_n), (q_r, q_z, q_n) = np.split(p, 3), np.split(q, 3)
        r, z = sigmoid(p_r + q_r), sigmoid(p_z + q_z)
        n = np.tanh(p_n + r * q_n)
        return {"h": (1 - z) * n + z * h, "c": c, "reset": r, "update": z, "candidate": n}
    return {"h": np.tanh(p + q) if kind == "rnn" else np.maximum(p + q, 0), "c": c}


def one_direction(kind: str, weights: Weights, name: str, x: Array) -> dict[str, Array]:
    """Each quantity after each token, (T, H)."""
    w_x, w_h, b_x, b_h = (
        weights[f"recurrent.{part}_{name}"] for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    )
    steps, state = [], {"h": np.zeros(HIDDEN), "c": np.zeros(HIDDEN)}
    for x_t in x[::-1] if name.endswith("_reverse") else x:
        state = one_step(kind, w_x @ x_t + b_x, w_h @ state["h"] + b_h, state["h"], state["c"])
        steps.append(state)
    if name.endswith("_reverse"):
        steps.reverse()
    return {key: np.array([step[key] for step in steps]) for key in steps[0]}


def all_layers(shape: Shape, weights: Weights, x: Array) -> list[dict[str, Array]]:
    """Each layer's quantities for one text x (T, E), the directions side by side."""
    found = []
    for i in range(shape.layers):
        ways = [one_direction(shape.kind, weights, f"l{i}{end}", x) for end in ("", "_reverse")[: shape.directions]]
        found.append({key: np.concatenate([way[key] for way in ways], axis=1) for key in ways[0]})
        x = found[-1]["h"]
    return found


def attention_by_hand(shape: Shape, weights: Weights, h: Array) -> list[Array]:
    """Of each unit the weights of the tokens, (T,), one unit and token at a time."""
    found = []
    for unit in range(h.shape[1]):
        query, scores = weights["pooling.query.weight"][unit % shape.heads], []
        for state in h:
            key = state / len(state) ** 0.5
            if shape.pooling == "attention":
                key = np.tanh(weights["pooling.hidden.weight"] @ state + weights["pooling.hidden.bias"])
            scores.append(np.exp(query @ key))
        found.append(np.array(scores) / sum(scores))
    return found


def pool(shape: Shape, weights: Weights, h: Array) -> Array:
    if shape.pooling == "mean":
        return h.mean(0)
    if shape.pooling == "max":
        return h.max(0)
    if "attention" in shape.pooling:
        return np.array([share @ h[:, j] for j, share in enumerate(attention_by_hand(shape, weights, h))])
    return np.concatenate([h[-1, :HIDDEN], h[0, HIDDEN:]])


def logits_by_hand(shape: Shape, weights: Weights, x: Array, lengths: Array) -> Array:
    tops = [all_layers(shape, weights, text[:n])[-1]["h"] for text, n in zip(x, lengths, strict=True)]
    return np.array([weights["output.weight"] @ pool(shape, weights, h) + weights["output.bias"] for h in tops])


# --- the same numbers three times ---------------------------------------------------------------------------


def torch_results(network: RecurrentNetwork, x: Array, batch: Batch) -> tuple[Array, Array]:
    """Logits, and the gradient of the logit of the last class."""
    leaf = torch.from_numpy(x.copy()).requires_grad_()
    logits = network.from_embeddings(leaf, torch.from_numpy(batch.lengths))
    (gradient,) = torch.autograd.grad(logits[:, -1].sum(), leaf)
    return logits.detach().numpy(), gradient.numpy()


@pytest.mark.parametrize("shape", shapes(), ids=named)
@few
@given(seed=seeds, lengths=some_lengths)
def test_engine_torch_and_the_equations_agree(shape: Shape, seed: int, lengths: list[int]) -> None:
    network = shape.torch(seed)
    weights = arrays(network)
    model, batch = numpy_model(shape, weights), random_batch(seed, lengths)
    x, last = model.embed(batch), np.full(len(lengths), len(model.labels) - 1)
    logits, gradient = torch_results(network, x, batch)
    found = model.gradient(x, batch, last)
    assert found.dtype == x.dtype == np.float64
    assert logits.shape[1] == (1 if shape.output == "sigmoid" else 3)
    np.testing.assert_allclose(model.logits(x, batch), logits, atol=1e-9)
    np.testing.assert_allclose(found, gradient, atol=1e-9)
    np.testing.assert_allclose(logits_by_hand(shape, weights, x, batch.lengths), logits, atol=1e-9)
    direction = np.random.default_rng(seed).normal(size=x.shape)  # the equations' own slope along it
    up, down = (logits_by_hand(shape, weights, x + e * direction, batch.lengths)[:, -1] for e in (1e-6, -1e-6))
    np.testing.assert_allclose((found * direction).sum((1, 2)), (up - down) / 2e-6, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shape", shapes(layers=2, output="softmax"), ids=named)
def test_gradient_is_the_limit_of_differences(shape: Shape) -> None:
    model = numpy_model(shape, arrays(shape.torch(3)))
    batch = random_batch(3, [4])
    x = model.embed(batch)
    steps = np.eye(x.size).reshape(x.size, *x.shape[1:]) * 1e-6
    many = Batch(np.repeat(batch.ids, x.size, 0), np.repeat(batch.lengths, x.size))
    for target in (0, 1, 2):
        slopes = (model.logits(x + steps, many) - model.logits(x - steps, many))[:, target] / 2e-6
        gradient = model.gradient(x, batch, np.array([target]))
        np.testing.assert_allclose(gradient.ravel(), slopes, atol=1e-7)


@pytest.mark.parametrize("shape", [*shapes(layers=2), Shape("gru", 2, 3, "max", "softmax")], ids=named)
def test_a_model_written_is_the_model_read(shape: Shape, tmp_path: Path) -> None:
    """In single precision, by both engines."""
    trained = shape.torch(7).float()
    checkpoint.write(tmp_path, shape.spec, arrays(trained), VOCABULARY)
    model, network = checkpoint.load(tmp_path), load_network(str(tmp_path))
    batch = model.encode(TEXTS)
    x = model.embed(batch)
    logits, gradient = torch_results(trained, x, batch)
    for again in (
        torch_results(network, x, batch),
        (model.logits(x, batch), model.gradient(x, batch, batch.lengths * 0 + len(model.labels) - 1)),
    ):
        np.testing.assert_allclose(again[0], logits, atol=1e-5)
        np.testing.assert_allclose(again[1], gradient, atol=1e-5)
        assert again[1].dtype == np.float32
    assert ("resume" in model.provides) == (shape.directions == 1)
    assert ("attention" in model.provides) == ("attention" in shape.pooling)
    assert model.provides >= {"gradients", "recurrence"}


@pytest.mark.parametrize("shape", shapes(output="sigmoid", layers=2), ids=named)
@few
@given(seed=seeds, lengths=some_lengths)
def test_padding_changes_nothing(shape: Shape, seed: int, lengths: list[int]) -> None:
    network = shape.torch(seed)
    model, batch = numpy_model(shape, arrays(network)), random_batch(seed, lengths)
    x, ones = model.embed(batch), np.ones(len(lengths), int)
    spoilt = np.where(batch.mask[:, :, None], x, 1e3)
    together = model.steps(spoilt, batch, ones)
    for array in (together.gradient, together.adjoints):
        assert not array[~batch.mask].any()
    for found in torch_results(network, spoilt, batch), (model.logits(spoilt, batch), together.gradient):
        for i, n in enumerate(lengths):
            alone = Batch(batch.ids[i : i + 1, :n], batch.lengths[i : i + 1])
            single = model.steps(x[i : i + 1, :n], alone, ones[:1])
            np.testing.assert_allclose(found[0][i], model.forward(alone)[0], atol=1e-9)
            np.testing.assert_allclose(found[1][i, :n], single.gradient[0], atol=1e-9)
            np.testing.assert_allclose(together.states[i, :n], single.states[0], atol=1e-9)
            np.testing.assert_allclose(together.adjoints[i, :n], single.adjoints[0], atol=1e-9)
            np.testing.assert_allclose(together.jacobians[i, :n], single.jacobians[0], atol=1e-9)


# --- resuming -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", shapes(directions=1, output="sigmoid", layers=2), ids=named)
@few
@given(seed=seeds, lengths=st.lists(st.integers(2, 7), min_size=1, max_size=3))
def test_a_text_resumes_at_every_cut(shape: Shape, seed: int, lengths: list[int]) -> None:
    model, batch = numpy_model(shape, arrays(shape.torch(seed))), random_batch(seed, lengths)
    x = model.embed(batch)
    whole, end = model.resume(x, batch)
    np.testing.assert_allclose(whole, model.logits(x, batch), atol=1e-12)
    for cut in range(1, min(lengths)):
        first = Batch(batch.ids[:, :cut], np.full(len(lengths), cut))
        rest = Batch(batch.ids[:, cut:], batch.lengths - cut)
        _, state = model.resume(x[:, :cut], first)
        logits, again = model.resume(x[:, cut:], rest, state)
        np.testing.assert_allclose(logits, whole, atol=1e-9)
        for a, b in zip(flat(again), flat(end), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-9)


def flat(state: State) -> tuple[Array, ...]:
    return (*state.layers, *state.memory)


@pytest.mark.parametrize("kind", KINDS)
def test_both_directions_cannot_resume(kind: str) -> None:
    model, batch = numpy_model(Shape(kind, 2), arrays(Shape(kind, 2).torch(0))), random_batch(0, [3])
    with pytest.raises(Unsupported, match="both directions"):
        model.resume(model.embed(batch), batch)


# --- inside -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", shapes(pooling="mean", output="sigmoid"), ids=named)
@few
@given(seed=seeds, lengths=some_lengths)
def test_states_and_gates_follow_the_equations(shape: Shape, seed: int, lengths: list[int]) -> None:
    weights = arrays(shape.torch(seed))
    model, batch = numpy_model(shape, weights), random_batch(seed, lengths)
    x = model.embed(batch)
    for layer in range(-shape.layers, shape.layers):
        found = model.states(batch, layer)
        values = {"h": found.h, **found.gates} if found.c is None else {"h": found.h, "c": found.c, **found.gates}
        for i, n in enumerate(lengths):
            expected = all_layers(shape, weights, x[i, :n])[layer]
            assert values.keys() == expected.keys() - (set() if shape.kind == "lstm" else {"c"})
            for name, value in values.items():
                np.testing.assert_allclose(value[i, :n], expected[name], atol=1e-9)
                assert not value[i, n:].any()
    with pytest.raises(UnknownName, match=f"layer '{shape.layers}'"):
        model.states(batch, shape.layers)


CELL: dict[str, Callable[[int, int], nn.RNNCellBase]] = {
    "lstm": nn.LSTMCell,
    "gru": nn.GRUCell,
    "rnn": nn.RNNCell,
    "rnn-relu": lambda width, size: nn.RNNCell(width, size, nonlinearity="relu"),
}


@pytest.mark.parametrize("shape", shapes(pooling="last", output="sigmoid", layers=2), ids=named)
def test_states_are_those_of_torch_cells(shape: Shape) -> None:
    weights = arrays(shape.torch(5))
    model, batch = numpy_model(shape, weights), random_batch(5, [6])
    x = torch.from_numpy(model.embed(batch)[0])
    for layer in range(shape.layers):
        found, states = model.states(batch, layer), []
        for end in ("", "_reverse")[: shape.directions]:
            cell = CELL[shape.kind](x.shape[1], HIDDEN).double()
            part = f"_l{layer}{end}"
            cell.load_state_dict(
                {f"{n}": torch.from_numpy(weights[f"recurrent.{n}{part}"]) for n, _ in cell.named_parameters()}
            )
            state, outs = None, []
            for x_t in x.flip(0) if end else x:
                state = cell(x_t[None], state)
                outs.append(state[0][0] if shape.kind == "lstm" else state[0])
            states.append(torch.stack(outs[::-1] if end else outs).detach())
        x = torch.cat(states, 1)
        np.testing.assert_allclose(found.h[0], x.numpy(), atol=1e-9)


@pytest.mark.parametrize("shape", [s for s in shapes(output="softmax") if s.kind != "lstm"], ids=named)
def test_without_c_the_chain_rule_is_exact_step_by_step(shape: Shape) -> None:
    """At the layer that reads the embeddings, through all layers above and both directions."""
    model, batch = numpy_model(shape, arrays(shape.torch(11))), random_batch(11, [6, 2])
    x, target = model.embed(batch), np.array([2, 0])
    steps = model.steps(x, batch, target)
    assert steps.states.shape == steps.adjoints.shape == (2, 6, 1, shape.directions * HIDDEN)
    product = np.einsum("bth,bthe->bte", steps.adjoints[:, :, 0], steps.jacobians)
    np.testing.assert_allclose(np.where(batch.mask[:, :, None], product, 0), steps.gradient, atol=1e-12)
    np.testing.assert_allclose(steps.gradient, model.gradient(x, batch, target), atol=1e-12)
    columns, _ = chain(model, batch, target)
    assert "dy/dc_t" not in columns
    assert (columns["dy/dx_t"] <= columns["dy/dh_t"] * columns["dh_t/dx_t"] + 1e-12).all()


@pytest.mark.parametrize("shape", shapes(kind="lstm", output="softmax", layers=2), ids=named)
def test_an_lstm_has_its_own_road_through_c(shape: Shape) -> None:
    model, batch = numpy_model(shape, arrays(shape.torch(11))), random_batch(11, [6, 2])
    columns, diagnostics = chain(model, batch, np.array([2, 0]))
    assert list(columns) == ["dy/dh_T", "dy/dh_t", "dy/dc_t", "dh_t/dx_t", "dy/dx_t"]
    assert (columns["dy/dc_t"][0] > 0).sum() >= 5  # not at the end of the reading
    assert ((diagnostics["reaches_start"] > 0) & (diagnostics["reaches_start"] <= 1)).all()


def test_of_equal_values_the_first_is_the_largest() -> None:
    h, one = np.array([[1.0, 5.0], [3.0, 5.0], [3.0, 2.0]]), Packing.of(np.array([3]))
    pooled = Max().forward(h, one)
    np.testing.assert_array_equal(pooled.vector, [[3, 5]])
    np.testing.assert_array_equal(pooled.weights[:, 0], [0.5, 0.5, 0])
    later = Max().forward(h, one, (np.array([[3.0, 4.0]]),))
    np.testing.assert_array_equal(later.weights[:, 0], [0.5, 0, 0])  # the 3 was there before


# --- torch's own side ---------------------------------------------------------------------------------------


def test_all_tables_know_the_same_networks() -> None:
    fields = Model.model_fields
    assert tuple(CELLS) == tuple(RECURRENT) == get_args(fields["kind"].annotation)
    assert tuple(checkpoint.POOLINGS) == tuple(POOLINGS) == get_args(fields["pooling"].annotation)
    assert get_args(Output) == get_args(fields["output"].annotation)


@pytest.mark.parametrize(("output", "classes", "logits"), [("auto", 2, 1), ("auto", 3, 3), ("softmax", 2, 2)])
def test_the_output_decides_the_logits(output: Output, classes: int, logits: int) -> None:
    spec = Spec("gru", "mean", tuple("abc"[:classes]))
    assert RecurrentNetwork(spec, torch.zeros(3, 2), hidden=2, output=output).output.out_features == logits


def test_a_sigmoid_is_for_two_classes() -> None:
    with pytest.raises(ConfigError, match="there are 3"):
        RecurrentNetwork(Spec("gru", "mean", ("a", "b", "c")), torch.zeros(3, 2), hidden=2, output="sigmoid")


@pytest.mark.parametrize("kind", KINDS)
def test_dropout_also_falls_between_layers(kind: str) -> None:
    spec, ids, lengths = Spec(kind, "mean", ("a", "b")), torch.ones(1, 5, dtype=torch.long), torch.tensor([5])
    network = RecurrentNetwork(spec, torch.randn(3, 4), hidden=32, layers=2, bidirectional=True, dropout=0.5)
    network.dropout = 0.0  # leaves the one between the layers
    states = [network.train()._states(network.embedding(ids), lengths) for _ in range(2)]
    assert not torch.equal(*states)
    network.eval()
    assert torch.equal(*(network(ids, lengths) for _ in range(2)))


# --- folders that hold something else -----------------------------------------------------------------------


def both_refuse(folder: Path, *parts: str) -> None:
    """One line, without a traceback, from the engine and from torch."""
    for load in (checkpoint.load, load_network):
        with pytest.raises(ModelError) as caught:
            load(str(folder))
        assert "\n" not in caught.value.message
        assert all(part in caught.value.message for part in (str(folder), *parts))
        assert caught.value.hint


@pytest.fixture
def written(tmp_path: Path) -> tuple[Path, Weights]:
    weights = arrays(Shape("gru", 2, 2).torch(0))
    checkpoint.write(tmp_path, Shape("gru").spec, weights, VOCABULARY)
    return tmp_path, weights


class Bomb:
    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return pytest.fail, ("a pickle was opened",)


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin", "model.pt"])
@pytest.mark.parametrize("dump", [torch.save, lambda value, path: path.write_bytes(pickle.dumps(value))])
def test_a_pickle_is_never_opened(
    written: tuple[Path, Weights], name: str, dump: Callable[[object, Path], object]
) -> None:
    folder, weights = written
    (folder / "model.safetensors").unlink()
    dump({**weights, "bomb": Bomb()}, folder / name)
    both_refuse(folder, name, "is a pickle")


def test_a_header_whose_length_begins_as_a_pickle_is_none(written: tuple[Path, Weights]) -> None:
    """The length of safetensors' header comes first, and may have the byte 0x80."""
    folder, weights = written
    stored, file = {name: w.astype(np.float32) for name, w in weights.items()}, folder / "model.safetensors"
    for n in range(256):
        save_file(stored, file, metadata={"padding": "x" * 8 * n})
        if file.read_bytes()[0] == 0x80:
            break
    assert file.read_bytes()[:1] == b"\x80"
    checkpoint.load(folder)


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"kind": "lsmt"}, "unknown kind 'lsmt'"),
        ({"kind": "lstm"}, "recurrent.weight_hh_l0"),  # weights of a GRU
        ({"pooling": "median"}, "unknown pooling 'median'"),
        ({"pooling": "attention"}, "pooling.hidden.weight is missing"),
        ({"tokenizer": "none"}, "unknown tokenizer 'none'"),
        ({"labels": ["a", "b", "c"]}, "1 logits for 3 labels"),
        ({"format": 2}, "its format is 2, this rnnx reads 1"),
        ({"fields": "title"}, "fields must be a list of texts"),
        ({"fields": [1]}, "fields must be a list of texts"),
    ],
    ids=str,
)
def test_another_model_json_is_refused(written: tuple[Path, Weights], change: dict[str, object], part: str) -> None:
    folder, _ = written
    data = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**data, **change}))
    both_refuse(folder, part)


@pytest.mark.parametrize(
    ("name", "value", "part"),
    [
        ("recurrent.weight_ih_l0", None, "is missing"),
        ("recurrent.weight_hh_l0", None, "is missing"),
        ("recurrent.weight_hh_l0_reverse", None, "has the shape"),
        ("recurrent.weight_hh_l1_reverse", None, "is missing"),
        ("recurrent.weight_hh_l1", None, "there is also"),
        ("recurrent.weight_hh_l0", np.ones(3, np.float32), "has the shape (3,)"),
        ("recurrent.weight_ih_l1", np.ones((9, 3), np.float32), "has the shape (9, 3)"),
        ("recurrent.weight_hh_l0", np.ones((8, 3), np.float32), "has the shape (8, 3)"),
        ("output.weight", np.ones((2, 7), np.float32), "has the shape (2, 7)"),
        ("output.bias", np.ones(2, np.float32), "has the shape (2,)"),
        ("extra", np.ones(2, np.float32), "there is also extra"),
    ],
    ids=str,
)
def test_other_weights_are_refused(written: tuple[Path, Weights], name: str, value: Array | None, part: str) -> None:
    folder, weights = written
    changed = {key: w for key, w in {**weights, name: value}.items() if w is not None}
    checkpoint.write(folder, Shape("gru").spec, changed, VOCABULARY)
    both_refuse(folder, part)


@pytest.mark.parametrize("content", [b"", b"junk", b"\xff" * 100, b"PK\x03\x04junk"])
def test_damaged_weights_are_refused(written: tuple[Path, Weights], content: bytes) -> None:
    folder, _ = written
    (folder / "model.safetensors").write_bytes(content)
    both_refuse(folder)


def test_embeddings_that_are_one_number_are_refused(written: tuple[Path, Weights]) -> None:
    folder, weights = written
    stored = {name: w.astype(np.float32) for name, w in weights.items()}
    save_file({**stored, "embedding.weight": np.array(1.0, np.float32)}, folder / "model.safetensors")
    both_refuse(folder)


def test_half_a_file_and_no_file_are_refused(written: tuple[Path, Weights]) -> None:
    folder, _ = written
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-10])
    both_refuse(folder)
    file.unlink()
    both_refuse(folder)


def test_a_precision_that_numpy_lacks_is_refused(written: tuple[Path, Weights]) -> None:
    folder, weights = written
    tensors = {name: torch.from_numpy(w).bfloat16() for name, w in weights.items()}
    torch_save_file(tensors, folder / "model.safetensors")
    both_refuse(folder)


def test_an_attention_of_another_size_runs_in_numpy(tmp_path: Path) -> None:
    weights = arrays(Shape("rnn", pooling="attention").torch(0))
    for name in ("pooling.hidden.weight", "pooling.hidden.bias"):
        weights[name] = weights[name][:5]
    weights["pooling.query.weight"] = weights["pooling.query.weight"][:, :5]
    checkpoint.write(tmp_path, Shape("rnn", pooling="attention").spec, weights, VOCABULARY)
    checkpoint.load(tmp_path)
    with pytest.raises(ModelError, match="not one that rnnx trains"):
        load_network(str(tmp_path))


def test_the_fields_of_a_text_are_kept(tmp_path: Path) -> None:
    spec = Spec("rnn", "last", ("a", "b"), fields=("title", "body"))
    (tmp_path / "model.json").write_text(as_json(spec), "utf-8")
    assert read_spec(tmp_path) == spec
    assert all(read_spec(SHIPPED / name).fields == () for name in names())
