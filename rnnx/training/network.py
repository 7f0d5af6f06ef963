"""The trainable network in torch. ``rnnx.models.engine`` computes the same in numpy."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import rnn

from rnnx.errors import ConfigError, ModelError
from rnnx.models import checkpoint
from rnnx.models.catalog import AGAIN, Spec, folder
from rnnx.text.vocabulary import PAD, Vocabulary

Output = Literal["auto", "sigmoid", "softmax"]
ATTENTION_SIZE = 64


class Last(nn.Module):
    """The state where the reading ends: after the last token, and for a reverse direction after the first."""

    def __init__(self, forwards: int) -> None:
        super().__init__()
        self.forwards = forwards

    def forward(self, h: Tensor, lengths: Tensor) -> Tensor:
        """(B, T, H) to (B, H)."""
        last = h[torch.arange(len(h), device=h.device), lengths - 1, : self.forwards]
        return torch.cat([last, h[:, 0, self.forwards :]], 1)


class Mean(nn.Module):
    """The mean state of the real tokens."""

    def forward(self, h: Tensor, lengths: Tensor) -> Tensor:
        """(B, T, H) to (B, H)."""
        summed: Tensor = h.masked_fill(_padding(h, lengths)[..., None], 0).sum(1)
        return summed / lengths[:, None]


class Max(nn.Module):
    """Each unit's largest value over the real tokens; of equal ones the first has the gradient."""

    def forward(self, h: Tensor, lengths: Tensor) -> Tensor:
        """(B, T, H) to (B, H)."""
        largest: Tensor = h.masked_fill(_padding(h, lengths)[..., None], -torch.inf).max(1).values
        return largest


class Attention(nn.Module):
    """Attention over the real tokens by learned queries, one a head: additive, or else the scaled dot product.

    Unit j belongs to head j mod heads, which weighs the tokens for it.
    """

    def __init__(self, size: int, heads: int, additive: bool = True) -> None:
        super().__init__()
        self.heads = heads
        self.hidden = nn.Linear(size, ATTENTION_SIZE) if additive else None
        self.query = nn.Linear(ATTENTION_SIZE if additive else size, heads, bias=False)
        if not additive:
            nn.init.normal_(self.query.weight)  # the scale of the scores is meant for numbers of this size

    def forward(self, h: Tensor, lengths: Tensor) -> Tensor:
        """(B, T, H) to (B, H)."""
        weights = self._weights(h, lengths)
        if self.heads > 1:
            weights = weights.repeat(1, 1, h.shape[2] // self.heads)
        pooled: Tensor = (weights * h).sum(1)
        return pooled

    def weights(self, h: Tensor, lengths: Tensor) -> Tensor:
        """(B, T), the mean over the heads: they sum to 1 over the real tokens and are 0 on padding."""
        return self._weights(h, lengths).mean(2)

    def _weights(self, h: Tensor, lengths: Tensor) -> Tensor:
        """(B, T, heads)."""
        keys = h / h.shape[2] ** 0.5 if self.hidden is None else torch.tanh(self.hidden(h))
        weights: Tensor = self.query(keys).masked_fill(_padding(h, lengths)[..., None], -torch.inf).softmax(1)
        return weights


def _padding(h: Tensor, lengths: Tensor) -> Tensor:
    """True behind the end of a text, (B, T)."""
    return torch.arange(h.shape[1], device=h.device) >= lengths[:, None]


# From the size of the embeddings and of the state, with torch's other options.
RECURRENT: dict[str, Callable[..., nn.RNNBase]] = {
    "lstm": nn.LSTM,
    "gru": nn.GRU,
    "rnn": nn.RNN,
    "rnn-relu": partial(nn.RNN, nonlinearity="relu"),
}

# From the number of units, how many of them read forwards, and the number of heads.
POOLINGS: dict[str, Callable[[int, int, int], nn.Module]] = {
    "last": lambda width, forwards, heads: Last(forwards),
    "mean": lambda width, forwards, heads: Mean(),
    "max": lambda width, forwards, heads: Max(),
    "attention": lambda width, forwards, heads: Attention(width, heads),
    "dot-attention": lambda width, forwards, heads: Attention(width, heads, additive=False),
}


class RecurrentNetwork(nn.Module):
    """Embedding, recurrent layers, pooling, linear output: logits (B, 1) with a sigmoid, else one a class.

    ``hidden`` is the size of a direction, ``heads`` are those of attention and divide it. ``output`` is sigmoid or
    softmax; auto is sigmoid for two classes. In training mode a dropout mask is drawn per text over the embedding's
    dimensions, the same for all its tokens (Gal & Ghahramani 2016); ``dropout`` is that between the layers and of the
    pooled vector. Raises ConfigError for a sigmoid over more than two classes.
    """

    def __init__(
        self,
        spec: Spec,
        vectors: Tensor,
        *,
        hidden: int,
        layers: int = 1,
        bidirectional: bool = False,
        heads: int = 1,
        output: Output = "auto",
        embedding_dropout: float = 0.0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        width = hidden * (2 if bidirectional else 1)
        self.embedding = nn.Embedding(len(vectors), vectors.shape[1], padding_idx=PAD)
        with torch.no_grad():
            self.embedding.weight.copy_(vectors)
        self.recurrent = RECURRENT[spec.kind](
            vectors.shape[1],
            hidden,
            layers,
            batch_first=True,
            bidirectional=bidirectional,
            dropout=dropout if layers > 1 else 0.0,
        )
        self.pooling = POOLINGS[spec.pooling](width, hidden, heads)
        self.output = nn.Linear(width, _logits(output, len(spec.labels)))
        self.embedding_dropout = embedding_dropout
        self.dropout = dropout

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Ids (B, T), right-padded, and lengths (B,) to logits."""
        return self.from_embeddings(self.embedding(ids), lengths)

    def from_embeddings(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Embeddings (B, T, E) to logits. What stands in the padding is never read."""
        if self.training:
            x = x * functional.dropout(x.new_ones(len(x), 1, x.shape[2]), self.embedding_dropout)
        pooled = functional.dropout(self.pooling(self._states(x, lengths), lengths), self.dropout, self.training)
        logits: Tensor = self.output(pooled)
        return logits

    def attention(self, x: Tensor, lengths: Tensor) -> Tensor:
        """The weights (B, T) of the tokens' states in the pooled vector, where the pooling is attention."""
        weights: Tensor = self.pooling.weights(self._states(x, lengths), lengths)  # type: ignore[operator]  # a method
        return weights

    def _states(self, x: Tensor, lengths: Tensor) -> Tensor:
        """(B, T, H). One direction meets the padding only after the text, and needs no packing."""
        if not self.recurrent.bidirectional:
            h: Tensor = self.recurrent(x)[0]
            return h
        packed = rnn.pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
        h, _ = rnn.pad_packed_sequence(self.recurrent(packed)[0], batch_first=True, total_length=x.shape[1])
        return h


def _logits(output: Output, classes: int) -> int:
    """How many the output layer gives."""
    if output == "sigmoid" and classes > 2:
        raise ConfigError(f"model.output sigmoid is for two classes, and there are {classes}", "take softmax, or auto")
    return 1 if output == "sigmoid" or (output == "auto" and classes == 2) else classes


def load_network(name: str) -> RecurrentNetwork:
    """The torch network of a shipped name or a run folder, in evaluation mode. Raises ModelError."""
    return read_network(folder(name))[0]


def read_network(path: Path) -> tuple[RecurrentNetwork, Spec, Vocabulary]:
    """The torch network of a folder, and what else it holds. Raises ModelError."""
    spec, weights, vocabulary = checkpoint.read(path)
    engine = checkpoint.assembled(path, spec, weights)  # says what the weights' shapes mean
    tensors = {key: torch.from_numpy(value) for key, value in weights.items()}
    network = RecurrentNetwork(
        spec,
        tensors["embedding.weight"],
        hidden=engine.levels[0][0].size,
        layers=len(engine.levels),
        bidirectional=len(engine.levels[0]) == 2,
        heads=len(weights.get("pooling.query.weight", [0])),
        output="sigmoid" if engine.w_out.shape[1] == 1 else "softmax",
    )
    try:
        network.load_state_dict(tensors)
    except RuntimeError:
        raise ModelError(f"the network in {path} is not one that rnnx trains", AGAIN) from None
    return network.eval(), spec, vocabulary
