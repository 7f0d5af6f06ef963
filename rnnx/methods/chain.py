"""The chain rule of the article's 4.2, with the size of each factor measured."""

from __future__ import annotations

import numpy as np

from rnnx.models.protocols import Array, Batch, Integers, Recurrent
from rnnx.settings import Of


def chain(model: Recurrent, batch: Batch, target: Integers, *, of: Of = "logit") -> dict[str, Array]:
    """Where the gradient dy/dx_t comes from: dy/dx_t = dy/dh_T . dh_T/dh_t . dh_t/dx_t, factor by factor.

    Hochreiter 1991 and Bengio et al. 1994 for the vanishing gradient that this shows. Columns, one number a
    token:

    - ``dy/dh_T``: length of the gradient at the vector that the output layer reads (h_T, or with attention
      the weighted sum), the same for all tokens. With ``of=prob`` it is nearly 0 when the sigmoid saturates.
    - ``dy/dh_t``: length of the gradient that arrives at the hidden state after token t, all paths included.
      Where it fades towards the beginning, the model no longer listens.
    - ``dy/dc_t``: for an LSTM, the same at the cell state, its other road through time.
    - ``dh_t/dx_t``: the largest singular value of the step's own Jacobian: how far token t can move h_t at
      most. Near 0, the gates are saturated or closed.
    - ``dy/dx_t``: length of the whole gradient, the score of ``grad``.

    For a cell without c, dy/dx_t is at most dy/dh_t times dh_t/dx_t; c adds its own share.

    Returns (batch, token) arrays by column name; padding is 0.
    """
    x = model.embed(batch)
    steps = model.steps(x, batch, target, of)
    reached = np.linalg.norm(steps.adjoints, axis=-1)  # (B, T, parts)
    columns = {
        "dy/dh_T": np.broadcast_to(np.linalg.norm(steps.pooled, axis=-1)[:, None], batch.ids.shape),
        **{f"dy/d{part}_t": reached[:, :, i] for i, part in zip(range(reached.shape[2]), "hc", strict=False)},
        "dh_t/dx_t": np.linalg.norm(steps.jacobians, ord=2, axis=(-2, -1)),
        "dy/dx_t": np.linalg.norm(model.gradient(x, batch, target, of), axis=-1),
    }
    return {name: np.where(batch.mask, values, 0) for name, values in columns.items()}
