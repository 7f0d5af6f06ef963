"""How far back a recurrent model still listens."""

from __future__ import annotations

import numpy as np

from rnnx.errors import ConfigError
from rnnx.models.protocols import Array, Batch, Diagnosed, Integers, Recurrent

SEEN = 1e-5  # of a logit: more is no rounding
END, REVERSE = ("dh_T", ""), ("dh_1", "_reverse")  # the state where a direction's reading ends, and its diagnostics


def memory(model: Recurrent, batch: Batch, target: Integers, *, layer: int = -1, share: float = 0.1) -> Diagnosed:
    """How far each state along the text can still move the state at the end: the size of dh_T/dh_t.

    Hochreiter 1991 and Bengio et al. 1994 for the vanishing gradient; Pascanu et al. 2013 for these Jacobians. It is
    the middle factor of the chain rule of ``chain``, by itself: it depends on neither the target nor the output layer.
    The Jacobians are exact, products of those of the steps between; their size is the largest singular value, how much
    longer a small change can become on the way: 1 at the end. Columns, one number a token:

    - ``dh_T/dh_t``: from the hidden state after token t to that after the last one; an LSTM's c_t is held fixed.
    - ``dh_T/dc_t``: for an LSTM, from the cell state after token t, its other road through time, with h_t held fixed.
    - ``dh_1/dh_t``, ``dh_1/dc_t``: the same of the direction that reads from the last token to the first.

    ``layer`` is whose states these are: -1 the top one's, which the output is made of, 0 the bottom one's. A layer's
    own recurrence alone is measured: with several layers, those below may remember more. What pooling other than the
    last state, or a layer above, takes from the states on the way is not in it either; where they do, the diagnostic
    ``reads_between`` is 1, and a small number does not mean that a token is not heard.

    The diagnostic ``tokens_heard`` counts the tokens, from where the reading ends, up to the farthest one after which
    a state, h or c, reaches ``share`` of the largest number of the direction's columns; ``first_heard`` is that share
    at the token that was read first. With ``_reverse`` those of the other direction.

    Returns (batch, token) arrays by column name; padding is 0. Raises ConfigError for a share outside 0 to 1,
    UnknownName for a layer that is not there.
    """
    if not 0 < share <= 1:
        raise ConfigError(f"memory: share must be above 0 and at most 1, not {share:g}", "for example share=0.1")
    found = model.memory(batch, layer)  # (B, T, directions, parts)
    columns: dict[str, Array] = {}
    diagnostics: dict[str, Array] = {}
    for direction, (end, suffix) in enumerate((END, REVERSE)[: found.shape[2]]):
        reached = found[:, :, direction]
        columns |= {
            f"{end}/d{part}_t": reached[:, :, i] for i, part in zip(range(reached.shape[2]), "hc", strict=False)
        }
        heard, first = _heard(reached, batch, share, backwards=bool(suffix))
        diagnostics |= {f"tokens_heard{suffix}": heard, f"first_heard{suffix}": first}
    diagnostics["reads_between"] = _reads_between(model, batch, target, layer, found.shape[2])
    return Diagnosed(columns, diagnostics)


def _reads_between(model: Recurrent, batch: Batch, target: Integers, layer: int, directions: int) -> Array:
    """Whether the logit is made of more than the states where the readings of this layer end, 1 or 0, (B,).

    The output layer is linear: the same weights are its gradient for any text, also the first token alone.
    """
    first = Batch(batch.ids[:, :1], np.ones_like(batch.lengths))
    weights = model.steps(model.embed(first), first, target).pooled
    forwards, *backwards = np.split(model.states(batch, layer).h, directions, axis=2)
    ends = [forwards[np.arange(len(forwards)), batch.lengths - 1], *(way[:, 0] for way in backwards)]
    logit = model.relevance(model.embed(batch), batch, target).whole
    beside = np.abs(logit - (np.concatenate(ends, axis=1) * weights).sum(1))
    seen: Array = np.where(beside > SEEN * (1 + np.abs(logit)), 1, 0)
    return seen


def _heard(reached: Array, batch: Batch, share: float, *, backwards: bool) -> tuple[Array, Array]:
    """How many tokens from the end of the reading are heard, and the share of the one read first, both (B,)."""
    shares = reached.max(axis=2) / reached.max(axis=(1, 2))[:, None]
    at = np.arange(shares.shape[1])
    distance = at + 1 if backwards else batch.lengths[:, None] - at
    heard = np.where(shares >= share, distance, 0).max(axis=1)
    first = shares[np.arange(len(shares)), batch.lengths - 1] if backwards else shares[:, 0]
    return heard.astype(shares.dtype), first
