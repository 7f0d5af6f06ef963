"""Captum agrees to 1e-5, where it is right: the same points and the same noise on the torch network."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from captum._utils.models.linear_model import SkLearnRidge
from captum.attr import (
    FeatureAblation,
    GradientShap,
    InputXGradient,
    IntegratedGradients,
    KernelShap,
    Lime,
    NoiseTunnel,
    Occlusion,
    Saliency,
    ShapleyValueSampling,
)
from torch import Tensor, nn

from rnnx.methods import expected, shapley
from rnnx.methods.expected import expected_grad
from rnnx.methods.gradients import grad, grad_x_input
from rnnx.methods.integrated import ig
from rnnx.methods.kernel_shap import _pairs, kernel_shap
from rnnx.methods.lime import _of_any_size, lime
from rnnx.methods.occlusion import occlusion
from rnnx.methods.smoothing import smoothgrad, smoothgrad_x_input
from rnnx.models import checkpoint
from rnnx.models.engine.classifier import RecurrentClassifier
from rnnx.models.protocols import Array, Batch
from rnnx.training.network import load_network
from tests.conftest import TEXTS
from tests.test_networks import Shape, arrays, numpy_model, random_batch
from tests.test_paths import rngs


@pytest.fixture(params=["shipped", "lstm", "gru", "rnn", "rnn-relu"])
def engines(request: pytest.FixtureRequest) -> tuple[RecurrentClassifier, nn.Module, Batch]:
    """The same model in numpy and in torch, and texts with padding."""
    if request.param == "shipped":
        model = checkpoint.load("sentiment-attention")
        return model, load_network("sentiment-attention"), model.encode(TEXTS)
    shape = Shape(request.param, 2, 2, "mean", "softmax")
    network = shape.torch(1, 1.0)
    return numpy_model(shape, arrays(network)), network, random_batch(1, [7, 3, 5])


class Captum:
    """Captum on the logit of the last class over embeddings; it repeats the lengths together with them."""

    def __init__(self, model: RecurrentClassifier, network: Any, batch: Batch) -> None:
        self.batch, self.target = batch, np.full(len(batch.ids), len(model.labels) - 1)
        self.x, self.given = torch.from_numpy(model.embed(batch)).requires_grad_(), torch.from_numpy(batch.lengths)
        self.forward = lambda x, lengths: network.from_embeddings(x, lengths)[:, -1]

    def __call__(self, method: Any, /, **options: Any) -> Array:
        made: Tensor = method.attribute(self.x, additional_forward_args=self.given, **options)
        return np.where(self.batch.mask[:, :, None], made.detach().numpy(), 0)


def test_captum_gradients(engines: Any) -> None:
    captum = Captum(*engines)
    model, _, batch = engines
    saliency = captum(Saliency(captum.forward)).sum(-1)
    np.testing.assert_allclose(grad(model, batch, captum.target, norm="l1"), saliency, atol=1e-5)
    product = captum(InputXGradient(captum.forward)).sum(-1)
    np.testing.assert_allclose(grad_x_input(model, batch, captum.target), product, atol=1e-5)


@pytest.mark.parametrize(("name", "base"), [("zero", 0), ("unk", 1)])
def test_captum_integrated_gradients(engines: Any, name: Any, base: int) -> None:
    captum = Captum(*engines)
    model, network, batch = engines
    vectors = (0 * captum.x + (base and network.embedding.weight[base])).detach()
    theirs = captum(IntegratedGradients(captum.forward), baselines=vectors, n_steps=50, method="gausslegendre")
    ours = ig(model, batch, captum.target, baseline=name, quadrature="gauss-legendre", steps=50, tolerance=0.0)
    np.testing.assert_allclose(ours.found, theirs.sum(-1), atol=1e-5)
    assert set(ours.diagnostics["points"]) == {50}


def test_captum_gradient_shap(engines: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """With our words as its only baseline, draw by draw, and our points on the line."""
    captum, samples = Captum(*engines), 6
    model, _, batch = engines
    ours = expected_grad(model, batch, captum.target, rngs(batch), samples=samples).found
    rng = rngs(batch).common
    at = (np.arange(samples) + rng.random(samples)) / samples
    words = expected._draw(model, batch.ids.shape[1], rng, samples, None)
    theirs = []
    for k in range(samples):
        for i in range(len(batch.ids)):
            one = Captum(*engines[:2], Batch(batch.ids[i : i + 1], batch.lengths[i : i + 1]))
            monkeypatch.setattr(np.random, "uniform", lambda *_, k=k: at[k : k + 1])
            base = torch.from_numpy(model.embed(Batch(words[k : k + 1], batch.lengths[i : i + 1])))
            scores_ = one(GradientShap(one.forward), baselines=base, n_samples=1, stdevs=0.0)
            theirs.append(scores_[0].sum(-1))
    np.testing.assert_allclose(ours, np.mean(np.reshape(theirs, (samples, *ours.shape)), axis=0), atol=1e-5)


@pytest.mark.parametrize("square", [False, True])
def test_captum_noise_tunnel(engines: Any, square: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    captum, samples = Captum(*engines), 4
    model, _, batch = engines
    ours = smoothgrad(model, batch, captum.target, rngs(batch), samples=samples, square=square, norm="sum").found
    x, noise = model.embed(batch), np.zeros((len(batch.ids), samples, *captum.x.shape[1:]))
    for made, row, n, rng in zip(noise, x, batch.lengths, rngs(batch), strict=True):
        made[:, :n] = 0.15 * np.ptp(row[:n]) * rng.standard_normal((samples, n, x.shape[2]))
    drawn = torch.from_numpy(noise.reshape(-1, *captum.x.shape[1:]).astype(x.dtype))
    monkeypatch.setattr(torch, "normal", lambda *_: drawn)
    kind = {"nt_type": "smoothgrad_sq" if square else "smoothgrad", "nt_samples": samples}
    theirs = captum(NoiseTunnel(Saliency(captum.forward)), abs=False, **kind)
    np.testing.assert_allclose(ours, theirs.sum(-1), atol=1e-5)
    if not square:
        ours = smoothgrad_x_input(model, batch, captum.target, rngs(batch), samples=samples).found
        np.testing.assert_allclose(ours, (x * theirs).sum(-1), atol=1e-5)


def of_ids(model: RecurrentClassifier, network: Any, of: str) -> Any:
    """The score of the last class as Captum wants it: of ids, and the length of the one text."""
    last = len(model.labels) - 1

    def scored(ids: Tensor, lengths: Tensor) -> Tensor:
        logits = network(ids, lengths.expand(len(ids)))
        if of == "logit":
            return logits[:, -1]
        return logits.sigmoid()[:, 0] if last == 1 else logits.softmax(1)[:, -1]

    return scored


@pytest.mark.parametrize("of", ["logit", "prob"])
@pytest.mark.parametrize("window", [1, 3])
def test_captum_occlusion(engines: Any, window: int, of: Any) -> None:
    """Feature ablation of ids, text by text, and windows of them."""
    model, network, batch = engines
    last = len(model.labels) - 1
    ours = occlusion(model, batch, np.full(len(batch.ids), last), (), window=window, of=of).found

    scored = of_ids(model, network, of)
    for ids, n, row in zip(batch.ids, batch.lengths.tolist(), ours, strict=True):
        given: dict[str, Any] = {"baselines": model.unknown, "additional_forward_args": torch.tensor([n])}
        text = torch.from_numpy(ids[None, :n])
        if window == 1:
            theirs = FeatureAblation(scored).attribute(text, **given)
        else:
            theirs = Occlusion(scored).attribute(text, (min(window, n),), **given)
        np.testing.assert_allclose(row[:n], theirs[0], atol=1e-5)


@pytest.mark.parametrize("of", ["logit", "prob"])
def test_captum_shapley_values(engines: Any, of: Any) -> None:
    """The same orders."""
    model, network, batch = engines
    target, pairs = np.full(len(batch.ids), len(model.labels) - 1), 3
    given: dict[str, Any] = {"exact": 1, "samples": pairs, "tolerance": 0.0, "of": of}
    ours = shapley.shapley(model, batch, target, rngs(batch), **given).found
    ranks = shapley._orders(batch, rngs(batch), pairs).reshape(len(ours), 2 * pairs, -1)
    for ids, n, row, own in zip(batch.ids, batch.lengths.tolist(), ours, ranks, strict=True):
        sampling = ShapleyValueSampling(of_ids(model, network, of))
        sampling.permutation_generator = lambda *_, own=own, n=n: own[:, :n].argsort(axis=1).tolist()
        theirs = sampling.attribute(
            torch.from_numpy(ids[None, :n]),
            baselines=model.unknown,
            additional_forward_args=torch.tensor([n]),
            n_samples=2 * pairs,
        )
        np.testing.assert_allclose(row[:n], theirs[0], atol=1e-5)


def given_masks(sampler: Any, there: Array) -> None:
    """Makes a sampler of Captum's take these subsets."""

    def perturb(*_: Any, **__: Any) -> Any:
        yield from (torch.from_numpy(row[None].astype(int)) for row in there)

    sampler.perturb_func = perturb


def surrogate_options(model: RecurrentClassifier, n: int, count: int) -> dict[str, Any]:
    return {"baselines": model.unknown, "additional_forward_args": torch.tensor([n]), "n_samples": count}


@pytest.mark.parametrize("of", ["logit", "prob"])
def test_captum_kernel_shap(engines: Any, of: Any) -> None:
    """The same subsets; Captum's very large weight of all and of nothing takes the place of the constraint."""
    model, network, batch = engines
    target = np.full(len(batch.ids), len(model.labels) - 1)
    given: dict[str, Any] = {"samples": 40, "tolerance": 0.0, "of": of}
    ours = kernel_shap(model, batch, target, rngs(batch), **given)
    drawn = np.flatnonzero(ours.diagnostics["standard_error"])
    assert len(drawn)
    for i in drawn:
        ids, n = batch.ids[i], int(batch.lengths[i])
        theirs = KernelShap(of_ids(model, network, of))
        pairs = _pairs(n, 40, rngs(batch)[i])
        given_masks(theirs, np.vstack([np.ones(n), np.zeros(n), pairs]))
        found = theirs.attribute(torch.from_numpy(ids[None, :n]), **surrogate_options(model, n, 42))
        np.testing.assert_allclose(ours.found[i, :n], found[0], atol=1e-5)


@pytest.mark.parametrize("of", ["logit", "prob"])
def test_captum_lime(engines: Any, of: Any) -> None:
    """The same subsets and weights."""
    model, network, batch = engines
    target, count = np.full(len(batch.ids), len(model.labels) - 1), 50
    ours = lime(model, batch, target, rngs(batch), samples=count, tolerance=0.0, of=of).found
    for row, ids, n, rng in zip(ours, batch.ids, batch.lengths.tolist(), rngs(batch), strict=True):
        there = np.vstack([np.ones(n), _of_any_size(n, count, rng)])

        def similarity(_: Tensor, __: Tensor, sample: Tensor, **___: Any) -> Tensor:
            distance = 1 - sample.double().mean().sqrt()
            return torch.exp(-(distance**2) / (2 * 0.25**2))

        theirs = Lime(of_ids(model, network, of), SkLearnRidge(alpha=1.0), similarity)
        given_masks(theirs, there)
        found = theirs.attribute(torch.from_numpy(ids[None, :n]), **surrogate_options(model, n, len(there)))
        np.testing.assert_allclose(row[:n], found[0], atol=1e-5)
