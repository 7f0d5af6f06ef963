"""Attention as a method: weights by hand, shares that add up, and both engines and autograd with the same numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

import rnnx
from rnnx import attending
from rnnx.errors import Unsupported
from rnnx.methods.attention import attention, attention_grad, attention_norm, units
from rnnx.models import checkpoint
from rnnx.models.protocols import Array, Batch
from rnnx.models.scores import score
from tests.test_networks import (
    ATTENTION,
    HIDDEN,
    Shape,
    all_layers,
    arrays,
    attention_by_hand,
    named,
    numpy_model,
    random_batch,
)

SHAPES = [Shape("lstm", 1, 1, "attention"), Shape("gru", 2, 1, "attention", "softmax"), *ATTENTION]
shaped = pytest.mark.parametrize("shape", SHAPES, ids=named)
LENGTHS = [5, 2, 7, 1]


def weighed_by_hand(shape: Shape, weights: dict[str, Array], x: Array, n: int) -> tuple[Array, Array]:
    """The weights of each unit, (T, H), and the states that they weigh."""
    states = all_layers(shape, weights, x[:n])[-1]["h"]
    return np.array(attention_by_hand(shape, weights, states)).T, states


@shaped
def test_scores_are_those_of_a_forward_pass_by_hand(shape: Shape) -> None:
    weights = arrays(shape.torch(0))
    model, batch = numpy_model(shape, weights), random_batch(0, LENGTHS)
    x, target = model.embed(batch), np.full(4, len(model.labels) - 1)
    found = [attention(model, batch, target), attention_grad(model, batch, target).found]
    found.append(attention_norm(model, batch, target))
    for i, n in enumerate(LENGTHS):
        shares, states = weighed_by_hand(shape, weights, x[i], n)
        expected = [
            shares.mean(1),
            (shares * states) @ weights["output.weight"][-1],
            np.linalg.norm(shares * states, axis=1),
        ]
        for scores, by_hand in zip(found, expected, strict=True):
            np.testing.assert_allclose(scores[i, :n], by_hand, atol=1e-9)
            assert not scores[i, n:].any()


@shaped
def test_weights_sum_to_one_over_real_tokens(shape: Shape) -> None:
    model, batch = numpy_model(shape, arrays(shape.torch(1))), random_batch(1, LENGTHS)
    weights = model.attended(batch).weights
    assert weights.shape == (4, 7, shape.heads)
    np.testing.assert_allclose(weights.sum(1), 1, atol=1e-12)
    np.testing.assert_allclose(model.attention(batch).sum(1), 1, atol=1e-12)
    assert (weights[batch.mask] > 0).all()
    assert not weights[~batch.mask].any()
    if shape.heads > 1:
        assert np.abs(weights[0, :, 0] - weights[0, :, 1]).max() > 1e-3  # heads look elsewhere


@shaped
def test_gains_times_weights_are_the_logits(shape: Shape) -> None:
    model, batch = numpy_model(shape, arrays(shape.torch(2))), random_batch(2, LENGTHS)
    found = model.attended(batch)
    logits = np.einsum("btk,btkc->bc", found.weights, found.gains) + found.bias
    np.testing.assert_allclose(logits, model.forward(batch), atol=1e-9)


@shaped
@pytest.mark.parametrize("of", ["logit", "prob", "loss"])
def test_the_gradient_by_the_weights_is_the_limit_of_differences(shape: Shape, of: str) -> None:
    model, batch = numpy_model(shape, arrays(shape.torch(3))), random_batch(3, [4])
    found, target = model.attended(batch), np.array([1])

    def at(weights: Array) -> float:
        logits = np.einsum("btk,btkc->bc", weights, found.gains) + found.bias
        return float(score(logits, target, of)[0])

    expected = np.zeros(4)
    for t in range(4):
        for k in range(shape.heads):
            step = np.zeros_like(found.weights)
            step[0, t, k] = 1e-6
            slope = (at(found.weights + step) - at(found.weights - step)) / 2e-6
            expected[t] += found.weights[0, t, k] * slope
    diagnosed = attention_grad(model, batch, target, of=of)  # type: ignore[arg-type]
    np.testing.assert_allclose(diagnosed.found[0], expected, atol=1e-8)
    assert ("residual" in diagnosed.diagnostics) == (of == "logit")
    if of == "logit":
        assert abs(diagnosed.diagnostics["residual"][0]) < 1e-12


@shaped
def test_the_gradient_of_states_leaves_the_weights_alone(shape: Shape) -> None:
    """Against autograd with the weights detached."""
    network = shape.torch(4)
    model, batch = numpy_model(shape, arrays(network)), random_batch(4, LENGTHS)
    x, lengths = model.embed(batch), torch.from_numpy(batch.lengths)
    leaf = torch.from_numpy(x.copy()).requires_grad_()
    h = network._states(leaf, lengths)
    weights = network.pooling._weights(h, lengths).detach()  # type: ignore[operator]  # a method
    pooled = (weights.repeat(1, 1, h.shape[2] // shape.heads) * h).sum(1)
    (expected,) = torch.autograd.grad(network.output(pooled)[:, -1].sum(), leaf)
    found = model.gradient_of_states(x, batch, np.full(4, len(model.labels) - 1))
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-9)
    assert np.abs(found - model.gradient(x, batch, np.full(4, len(model.labels) - 1))).max() > 1e-5


@shaped
def test_units_add_up_to_the_logit(shape: Shape) -> None:
    weights = arrays(shape.torch(5))
    model, batch = numpy_model(shape, weights), random_batch(5, LENGTHS)
    values, shares, tokens = units(model, batch, np.zeros(4, int))
    sign = -1 if shape.output == "sigmoid" else 1
    logits = sign * (model.forward(batch) - model.network.b_out)[:, 0]
    np.testing.assert_allclose(shares.sum(1), logits, atol=1e-9)
    for i, n in enumerate(LENGTHS):
        by_unit, states = weighed_by_hand(shape, weights, model.embed(batch)[i], n)
        np.testing.assert_allclose(values[i], (by_unit * states).sum(0), atol=1e-9)
        np.testing.assert_array_equal(tokens[i], np.abs(by_unit * states).argmax(0))
    assert values.shape == (4, HIDDEN * shape.directions)


@shaped
def test_a_text_is_read_on_from_the_middle(shape: Shape) -> None:
    if shape.directions == 2:
        pytest.skip("reads from the end")
    model, batch = numpy_model(shape, arrays(shape.torch(6))), random_batch(6, [7, 7])
    x = model.embed(batch)
    _, state = model.resume(x[:, :3], Batch(batch.ids[:, :3], np.array([3, 3])))
    logits, _ = model.resume(x[:, 3:], Batch(batch.ids[:, 3:], np.array([4, 4])), state)
    np.testing.assert_allclose(logits, model.forward(batch), atol=1e-9)


def test_heads_that_cannot_share_the_units_are_refused() -> None:
    shape = Shape("rnn", pooling="dot-attention", heads=3)
    weights = arrays(shape.torch(0))
    weights["pooling.query.weight"] = weights["pooling.query.weight"][:2]
    with pytest.raises(ValueError, match="2 heads for 3 units"):
        numpy_model(shape, weights)


def test_the_shares_of_the_shipped_model_add_up() -> None:
    model = checkpoint.load("sentiment-attention")
    for e in rnnx.explain(model, ["not bad at all", "a dull, dull film"], "attention-grad"):
        assert sum(e.evidence.scores) == pytest.approx(  # type: ignore[union-attr]
            (1 if e.target == "positive" else -1) * (e.prediction.logits[0] - float(model.network.b_out[0])), abs=1e-4
        )


@pytest.mark.parametrize("method", ["attention", "attention-grad", "attention-norm"])
def test_a_model_without_attention_says_why_and_what_would_do(method: str) -> None:
    with pytest.raises(Unsupported) as caught:
        rnnx.explain(checkpoint.load("sentiment-lstm"), ["x"], method)
    assert "sentiment-lstm does not have" in caught.value.message
    assert "models with attention: sentiment-attention" in caught.value.hint
    assert "lrp" in caught.value.hint


@pytest.mark.parametrize("look", [attending.checked, attending.by_unit])
def test_looking_again_says_the_same(look: object) -> None:
    with pytest.raises(Unsupported, match=r"of attention needs .*sentiment-lstm does not have") as caught:
        look(checkpoint.load("sentiment-lstm"), [])  # type: ignore[operator]
    assert "models with attention: sentiment-attention" in caught.value.hint


def test_units_in_the_library() -> None:
    model = checkpoint.load("sentiment-attention")
    texts = ["not bad at all", "dull", "a charming cast and a dull plot"] * 3
    explained = list(rnnx.explain(model, texts, "attention-grad"))
    found = list(attending.by_unit(model, explained))
    assert [e.text for e in found] == texts
    for e, before in zip(found, explained, strict=True):
        assert sum(e.evidence.shares) == pytest.approx(sum(before.evidence.scores), abs=1e-4)  # type: ignore[union-attr]
        assert replace(e, evidence=before.evidence) == before
