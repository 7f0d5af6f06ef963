"""The numpy engine against torch's forward and autograd, and itself in other batches; see also test_networks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from rnnx.models import checkpoint
from rnnx.models.catalog import names
from rnnx.models.engine.classifier import RecurrentClassifier
from rnnx.models.protocols import Array, Batch, Integers
from rnnx.models.scores import cotangent, probabilities
from rnnx.training.network import RecurrentNetwork, load_network
from tests.conftest import MODELS, TEXTS

OFS = ("logit", "prob", "loss")
one_way = pytest.mark.parametrize("folder", [n for n, spec in MODELS.items() if spec.kind == "lstm"], indirect=True)


def torch_score(logits: Tensor, target: Integers, of: str) -> Tensor:
    """The score of each text's target, written with torch's own functions."""
    rows = torch.arange(len(logits))
    full = torch.cat([-logits, logits], 1) if logits.shape[1] == 1 else logits
    if of == "logit":
        return full[rows, torch.from_numpy(target)]
    if logits.shape[1] == 1:
        p = torch.cat([1 - logits.sigmoid(), logits.sigmoid()], 1)
        return p[rows, torch.from_numpy(target)] if of == "prob" else p[rows, torch.from_numpy(target)].log()
    return (logits.softmax(1) if of == "prob" else logits.log_softmax(1))[rows, torch.from_numpy(target)]


def autograd(network: RecurrentNetwork, x: Array, batch: Batch, target: Integers, of: str) -> tuple[Array, Array]:
    """Torch's logits and d score / d x."""
    leaf = torch.from_numpy(x).requires_grad_()
    logits = network.from_embeddings(leaf, torch.from_numpy(batch.lengths))
    (gradient,) = torch.autograd.grad(torch_score(logits, target, of).sum(), leaf)
    return logits.detach().numpy(), gradient.numpy()


@pytest.mark.parametrize("of", OFS)
def test_random_weights_agree_with_torch(folder: Path, model: RecurrentClassifier, of: str) -> None:
    batch = model.encode(TEXTS)
    x = model.embed(batch)
    target = np.arange(len(TEXTS)) % len(model.labels)
    logits, gradient = autograd(load_network(str(folder)), x, batch, target, of)
    np.testing.assert_allclose(model.logits(x, batch), logits, atol=1e-5)
    np.testing.assert_allclose(model.gradient(x, batch, target, of), gradient, atol=1e-5)
    assert np.abs(gradient).max() > 1e-3


@pytest.mark.parametrize("of", OFS)
@pytest.mark.parametrize("name", names())
def test_trained_weights_agree_with_torch(name: str, of: str) -> None:
    model = checkpoint.load(name)
    texts = ["a masterpiece", "meh", "I expected to hate it but loved it. " * 12, "Dull, and far too long!"]
    batch = model.encode(texts)
    x = model.embed(batch)
    target = np.array([1, 0, 0, 1])
    logits, gradient = autograd(load_network(name), x, batch, target, of)
    np.testing.assert_allclose(model.logits(x, batch), logits, atol=1e-5)
    np.testing.assert_allclose(model.gradient(x, batch, target, of), gradient, atol=1e-5)


def test_padding_changes_nothing(model: RecurrentClassifier) -> None:
    together = model.encode(TEXTS)
    target = np.zeros(len(TEXTS), int)
    logits = model.forward(together)
    gradient = model.gradient(model.embed(together), together, target)
    for i, text in enumerate(TEXTS):
        alone = model.encode([text])
        n = alone.lengths[0]
        np.testing.assert_allclose(model.forward(alone)[0], logits[i], atol=1e-6)
        single = model.gradient(model.embed(alone), alone, target[:1])[0]
        np.testing.assert_allclose(single, gradient[i, :n], atol=1e-6)
        assert not gradient[i, n:].any()


def test_what_stands_in_the_padding_is_never_read(model: RecurrentClassifier) -> None:
    batch = model.encode(TEXTS)
    x = model.embed(batch)
    spoilt = np.where(batch.mask[:, :, None], x, 1e6).astype(x.dtype)
    np.testing.assert_array_equal(model.logits(spoilt, batch), model.logits(x, batch))


@one_way
def test_resuming_keeps_the_rows_apart(model: RecurrentClassifier) -> None:
    """Continuations of unequal length, so that the engine sorts the rows."""
    prefix = model.encode(["a good", "not bad"])
    suffix = model.encode(["film", "but the plot"])
    _, state = model.resume(model.embed(prefix), prefix)
    logits, _ = model.resume(model.embed(suffix), suffix, state)
    np.testing.assert_allclose(logits, model.forward(model.encode(["a good film", "not bad but the plot"])), atol=1e-6)


def test_attention_sums_to_one_over_real_tokens(model: RecurrentClassifier) -> None:
    batch = model.encode(TEXTS)
    weights = model.attention(batch)
    np.testing.assert_allclose(weights.sum(1), 1, atol=1e-6)
    assert not weights[~batch.mask].any()


def by_hand(folder: Path, ids: list[int]) -> tuple[list[Array], list[Array]]:
    """States (h, c) of one text, straight from the equations."""
    _, weights, _ = checkpoint.read(folder)
    w, u = weights["recurrent.weight_ih_l0"], weights["recurrent.weight_hh_l0"]
    bias = weights["recurrent.bias_ih_l0"] + weights["recurrent.bias_hh_l0"]
    h = c = np.zeros(u.shape[1])
    hs, cs = [], []
    for i in ids:
        gates = w @ weights["embedding.weight"][i].astype(float) + u @ h + bias
        a_i, a_f, a_g, a_o = np.split(gates, 4)
        c = c / (1 + np.exp(-a_f)) + np.tanh(a_g) / (1 + np.exp(-a_i))
        h = np.tanh(c) / (1 + np.exp(-a_o))
        hs.append(h)
        cs.append(c)
    return hs, cs


@one_way
def test_states_follow_the_equations(folder: Path, model: RecurrentClassifier) -> None:
    batch = model.encode(["not a good film"])
    steps = model.steps(model.embed(batch), batch, np.zeros(1, int))
    hs, cs = by_hand(folder, batch.ids[0].tolist())
    np.testing.assert_allclose(steps.states[0, :, 0], hs, atol=1e-6)
    np.testing.assert_allclose(steps.states[0, :, 1], cs, atol=1e-6)


@one_way
def test_step_factors_agree_with_autograd(folder: Path, model: RecurrentClassifier) -> None:
    """dy/dh_t, dy/dc_t and dh_t/dx_t of a network unrolled by hand in torch, in double precision."""
    network = load_network(str(folder)).double()
    batch = model.encode(["the plot , really not good"])
    target = np.zeros(1, int)
    steps = model.steps(model.embed(batch), batch, target)
    lstm, size = network.recurrent, network.recurrent.hidden_size

    def step(x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        gates = x @ lstm.weight_ih_l0.T + lstm.bias_ih_l0 + h @ lstm.weight_hh_l0.T + lstm.bias_hh_l0
        i, f, g, o = gates.split(size)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c

    xs = network.embedding(torch.from_numpy(batch.ids))[0].detach()
    h = c = torch.zeros(size, dtype=torch.double)
    hs, cs = [], []
    for x in xs:
        before = h.detach(), c.detach()
        jacobian = torch.autograd.functional.jacobian(lambda x, before=before: step(x, *before)[0], x)
        np.testing.assert_allclose(steps.jacobians[0, len(hs)], jacobian.numpy(), atol=1e-5)
        h, c = step(x, h, c)
        # Break the graph between a step and what follows, so that h and c count as independent.
        h, c = h.clone().requires_grad_(), c.clone().requires_grad_()
        hs.append(h)
        cs.append(c)
    pooled = network.pooling(torch.stack(hs)[None], torch.from_numpy(batch.lengths))
    score = torch_score(network.output(pooled), target, "logit").sum()
    for t in range(len(hs)):
        dh, dc = torch.autograd.grad(score, [hs[t], cs[t]], retain_graph=True, allow_unused=True)
        np.testing.assert_allclose(steps.adjoints[0, t, 0], dh.numpy(), atol=1e-5)
        np.testing.assert_allclose(steps.adjoints[0, t, 1], 0 if dc is None else dc.numpy(), atol=1e-5)


def test_probabilities_of_one_logit_and_of_several() -> None:
    one = np.array([[0.0], [2.0], [-800.0]], np.float32)
    np.testing.assert_allclose(probabilities(one)[:, 1], [0.5, 1 / (1 + np.exp(-2)), 0], atol=1e-7)
    np.testing.assert_allclose(probabilities(np.log(np.array([[1.0, 3.0, 4.0]])))[0], [0.125, 0.375, 0.5])


def test_negative_target_of_one_logit_is_its_negation() -> None:
    logits = np.array([[1.5], [1.5]], np.float32)
    np.testing.assert_array_equal(cotangent(logits, np.array([1, 0]), "logit"), [[1], [-1]])
    up, down = cotangent(logits, np.array([1, 0]), "prob")[:, 0]
    assert up == pytest.approx(-down) == pytest.approx(0.14914645)


@pytest.mark.parametrize("logit", [0.5, 10.0, 17.0, 20.0, 40.0])
def test_a_certain_model_keeps_its_small_gradients(logit: float) -> None:
    """d log sigmoid(z) / dz = 1 / (1 + e^z), the same for a text and for its mirror image."""
    for sign, target in ((1, 1), (-1, 0)):
        logits = np.array([[sign * logit]], np.float32)
        (found,) = cotangent(logits, np.array([target]), "loss")[0]
        assert found == pytest.approx(sign / (1 + np.exp(logit)), rel=1e-5)
    two = np.array([[0.0, logit]], np.float32)
    np.testing.assert_allclose(
        cotangent(two, np.array([1]), "loss")[0], np.array([-1, 1]) / (1 + np.exp(logit)), rtol=1e-5
    )


def test_an_unknown_score_is_an_error() -> None:
    with pytest.raises(ValueError, match="logits"):
        cotangent(np.zeros((1, 1), np.float32), np.array([1]), "logits")
