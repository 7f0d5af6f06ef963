"""LRP and DeepLIFT through recurrent networks: what has to add up, and loops written from the rules."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from torch import Tensor

from rnnx.methods.deeplift import deeplift
from rnnx.methods.relevance import lrp
from rnnx.models import checkpoint
from rnnx.models.engine.line import slopes
from rnnx.models.protocols import Array, Base
from rnnx.models.scores import cotangent
from tests.test_networks import (
    HIDDEN,
    Shape,
    arrays,
    attention_by_hand,
    few,
    named,
    numpy_model,
    random_batch,
    seeds,
    shapes,
    some_lengths,
)

Slope = Callable[[Array, Array], Array]  # of an argument in the run and in the run over the baseline


@pytest.mark.parametrize("shape", shapes(), ids=named)
@few
@given(seed=seeds, lengths=some_lengths)
def test_what_is_shared_out_is_all_there(shape: Shape, seed: int, lengths: list[int]) -> None:
    model, batch = numpy_model(shape, arrays(shape.torch(seed))), random_batch(seed, lengths)
    rng = np.random.default_rng(seed)
    x, target = model.embed(batch), rng.integers(0, len(model.labels), len(lengths))
    found = model.relevance(x, batch, target)
    np.testing.assert_allclose((x * found.x).sum((1, 2)) + found.bias, found.whole, atol=1e-8)
    ends = model.logits(x, batch) - model.network.b_out
    np.testing.assert_allclose(found.whole, (ends * cotangent(ends, target, "logit")).sum(1), atol=1e-9)
    for base in (np.zeros_like(x), rng.normal(size=x.shape)):
        difference = model.secants(x, base, batch, target)
        np.testing.assert_allclose(((x - base) * difference.x).sum((1, 2)), difference.whole, atol=1e-8)
        assert not difference.x[~batch.mask].any()
    assert not found.x[~batch.mask].any()


@pytest.mark.parametrize("shape", shapes(layers=2, output="softmax"), ids=named)
def test_a_baseline_that_is_near_gives_the_gradient(shape: Shape) -> None:
    model, batch = numpy_model(shape, arrays(shape.torch(4))), random_batch(4, [5, 2])
    x, target = model.embed(batch), np.array([0, 2])
    gradient = model.gradient(x, batch, target)
    for step in (0.0, 1e-5):
        found = model.secants(x, x - step, batch, target)
        np.testing.assert_allclose(found.x, gradient, atol=20 * step + 1e-9)


@pytest.mark.parametrize("shape", shapes(layers=2, output="softmax", directions=2), ids=named)
@pytest.mark.parametrize("rule", ["relevance", "secants"])
def test_a_text_alone_and_among_others(shape: Shape, rule: str) -> None:
    model, lengths = numpy_model(shape, arrays(shape.torch(4))), [5, 2, 7]
    batch = random_batch(4, lengths)
    x, target = model.embed(batch), np.array([0, 2, 1])
    base = (np.ones_like(x),) if rule == "secants" else ()
    together = getattr(model, rule)(x, *base, batch, target)
    for i, n in enumerate(lengths):
        alone = type(batch)(batch.ids[i : i + 1, :n], batch.lengths[i : i + 1])
        single = getattr(model, rule)(x[i : i + 1, :n], *(b[i : i + 1, :n] for b in base), alone, target[i : i + 1])
        np.testing.assert_allclose(together.x[i, :n], single.x[0], atol=1e-9)
        np.testing.assert_allclose(together.bias[i], single.bias[0], atol=1e-9)


def test_shares_of_attention_stay_in_range() -> None:
    """Also where the baseline attends quite differently, and in single precision."""
    model = checkpoint.load("sentiment-attention")
    batch = model.encode(["the plot is thin, the acting superb", "I did not like it, it was a waste of time and money"])
    for baseline in ("zero", "unk", "mean"):
        found = deeplift(model, batch, np.array([0, 0]), baseline=baseline)  # type: ignore[arg-type]  # its own names
        assert np.abs(found.found).max() < 20
        assert np.abs(found.diagnostics["residual"]).max() < 1e-5


# --- the rules in plain loops, forwards: what a unit of difference at one place becomes ------------------------


def sigmoid(p: Array) -> Array:
    return 1 / (1 + np.exp(-p))


def secant(f: Callable[[Array], Array]) -> Slope:
    return lambda p, p0: (f(p) - f(p0)) / (p - p0)


def ratio(f: Callable[[Array], Array]) -> Slope:
    return lambda p, p0: f(p) / p


RULES: dict[str, tuple[Slope, Slope, Callable[[Array, Array], Array]]] = {
    "secants": (secant(sigmoid), secant(np.tanh), lambda a, a0: (a + a0) / 2),
    "relevance": (lambda p, p0: 0 * p, ratio(np.tanh), lambda a, a0: a),
}


def one_text(shape: Shape, weights: dict[str, Array], x: Array) -> list[dict[str, Array]]:
    """Everything in each step of a network of one layer and direction."""
    w, u, b_x, b_h = (weights[f"recurrent.{n}_l0"] for n in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
    h = c = np.zeros(HIDDEN)
    found = []
    for x_t in x:
        p, q = w @ x_t + b_x, u @ h + b_h
        step = {"p": p, "q": q, "h_before": h, "c_before": c}
        if shape.kind == "lstm":
            i, f, g, o = np.split(p + q, 4)
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(c)
        elif shape.kind == "gru":
            (p_r, p_z, p_n), (q_r, q_z, q_n) = np.split(p, 3), np.split(q, 3)
            z, n = sigmoid(p_z + q_z), np.tanh(p_n + sigmoid(p_r + q_r) * q_n)
            h = (1 - z) * n + z * h
        else:
            h = np.tanh(p + q)
        found.append({**step, "c": c, "h": h})
    return found


def carried(shape: Shape, weights: dict[str, Array], rule: str, x: Array, base: Array, at: int, unit: int) -> float:
    """What 1 at x[at, unit] becomes at the output."""
    gate, squash, mean = RULES[rule]
    w, u, out = weights["recurrent.weight_ih_l0"], weights["recurrent.weight_hh_l0"], weights["output.weight"][0]
    dh = dc = np.zeros(HIDDEN)
    for t, (s, s0) in enumerate(zip(one_text(shape, weights, x), one_text(shape, weights, base), strict=True)):
        dp, dq = w[:, unit] * (t == at), u @ dh
        if shape.kind == "lstm":
            parts = [np.split(v["p"] + v["q"], 4) for v in (s, s0)]
            (i, f, g, o), (i0, f0, g0, o0) = parts
            di, df, dg, do = (d * slope for d, slope in zip(
                np.split(dp + dq, 4), (gate(i, i0), gate(f, f0), squash(g, g0), gate(o, o0)), strict=True))  # fmt: skip
            dc = (
                mean(sigmoid(f), sigmoid(f0)) * dc
                + mean(s["c_before"], s0["c_before"]) * df
                + mean(sigmoid(i), sigmoid(i0)) * dg
                + mean(np.tanh(g), np.tanh(g0)) * di
            )
            dh = mean(sigmoid(o), sigmoid(o0)) * squash(s["c"], s0["c"]) * dc
            dh = dh + mean(np.tanh(s["c"]), np.tanh(s0["c"])) * do
        elif shape.kind == "gru":
            (r, z), (r0, z0) = (np.split((v["p"] + v["q"])[: 2 * HIDDEN], 2) for v in (s, s0))
            q, q0 = (v["q"][2 * HIDDEN :] for v in (s, s0))
            n, n0 = s["p"][2 * HIDDEN :] + sigmoid(r) * q, s0["p"][2 * HIDDEN :] + sigmoid(r0) * q0
            (dp_r, dp_z, dp_n), (dq_r, dq_z, dq_n) = np.split(dp, 3), np.split(dq, 3)
            dr, dz = (dp_r + dq_r) * gate(r, r0), (dp_z + dq_z) * gate(z, z0)
            through = mean(sigmoid(r), sigmoid(r0)) * dq_n + mean(q, q0) * dr
            dn = squash(n, n0) * (dp_n + through)
            keep = mean(sigmoid(z), sigmoid(z0))
            dh = (1 - keep) * dn + keep * dh
            dh = dh + dz * (mean(s["h_before"], s0["h_before"]) - mean(np.tanh(n), np.tanh(n0)))
        else:
            dh = squash(s["p"] + s["q"], s0["p"] + s0["q"]) * (dp + dq)
    return float(out @ dh)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("kind", ["lstm", "gru", "rnn"])
def test_the_rules_in_plain_loops(kind: str, rule: str) -> None:
    shape = Shape(kind)
    weights = arrays(shape.torch(8))
    model, batch = numpy_model(shape, weights), random_batch(8, [5])
    x, target = model.embed(batch), np.array([1])
    base = np.random.default_rng(8).normal(size=x.shape)
    found = model.secants(x, base, batch, target) if rule == "secants" else model.relevance(x, batch, target)
    expected = [[carried(shape, weights, rule, x[0], base[0], t, e) for e in range(x.shape[2])] for t in range(5)]
    np.testing.assert_allclose(found.x[0], expected, atol=1e-10)


# --- LRP otherwise: with messages, and as a gradient ----------------------------------------------------------


def messages(weights: dict[str, Array], x: Array) -> Array:
    """LRP-all by the recursion of Arras et al. 2017: relevance handed from neuron to neuron, without stabiliser."""
    w, u, out = weights["recurrent.weight_ih_l0"], weights["recurrent.weight_hh_l0"], weights["output.weight"][0]
    steps = one_text(Shape("lstm"), weights, x)
    relevance = np.zeros(len(x))
    r_h, r_c = out * steps[-1]["h"], np.zeros(HIDDEN)
    for t in reversed(range(len(x))):
        s = steps[t]
        i, f, g, _ = np.split(s["p"] + s["q"], 4)
        r_c = r_c + r_h  # tanh hands on, the output gate gets nothing
        r_g = r_c * sigmoid(i) * np.tanh(g) / s["c"]
        r_c = r_c * sigmoid(f) * s["c_before"] / s["c"]
        share = r_g / g  # a unit of pre-activation, the bias among its sources
        w_g, u_g = np.split(w, 4)[2], np.split(u, 4)[2]
        relevance[t] = (x[t] * (share @ w_g)).sum()
        r_h = s["h_before"] * (share @ u_g)
    return relevance


def test_lrp_hands_relevance_from_neuron_to_neuron() -> None:
    weights = arrays(Shape("lstm").torch(5))
    model, batch = numpy_model(Shape("lstm"), weights), random_batch(5, [6])
    found = lrp(model, batch, np.array([1]))
    np.testing.assert_allclose(found.found[0], messages(weights, model.embed(batch)[0]), atol=1e-9)
    assert abs(found.diagnostics["residual"][0]) < 1e-9


def detached(shape: Shape, weights: dict[str, Tensor], x: Tensor, lengths: list[int]) -> Tensor:
    """Logits of a network whose gates and attention are constants, and whose tanh(z) is z (tanh(z) / z)."""

    def squash(z: Tensor) -> Tensor:
        return z.clamp(min=0) if shape.kind == "rnn-relu" else z * (z.tanh() / z).detach()

    def gate(z: Tensor) -> Tensor:
        return z.sigmoid().detach()

    def read(name: str, text: Tensor) -> Tensor:
        w, u, b_x, b_h = (weights[f"recurrent.{n}_{name}"] for n in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
        h = c = torch.zeros(HIDDEN, dtype=torch.double)
        states = []
        for x_t in text.flip(0) if name.endswith("reverse") else text:
            p, q = w @ x_t + b_x, u @ h + b_h
            if shape.kind == "lstm":
                i, f, g, o = (p + q).split(HIDDEN)
                c = gate(f) * c + gate(i) * squash(g)
                h = gate(o) * squash(c)
            elif shape.kind == "gru":
                (p_r, p_z, p_n), (q_r, q_z, q_n) = p.split(HIDDEN), q.split(HIDDEN)
                z = gate(p_z + q_z)
                h = (1 - z) * squash(p_n + gate(p_r + q_r) * q_n) + z * h
            else:
                h = squash(p + q)
            states.append(h)
        found = torch.stack(states)
        return found.flip(0) if name.endswith("reverse") else found

    logits = []
    for text, n in zip(x, lengths, strict=True):
        h = text[:n]
        for layer in range(shape.layers):
            ways = ("", "_reverse")[: shape.directions]
            h = torch.cat([read(f"l{layer}{way}", h) for way in ways], 1)
        if shape.pooling == "mean":
            pooled = h.mean(0)
        elif shape.pooling == "max":
            pooled = h.max(0).values
        elif "attention" in shape.pooling:
            arrays = {name: weight.detach().numpy() for name, weight in weights.items()}
            shares = np.array(attention_by_hand(shape, arrays, h.detach().numpy()))
            pooled = (torch.from_numpy(shares.T) * h).sum(0)
        else:
            pooled = torch.cat([h[-1, :HIDDEN], h[0, HIDDEN:]])
        logits.append(weights["output.weight"] @ pooled + weights["output.bias"])
    return torch.stack(logits)


@pytest.mark.parametrize("shape", shapes(layers=2, output="sigmoid"), ids=named)
def test_lrp_is_gradient_x_input_of_a_network_with_constant_gates(shape: Shape) -> None:
    weights, lengths = arrays(shape.torch(6)), [4, 6, 1]
    model, batch = numpy_model(shape, weights), random_batch(6, lengths)
    x = torch.from_numpy(model.embed(batch)).requires_grad_()
    logits = detached(shape, {n: torch.from_numpy(w) for n, w in weights.items()}, x, lengths)
    np.testing.assert_allclose(logits.detach().numpy(), model.forward(batch), atol=1e-9)
    (gradient,) = torch.autograd.grad(logits.sum(), x)
    expected = (x * gradient).sum(-1).detach().numpy()
    np.testing.assert_allclose(lrp(model, batch, np.array([1, 1, 1])).found, expected, atol=1e-9)
    negative = lrp(model, batch, np.array([0, 0, 0]))
    np.testing.assert_allclose(negative.found, -expected, atol=1e-9)


# --- along a line -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", shapes(layers=2, output="softmax"), ids=named)
@pytest.mark.parametrize("budget", [1, 20, 1000])
def test_slopes_are_gradients_times_the_way(shape: Shape, budget: int) -> None:
    model, batch = numpy_model(shape, arrays(shape.torch(3))), random_batch(1, [5, 3, 7, 1])
    rng = np.random.default_rng(0)
    x, target, at = model.embed(batch), np.array([0, 1, 2, 0]), rng.random((4, 3))
    base = Base(rng.normal(size=(6, x.shape[2])), rng.integers(0, 6, (4, 3, x.shape[1])))

    def chosen(logits: Array, rows: Array) -> Array:
        return cotangent(logits, target[rows], "prob")

    found, logits = slopes(model.network, x, base, batch.lengths, at, chosen, budget)
    for k in range(3):
        start = base.rows[base.which[:, k]]
        point = start + at[:, k, None, None] * (x - start)
        expected = ((x - start) * model.gradient(point, batch, target, "prob")).sum(-1)
        np.testing.assert_allclose(found[:, k], expected, atol=1e-10)
        np.testing.assert_allclose(logits[:, k], model.logits(point, batch), atol=1e-10)
