"""The text encoder: the lower layers of a multilingual transformer, pooled tokens, and evidence per harm and piece.

The layers are BERT's, so that those of multilingual-e5-small fit in (`sluice_models.training.start`).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  (torch's own custom)

from sluice.contract import CUES, HARMS
from sluice_models.config import D_TOKEN, N_TOKENS, TextNetwork
from sluice_models.networks.heads import MASKED, RARE_LOGIT, shared_head

N_HARMS, N_CUES = len(HARMS), len(CUES)


class Attention(nn.Module):
    """Multi-head self-attention with an additive mask."""

    def __init__(self, d_hidden: int, n_heads: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.d_head = d_hidden // n_heads
        self.query = nn.Linear(d_hidden, d_hidden)
        self.key = nn.Linear(d_hidden, d_hidden)
        self.value = nn.Linear(d_hidden, d_hidden)
        self.out = nn.Linear(d_hidden, d_hidden)

    def forward(self, hidden: Tensor, bias: Tensor) -> Tensor:
        """(B, L, D) and a bias that broadcasts to (B, heads, L, L) to (B, L, D)."""
        query = self._heads(self.query(hidden)) / math.sqrt(self.d_head)
        scores = query @ self._heads(self.key(hidden)).transpose(-1, -2) + bias
        context = torch.softmax(scores, dim=-1) @ self._heads(self.value(hidden))
        return self.out(context.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]

    def _heads(self, hidden: Tensor) -> Tensor:
        return hidden.view(*hidden.shape[:2], self.n_heads, self.d_head).transpose(1, 2)


class TransformerLayer(nn.Module):
    """Attention and a feed-forward part, each with its residual and then its norm (as in BERT)."""

    def __init__(self, d_hidden: int, d_inner: int, n_heads: int, dropout: float) -> None:
        super().__init__()
        self.attention = Attention(d_hidden, n_heads)
        self.attention_norm = nn.LayerNorm(d_hidden, eps=1e-12)
        self.widen = nn.Linear(d_hidden, d_inner)
        self.narrow = nn.Linear(d_inner, d_hidden)
        self.norm = nn.LayerNorm(d_hidden, eps=1e-12)
        self.dropout = nn.Dropout(dropout)

    def forward(self, hidden: Tensor, bias: Tensor) -> Tensor:
        """(B, L, D) and (B, 1, 1, L) to (B, L, D)."""
        hidden = self.attention_norm(hidden + self.dropout(self.attention(hidden, bias)))
        inner = self.narrow(F.gelu(self.widen(hidden)))
        return self.norm(hidden + self.dropout(inner))  # type: ignore[no-any-return]


class Pooling(nn.Module):
    """`N_TOKENS` learned queries over the positions of a row; tokens of zero mean and unit variance."""

    def __init__(self, d_hidden: int) -> None:
        super().__init__()
        self.queries = nn.Parameter(torch.randn(N_TOKENS, d_hidden) * 0.2)
        self.to_tokens = nn.Linear(d_hidden, D_TOKEN)

    def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """(B, L, D) and (B, L) to (B, N_TOKENS, 256)."""
        scores = hidden @ self.queries.t() / math.sqrt(hidden.shape[-1])
        weights = torch.softmax(scores + (1.0 - mask).unsqueeze(-1) * MASKED, dim=1)
        return standardise(self.to_tokens(weights.transpose(1, 2) @ hidden))


def standardise(tokens: Tensor) -> Tensor:
    """Zero mean and unit variance over the last axis, shape = (..., 256)."""
    return F.layer_norm(tokens, (D_TOKEN,))


class Backbone(nn.Module):
    """Word pieces to hidden states."""

    def __init__(self, network: TextNetwork, n_vocabulary: int) -> None:
        super().__init__()
        self.words = nn.Embedding(n_vocabulary, network.d_hidden)
        self.positions = nn.Embedding(network.n_positions, network.d_hidden)
        self.embedding_norm = nn.LayerNorm(network.d_hidden, eps=1e-12)
        self.layers = nn.ModuleList(
            TransformerLayer(network.d_hidden, network.d_inner, network.n_heads, network.dropout)
            for _ in range(network.n_layers)
        )

    def forward(self, input_ids: Tensor, mask: Tensor) -> Tensor:
        """(B, L) ids and a mask of floats to (B, L, D)."""
        hidden = self.embedding_norm(self.words(input_ids) + self.positions.weight[: input_ids.shape[1]])
        bias = ((1.0 - mask) * MASKED).unsqueeze(1).unsqueeze(1)
        for layer in self.layers:
            hidden = layer(hidden, bias)
        return hidden  # type: ignore[no-any-return]


class TextEncoder(nn.Module):
    """Backbone, pooled tokens with a head of fixed directions, and the evidence of every harm at every piece.

    Cues are carried by pictures and sound alone: no piece is ever evidence of one.
    """

    def __init__(self, network: TextNetwork, n_vocabulary: int) -> None:
        super().__init__()
        self.backbone = Backbone(network, n_vocabulary)
        self.pooling = Pooling(network.d_hidden)
        self.marks = nn.Linear(network.d_hidden, N_HARMS)
        nn.init.normal_(self.marks.weight, std=0.02)
        nn.init.constant_(self.marks.bias, RARE_LOGIT)
        self.head = shared_head()

    def read(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Tokens (B, N_TOKENS, 256), logits (B, labels), and the evidence as logits (B, L, harms)."""
        mask = attention_mask.to(self.marks.weight.dtype)
        hidden = self.backbone(input_ids, mask)
        tokens = self.pooling(hidden, mask)
        return tokens, self.head(tokens), self.marks(hidden)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Score texts.

        Parameters
        ----------
        input_ids, attention_mask : Tensor of int64, shape = (B, L)

        Returns
        -------
        tokens : Tensor, shape = (B, N_TOKENS, 256)
        logits : Tensor, shape = (B, labels)
        token_scores : Tensor, shape = (B, labels, L)
            In [0, 1]; 0 at padding, and for cues everywhere.
        """
        tokens, logits, marks = self.read(input_ids, attention_mask)
        return tokens, logits, score_pieces(marks, attention_mask)


def score_pieces(marks: Tensor, attention_mask: Tensor) -> Tensor:
    """Evidence as logits (B, L, harms) and the mask (B, L) to token scores (B, labels, L)."""
    scores = torch.sigmoid(marks).transpose(1, 2) * attention_mask.to(marks.dtype).unsqueeze(1)
    return torch.cat([scores, torch.zeros_like(scores[:, :N_CUES])], dim=1)
