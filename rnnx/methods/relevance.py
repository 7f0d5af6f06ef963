"""Layer-wise relevance propagation through recurrent networks."""

from __future__ import annotations

from rnnx.methods.completeness import missing
from rnnx.models.protocols import Batch, Diagnosed, Integers, Recurrent
from rnnx.settings import Logit


def lrp(model: Recurrent, batch: Batch, target: Integers, *, of: Logit = "logit") -> Diagnosed:
    """What each token gives to the target's logit, passed back layer by layer; gates only let it through.

    Bach et al. 2015; the rule for gates is LRP-all of Arras et al. 2017 and 2019: of a product of a gate and a signal
    the signal gets all. It equals gradient x input of the network in which gates are constants and tanh(z) is z times
    the constant tanh(z) / z. Weights of attention count as gates; of a maximum the token that has it gets all.
    Positive speaks for the target, negative against it. The scores and what the biases get, which the diagnostic
    ``bias`` says, add up to the target's logit without the output layer's bias; ``residual`` is what is missing,
    which is rounding.

    Returns (batch, token) scores; padding is 0.
    """
    x = model.embed(batch)
    found = model.relevance(x, batch, target)
    scores = (x * found.x).sum(-1)
    return Diagnosed(scores, {"bias": found.bias, "residual": missing(found.whole, scores, found.bias)})
