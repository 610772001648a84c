"""The text encoder and its two towers: MiniLM over word pieces, and a causal transformer of our own over byte pieces.

Each tower gives `N_TOKENS` tokens of unit variance, so that their sum weighs them as `BYTE_SHARE` says.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  (torch's own custom)

from sluice_models.config import D_TOKEN, N_TOKENS, ByteNetwork, TextNetwork, WordNetwork
from sluice_models.networks.heads import MASKED, shared_head

DROPOUT = 0.1
BYTE_SHARE = 0.5
"""Weight of the byte tower's tokens beside the word tower's, which knew language before."""


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

    def __init__(self, d_hidden: int, d_inner: int, n_heads: int, dropout: float = DROPOUT) -> None:
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


class CausalLayer(nn.Module):
    """A layer of GPT-2: each part behind its norm, inside its residual (Radford et al. 2019)."""

    def __init__(self, network: ByteNetwork) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(network.d_hidden)
        self.attention = Attention(network.d_hidden, network.n_heads)
        self.norm = nn.LayerNorm(network.d_hidden)
        self.widen = nn.Linear(network.d_hidden, network.d_inner)
        self.narrow = nn.Linear(network.d_inner, network.d_hidden)
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, hidden: Tensor, bias: Tensor) -> Tensor:
        """(B, L, D) and (L, L) to (B, L, D)."""
        hidden = hidden + self.dropout(self.attention(self.attention_norm(hidden), bias))
        return hidden + self.dropout(self.narrow(F.relu(self.widen(self.norm(hidden)))))  # type: ignore[no-any-return]


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


def join_tokens(by_words: Tensor, by_bytes: Tensor) -> Tensor:
    """Both towers' tokens of the same texts, each (B, N_TOKENS, 256), to the encoder's."""
    return standardise(by_words + BYTE_SHARE * by_bytes)


class WordTower(nn.Module):
    """MiniLM over word pieces, with evidence per token."""

    def __init__(self, network: WordNetwork, n_vocabulary: int) -> None:
        super().__init__()
        self.words = nn.Embedding(n_vocabulary, network.d_hidden)
        self.positions = nn.Embedding(network.n_positions, network.d_hidden)
        self.embedding_norm = nn.LayerNorm(network.d_hidden, eps=1e-12)
        self.layers = nn.ModuleList(
            TransformerLayer(network.d_hidden, network.d_inner, network.n_heads) for _ in range(network.n_layers)
        )
        self.pooling = Pooling(network.d_hidden)
        self.marks = nn.Linear(network.d_hidden, 1)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Read word pieces.

        Parameters
        ----------
        input_ids, attention_mask : Tensor of int64, shape = (B, L)

        Returns
        -------
        tokens : Tensor, shape = (B, N_TOKENS, 256)
        token_scores : Tensor, shape = (B, L)
            In [0, 1]; 0 at padding.
        """
        mask = attention_mask.to(self.marks.weight.dtype)
        hidden = self._contextualise(input_ids, mask)
        return self.pooling(hidden, mask), torch.sigmoid(self.marks(hidden).squeeze(-1)) * mask

    def _contextualise(self, input_ids: Tensor, mask: Tensor) -> Tensor:
        positions = self.positions.weight[: input_ids.shape[1]]
        hidden = self.embedding_norm(self.words(input_ids) + positions)
        bias = ((1.0 - mask) * MASKED).unsqueeze(1).unsqueeze(1)
        for layer in self.layers:
            hidden = layer(hidden, bias)
        return hidden  # type: ignore[no-any-return]


class ByteTower(nn.Module):
    """A decoder-only causal transformer over byte pieces, in the style of GPT (Radford et al. 2018)."""

    past_only: Tensor

    def __init__(self, network: ByteNetwork, n_vocabulary: int) -> None:
        super().__init__()
        self.pieces = nn.Embedding(n_vocabulary, network.d_hidden)
        self.positions = nn.Embedding(network.n_positions, network.d_hidden)
        nn.init.normal_(self.pieces.weight, std=0.02)
        nn.init.normal_(self.positions.weight, std=0.02)
        self.layers = nn.ModuleList(CausalLayer(network) for _ in range(network.n_layers))
        self.norm = nn.LayerNorm(network.d_hidden)
        self.pooling = Pooling(network.d_hidden)
        ahead = torch.ones(network.n_positions, network.n_positions).triu(1)
        self.register_buffer("past_only", ahead * MASKED, persistent=False)

    def read(self, byte_ids: Tensor) -> Tensor:
        """(B, M) to hidden states (B, M, D), each of which has seen what is before it; padding has to be behind."""
        length = byte_ids.shape[1]
        hidden = self.pieces(byte_ids) + self.positions.weight[:length]
        for layer in self.layers:
            hidden = layer(hidden, self.past_only[:length, :length])
        return self.norm(hidden)  # type: ignore[no-any-return]

    def forward(self, byte_ids: Tensor, byte_mask: Tensor) -> Tensor:
        """(B, M) twice to tokens (B, N_TOKENS, 256)."""
        return self.pool(self.read(byte_ids), byte_mask)

    def pool(self, hidden: Tensor, byte_mask: Tensor) -> Tensor:
        """Tokens (B, N_TOKENS, 256) out of hidden states."""
        return self.pooling(hidden, byte_mask.to(hidden.dtype))  # type: ignore[no-any-return]

    def predict(self, hidden: Tensor) -> Tensor:
        """Logits of each position's next piece, (B, M, D) to (B, M, pieces), with the embedding as the last layer."""
        return hidden @ self.pieces.weight.t()


class TextEncoder(nn.Module):
    """Two towers that read the same text, in word pieces and in byte pieces; `join_tokens` sums their tokens."""

    def __init__(self, network: TextNetwork, n_words: int, n_pieces: int) -> None:
        super().__init__()
        self.words = WordTower(network.words, n_words)
        self.bytes = ByteTower(network.bytes, n_pieces)
        self.head = shared_head()

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, byte_ids: Tensor, byte_mask: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Score texts.

        Parameters
        ----------
        input_ids, attention_mask : Tensor of int64, shape = (B, L)
        byte_ids, byte_mask : Tensor of int64, shape = (B, M)

        Returns
        -------
        tokens : Tensor, shape = (B, N_TOKENS, 256)
        logits : Tensor, shape = (B, labels)
        token_scores : Tensor, shape = (B, L)
            In [0, 1]; 0 at padding.
        """
        by_words, token_scores = self.words(input_ids, attention_mask)
        tokens = join_tokens(by_words, self.bytes(byte_ids, byte_mask))
        return tokens, self.head(tokens), token_scores
