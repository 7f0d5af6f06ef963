"""Does attention explain what the model says? The published tests, with their figures."""

from __future__ import annotations

import numpy as np

from rnnx.methods.removal import removing
from rnnx.metrics import reweighing
from rnnx.metrics.adversary import adversary
from rnnx.metrics.correlation import by_text, kendall
from rnnx.models.attended import Attending
from rnnx.models.protocols import Array, Batch, Classifier
from rnnx.models.scores import probabilities
from rnnx.models.seeds import Rngs
from rnnx.models.variants import logits


def check(model: Attending, batch: Batch, rngs: Rngs) -> dict[str, Array]:
    """Figures of each text, (B,).

    Jain & Wallace 2019: ``tau_leave_one_out`` and ``tau_gradient``, Kendall's tau-b between the weights and what
    leaving out each token changes, or the size of gradient times embedding with the weights held fixed (nan where one
    of them is the same for all tokens); ``change_permuted`` and ``change_uniform``, the change of the prediction with
    permuted weights (the median) and with equal ones; ``adversary_divergence`` and ``adversary_change`` of other
    weights with which it hardly changes. Serrano & Smith 2019: ``erased_attention``, ``erased_gradient``,
    ``erased_product`` and ``erased_random``, the share of the tokens to erase, in four orders, before the decision
    changes. Of several heads the mean counts.
    """
    found = model.attended(batch)
    weights, other = found.weights.mean(2), adversary(found, batch, rngs)
    erased = reweighing.erased(found, batch, rngs)
    return {
        "tau_leave_one_out": by_text(kendall, weights, leave_one_out(model, batch), batch),
        "tau_gradient": by_text(kendall, weights, gradient(model, batch), batch),
        "change_permuted": reweighing.permuted(found, batch, rngs),
        "change_uniform": reweighing.uniform(found, batch),
        "adversary_divergence": other.divergence,
        "adversary_change": other.change,
        **{f"erased_{name}": share for name, share in erased.items()},
    }


def leave_one_out(model: Classifier, batch: Batch) -> Array:
    """By how much the prediction changes without each token (total variation), (B, T)."""
    text, place = np.nonzero(batch.mask)
    without = removing(model, "delete").variants(batch, text, np.arange(len(text)), place)
    before, after = probabilities(model.forward(batch)), probabilities(logits(model, without))
    changes = np.zeros(batch.ids.shape)
    changes[text, place] = np.abs(after - before[text]).sum(1) / 2
    return changes


def gradient(model: Attending, batch: Batch) -> Array:
    """The size of gradient times embedding, by way of the states alone, (B, T)."""
    x, decision = model.embed(batch), probabilities(model.forward(batch)).argmax(1)
    sizes: Array = np.abs((x * model.gradient_of_states(x, batch, decision)).sum(-1))
    return sizes
