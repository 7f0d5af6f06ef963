"""The chain rule of the article's 4.2, with the size of each factor measured."""

from __future__ import annotations

import numpy as np

from rnnx.models.algebra import largest_singular_value
from rnnx.models.protocols import Batch, Diagnosed, Integers, Recurrent
from rnnx.settings import Of


def chain(model: Recurrent, batch: Batch, target: Integers, *, of: Of = "logit") -> Diagnosed:
    """Where the gradient dy/dx_t comes from: dy/dx_t = dy/dh_T . dh_T/dh_t . dh_t/dx_t, factor by factor.

    Hochreiter 1991 and Bengio et al. 1994 for the vanishing gradient that this shows. The states are those of the
    layer that reads the embeddings, the lowest of several; dh_T/dh_t then leads through the layers above too. The
    states of two directions stand side by side. Columns, one number a token:

    - ``dy/dh_T``: length of the gradient at the vector that the output layer reads (h_T, or what the pooling makes
      of all h_t), the same for all tokens. With ``of=prob`` it is nearly 0 when the output saturates.
    - ``dy/dh_t``: length of the gradient that arrives at the hidden state after token t, all paths included.
    - ``dy/dc_t``: for an LSTM, the same at the cell state, its other road through time, with h_t held fixed.
    - ``dh_t/dx_t``: the largest singular value of the step's own Jacobian: how far token t can move h_t at
      most. Near 0, the gates are saturated or closed.
    - ``dy/dx_t``: length of the whole gradient, the score of ``grad``.

    For a cell without c, dy/dx_t is at most dy/dh_t times dh_t/dx_t; c adds its own share. The diagnostic
    ``reaches_start`` is the length of the gradient at the whole state (h and c, both directions) at the first
    token, as a share of the largest along the text: near 0, the model no longer listens to the beginning.

    Returns (batch, token) arrays by column name; padding is 0.
    """
    steps = model.steps(model.embed(batch), batch, target, of)
    reached = np.linalg.norm(steps.adjoints, axis=-1)  # (B, T, parts)
    columns = {
        "dy/dh_T": np.broadcast_to(np.linalg.norm(steps.pooled, axis=-1)[:, None], batch.ids.shape),
        **{f"dy/d{part}_t": reached[:, :, i] for i, part in zip(range(reached.shape[2]), "hc", strict=False)},
        "dh_t/dx_t": largest_singular_value(steps.jacobians),
        "dy/dx_t": np.linalg.norm(steps.gradient, axis=-1),
    }
    whole = np.where(batch.mask, np.linalg.norm(reached, axis=-1), 0)
    share = whole[:, 0] / np.maximum(whole.max(axis=1), np.finfo(whole.dtype).tiny)
    return Diagnosed(
        {name: np.where(batch.mask, values, 0) for name, values in columns.items()}, {"reaches_start": share}
    )
