"""A text classifier around a torch module: its logits, and their gradients by autograd, as numpy arrays.

It sees the module from outside: enough for methods that need gradients or attention. ``torch_engine`` sees the networks
that rnnx trained from inside. Importing this imports torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import chain

import numpy as np
import torch
from torch import Tensor, nn
from torch.backends import cudnn

from rnnx.models.batching import BUDGET
from rnnx.models.encoding import Encoder, Words
from rnnx.models.progress import tell
from rnnx.models.protocols import Array, Base, Batch, Integers
from rnnx.models.scores import cotangent
from rnnx.text.vocabulary import UNKNOWN
from rnnx.types import Token


@dataclass(frozen=True)
class TorchClassifier(Encoder):
    """Meets ``Differentiable``, and ``Attentive`` where ``provides`` says so.

    ``network`` is any module that has ``embedding``, ids (B, T) to (B, T, E), and ``from_embeddings(x, lengths)`` to
    logits: (B, 1) for two classes with a sigmoid, else one a class. What it makes of a text must not depend on the
    others beside it, nor on the padding. For attention it also has ``attention(x, lengths)``, weights (B, T). It
    computes where its weights are and in their precision, as in evaluation mode: dropout and batch statistics rest.
    It comes back from each call as it was, also after an exception.
    """

    name: str
    labels: tuple[str, ...]
    tokenize: Callable[[str], tuple[Token, ...]]
    vocabulary: Words
    network: nn.Module
    fields: tuple[str, ...] = ()
    provides: frozenset[str] = frozenset({"gradients"})
    unknown: int = UNKNOWN

    def embed(self, batch: Batch) -> Array:
        """(B, T, E)."""
        with at_rest(self.network), torch.no_grad():
            return array(self._run("embedding", self._integers(batch.ids)))

    def forward(self, batch: Batch) -> Array:
        """Logits (B, C)."""
        parts = [Batch(batch.ids[rows], batch.lengths[rows]) for rows in _parts(*batch.ids.shape)]
        return np.concatenate([self.logits(self.embed(part), part) for part in parts])

    def logits(self, x: Array, batch: Batch) -> Array:
        """Logits (B, C) from embeddings (B, T, E)."""
        with at_rest(self.network), torch.no_grad(), _cudnn(True):
            return array(self._run("from_embeddings", self._floats(x), self._integers(batch.lengths)))

    def gradient(self, x: Array, batch: Batch, target: Integers, of: str = "logit") -> Array:
        """D score of the target / d x, (B, T, E).

        Without cuDNN, whose recurrent layers cannot run backwards in evaluation mode.
        """
        return self._differentiated(x, batch, target, of)[0]

    def slopes(
        self, x: Array, base: Base, batch: Batch, target: Integers, at: Array, of: str = "logit"
    ) -> tuple[Array, Array]:
        """Along straight lines from ``base`` to x, at the shares ``at`` (B, n) of them, 0 the base, 1 x.

        Each token's slope (x_t - base_t) . d score / d x_t, (B, n, T), 0 on padding, and the logits (B, n, C).
        """
        points, tokens = at.shape[1], x.shape[1]
        index = np.broadcast_to(base.which, (*at.shape, tokens)).reshape(at.size, tokens)
        found = []
        for rows in _parts(at.size, tokens):
            i = rows // points
            start = base.rows[index[rows]]
            step = x[i] - start
            part = Batch(batch.ids[i], batch.lengths[i])
            here = start + at.ravel()[rows, None, None].astype(x.dtype) * step
            gradient, logits = self._differentiated(here, part, target[i], of)
            found.append((np.einsum("rte,rte->rt", step, gradient), logits))
            tell(len(rows))
        slopes, all_logits = (np.concatenate(parts).reshape(*at.shape, -1) for parts in zip(*found, strict=True))
        return slopes, all_logits

    def attention(self, batch: Batch) -> Array:
        """Weights (B, T) of each token's state in the pooled vector."""
        x = self._floats(self.embed(batch))
        with at_rest(self.network), torch.no_grad(), _cudnn(True):
            return array(self._run("attention", x, self._integers(batch.lengths)))

    def _differentiated(self, x: Array, batch: Batch, target: Integers, of: str) -> tuple[Array, Array]:
        """D score / d x, and the logits."""
        with at_rest(self.network), differentiable(), _cudnn(False):
            leaf = self._floats(x).requires_grad_()
            logits = self._run("from_embeddings", leaf, self._integers(batch.lengths))
            d = self._floats(cotangent(array(logits), target, of))
            (found,) = torch.autograd.grad(logits, leaf, d)
            return array(found) * batch.mask[:, :, None], array(logits)

    def _run(self, part: str, *arguments: Tensor) -> Tensor:
        found: Tensor = getattr(self.network, part)(*arguments)
        return found

    def _integers(self, values: Integers) -> Tensor:
        return torch.as_tensor(values, dtype=torch.long, device=self._weight.device)

    def _floats(self, values: Array, dtype: torch.dtype | None = None) -> Tensor:
        """A copy: a leaf of its own, which may not share memory with the caller's array."""
        return torch.tensor(values, dtype=dtype or self._weight.dtype, device=self._weight.device)

    @property
    def _weight(self) -> Tensor:
        """One that says where the network computes, and how precisely; without any, as torch does by default."""
        tensors = (tensor for tensor in chain(self.network.parameters(), self.network.buffers()))
        return next((tensor for tensor in tensors if tensor.is_floating_point()), torch.empty(0))


@contextmanager
def differentiable() -> Iterator[None]:
    """Gradients are kept for a while, whatever the caller has switched off."""
    with torch.inference_mode(False), torch.enable_grad():
        yield


def _parts(rows: int, tokens: int) -> list[Integers]:
    """The rows in groups that fit, of so many tokens each."""
    every = np.arange(rows)
    return np.split(every, every[:: max(1, BUDGET // tokens)][1:])


@contextmanager
def at_rest(network: nn.Module) -> Iterator[None]:
    """A module in evaluation mode whose weights take no gradients, and as it was afterwards, also the random state.

    Weights that take none save their share of the backward pass, and keep ``grad`` as it is.
    """
    modes = [(module, module.training) for module in network.modules()]
    taking = [(weight, weight.requires_grad) for weight in network.parameters()]
    devices = sorted({weight.get_device() for weight, _ in taking if weight.is_cuda})
    with torch.random.fork_rng(devices):
        try:
            for module, _ in modes:
                module.training = False
            for weight, _ in taking:
                weight.requires_grad = False
            yield
        finally:
            for module, mode in modes:
                module.training = mode
            for weight, took in taking:
                weight.requires_grad = took


def _cudnn(enabled: bool) -> AbstractContextManager[None]:
    """CuDNN on or off for a while; never its recurrent layers' TF32, which has only three decimal digits."""
    return cudnn.flags(enabled=enabled and cudnn.enabled, deterministic=cudnn.deterministic, allow_tf32=False)


def array(values: Tensor) -> Array:
    """As a numpy array, in single precision where numpy lacks the precision, or computes little with it."""
    found: Array = (values if values.dtype in (torch.float32, torch.float64) else values.float()).detach().cpu().numpy()
    return found
