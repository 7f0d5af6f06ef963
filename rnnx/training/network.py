"""The trainable network in torch. ``rnnx.models.engine`` computes the same in numpy."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from rnnx.models import checkpoint
from rnnx.models.catalog import Spec, folder
from rnnx.text.vocabulary import PAD

ATTENTION_SIZE = 64


class Last(nn.Module):
    """The hidden state after each text's last token."""

    def forward(self, h: Tensor, lengths: Tensor) -> Tensor:
        """(B, T, H) to (B, H)."""
        last: Tensor = h[torch.arange(len(h), device=h.device), lengths - 1]
        return last


class Attention(nn.Module):
    """Additive attention over the real tokens."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(size, ATTENTION_SIZE)
        self.query = nn.Linear(ATTENTION_SIZE, 1, bias=False)

    def forward(self, h: Tensor, lengths: Tensor) -> Tensor:
        """(B, T, H) to (B, H)."""
        scores = self.query(torch.tanh(self.hidden(h)))[..., 0]
        padding = torch.arange(h.shape[1], device=h.device) >= lengths[:, None]
        weights = scores.masked_fill(padding, -torch.inf).softmax(1)
        pooled: Tensor = (weights[..., None] * h).sum(1)
        return pooled


class RecurrentNetwork(nn.Module):
    """Embedding, LSTM, pooling, linear output: one logit (B, 1) for two classes, else one a class.

    In training mode a dropout mask is drawn per text over the embedding's dimensions, the same for all its
    tokens (Gal & Ghahramani 2016), and one over the pooled vector.
    """

    def __init__(
        self,
        spec: Spec,
        vectors: Tensor,
        *,
        hidden: int,
        layers: int = 1,
        embedding_dropout: float = 0.0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(len(vectors), vectors.shape[1], padding_idx=PAD)
        with torch.no_grad():
            self.embedding.weight.copy_(vectors)
        self.recurrent = nn.LSTM(vectors.shape[1], hidden, layers, batch_first=True)
        self.pooling = Attention(hidden) if spec.pooling == "attention" else Last()
        self.output = nn.Linear(hidden, 1 if len(spec.labels) == 2 else len(spec.labels))
        self.embedding_dropout = embedding_dropout
        self.dropout = dropout

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Ids (B, T), right-padded, and lengths (B,) to logits."""
        return self.from_embeddings(self.embedding(ids), lengths)

    def from_embeddings(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Embeddings (B, T, E) to logits. A one-directional network never sees the padding on the right."""
        if self.training:
            x = x * functional.dropout(x.new_ones(len(x), 1, x.shape[2]), self.embedding_dropout)
        h, _ = self.recurrent(x)
        pooled = functional.dropout(self.pooling(h, lengths), self.dropout, self.training)
        logits: Tensor = self.output(pooled)
        return logits


def load_network(name: str) -> RecurrentNetwork:
    """The torch network of a shipped name or a run folder, in evaluation mode. Raises ModelError."""
    spec, weights, _ = checkpoint.read(folder(name))
    tensors = {key: torch.from_numpy(value) for key, value in weights.items()}
    hidden = weights["recurrent.weight_hh_l0"].shape[1]
    layers = checkpoint.count_layers(weights)
    network = RecurrentNetwork(spec, tensors["embedding.weight"], hidden=hidden, layers=layers)
    network.load_state_dict(tensors)
    return network.eval()
