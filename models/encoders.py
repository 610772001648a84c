"""The encoders: one row of text, image or audio in; `N_TOKENS` tokens, logits and evidence out.

Every operation is a plain one, so that ONNX Runtime and TensorRT both run the export. A row's outputs depend neither on
the other rows of its batch nor on padding.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  (torch's own custom)

from engine.features import IMAGE_SIZE_PX, N_FRAMES
from engine.schema import LABELS
from models.config import D_TOKEN, N_TOKENS, AudioNetwork, ImageNetwork, TextNetwork

N_LABELS = len(LABELS)
MASKED = -1e4
"""Added to the scores of what must not be looked at: large, and still finite in half precision."""
RARE_LOGIT = -4.0
"""Where every label starts: about 2 %."""


def pool_evidence(evidence: Tensor, mask: Tensor | None = None) -> Tensor:
    """Smooth maximum over tokens: the mean of `evidence` under its own softmax.

    Parameters
    ----------
    evidence : Tensor, shape = (B, S, labels)
    mask : Tensor or None, shape = (B, S)
        1 for tokens that count, 0 for padding.

    Returns
    -------
    Tensor, shape = (B, labels)
        Never above the largest evidence, so more tokens alone raise nothing.
    """
    scores = evidence if mask is None else evidence + (1.0 - mask).unsqueeze(-1) * MASKED
    return (torch.softmax(scores, dim=1) * evidence).sum(dim=1)


class LabelHead(nn.Module):
    """Tokens to calibrated logits.

    `scale` and `shift`, shape = (labels,), are fitted on the validation split after training.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.evidence = nn.Linear(D_TOKEN, N_LABELS)
        nn.init.normal_(self.evidence.weight, std=0.02)
        nn.init.constant_(self.evidence.bias, RARE_LOGIT)
        self.register_buffer("scale", torch.ones(N_LABELS))
        self.register_buffer("shift", torch.zeros(N_LABELS))

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, T, 256) to (B, labels)."""
        return pool_evidence(self.evidence(tokens)) * self.scale + self.shift


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
        """(B, L, D) and (B, 1, 1, L) to (B, L, D)."""
        query = self._heads(self.query(hidden)) / math.sqrt(self.d_head)
        scores = query @ self._heads(self.key(hidden)).transpose(-1, -2) + bias
        context = torch.softmax(scores, dim=-1) @ self._heads(self.value(hidden))
        return self.out(context.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]

    def _heads(self, hidden: Tensor) -> Tensor:
        return hidden.view(*hidden.shape[:2], self.n_heads, self.d_head).transpose(1, 2)


class TransformerLayer(nn.Module):
    """Attention and a feed-forward part, each with its residual and then its norm (as in BERT)."""

    def __init__(self, d_hidden: int, d_inner: int, n_heads: int, dropout: float = 0.1) -> None:
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


class TextEncoder(nn.Module):
    """MiniLM, pooled by `N_TOKENS` learned queries."""

    def __init__(self, network: TextNetwork, n_vocabulary: int) -> None:
        super().__init__()
        self.words = nn.Embedding(n_vocabulary, network.d_hidden)
        self.positions = nn.Embedding(network.n_positions, network.d_hidden)
        self.embedding_norm = nn.LayerNorm(network.d_hidden, eps=1e-12)
        self.layers = nn.ModuleList(
            TransformerLayer(network.d_hidden, network.d_inner, network.n_heads) for _ in range(network.n_layers)
        )
        self.queries = nn.Parameter(torch.randn(N_TOKENS, network.d_hidden) * 0.2)
        self.to_tokens = nn.Linear(network.d_hidden, D_TOKEN)
        self.token_norm = nn.LayerNorm(D_TOKEN)
        self.marks = nn.Linear(network.d_hidden, 1)
        self.head = LabelHead()

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Score texts.

        Parameters
        ----------
        input_ids, attention_mask : Tensor of int64, shape = (B, L)

        Returns
        -------
        tokens : Tensor, shape = (B, N_TOKENS, 256)
        logits : Tensor, shape = (B, labels)
        token_scores : Tensor, shape = (B, L)
            In [0, 1]; 0 at padding.
        """
        mask = attention_mask.to(self.queries.dtype)
        hidden = self._contextualise(input_ids, mask)
        tokens = self._pool(hidden, mask)
        token_scores = torch.sigmoid(self.marks(hidden).squeeze(-1)) * mask
        return tokens, self.head(tokens), token_scores

    def _contextualise(self, input_ids: Tensor, mask: Tensor) -> Tensor:
        positions = self.positions.weight[: input_ids.shape[1]]
        hidden = self.embedding_norm(self.words(input_ids) + positions)
        bias = ((1.0 - mask) * MASKED).unsqueeze(1).unsqueeze(1)
        for layer in self.layers:
            hidden = layer(hidden, bias)
        return hidden  # type: ignore[no-any-return]

    def _pool(self, hidden: Tensor, mask: Tensor) -> Tensor:
        scores = hidden @ self.queries.t() / math.sqrt(hidden.shape[-1])
        weights = torch.softmax(scores + (1.0 - mask).unsqueeze(-1) * MASKED, dim=1)
        return self.token_norm(self.to_tokens(weights.transpose(1, 2) @ hidden))  # type: ignore[no-any-return]


class ConvBlock(nn.Module):
    """A strided convolution and a residual pair, each with its batch norm (fixed numbers once trained)."""

    def __init__(self, n_in: int, n_out: int, stride: tuple[int, int]) -> None:
        super().__init__()
        self.shrink = _convolution(n_in, n_out, stride)
        self.residual = nn.Sequential(_convolution(n_out, n_out), nn.ReLU(), _convolution(n_out, n_out))

    def forward(self, planes: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C', H / stride, W / stride)."""
        planes = F.relu(self.shrink(planes))
        return F.relu(planes + self.residual(planes))


def _convolution(n_in: int, n_out: int, stride: tuple[int, int] = (1, 1)) -> nn.Module:
    return nn.Sequential(nn.Conv2d(n_in, n_out, 3, stride, padding=1, bias=False), nn.BatchNorm2d(n_out))


class ImageEncoder(nn.Module):
    """A small residual network; its 10 x 10 cells become 2 x 2 tokens and the heatmap."""

    CELLS = IMAGE_SIZE_PX // 16

    def __init__(self, network: ImageNetwork) -> None:
        super().__init__()
        first, second, third, fourth = network.channels
        self.stem = _convolution(3, first, (2, 2))
        self.stages = nn.Sequential(
            ConvBlock(first, second, (2, 2)), ConvBlock(second, third, (2, 2)), ConvBlock(third, fourth, (2, 2))
        )
        self.to_tokens = nn.Linear(fourth, D_TOKEN)
        self.token_norm = nn.LayerNorm(D_TOKEN)
        self.cells = nn.Conv2d(fourth, N_LABELS, 1)
        nn.init.constant_(self.cells.bias, RARE_LOGIT)  # type: ignore[arg-type]
        self.head = LabelHead()

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Score images.

        Parameters
        ----------
        pixels : Tensor of uint8, shape = (B, 3, 160, 160)

        Returns
        -------
        tokens : Tensor, shape = (B, N_TOKENS, 256)
        logits : Tensor, shape = (B, labels)
        heatmap : Tensor, shape = (B, labels, 10, 10)
            In [0, 1].
        """
        planes = self.stages(F.relu(self.stem(pixels.to(self.cells.weight.dtype) / 127.5 - 1.0)))
        quarters = F.avg_pool2d(planes, self.CELLS // 2).flatten(2).transpose(1, 2)
        tokens = self.token_norm(self.to_tokens(quarters))
        return tokens, self.head(tokens), torch.sigmoid(self.cells(planes))


class AudioEncoder(nn.Module):
    """A small residual network over the log-mel; its 50 frames become 4 tokens and the frame scores.

    A noise gate gives it a second plane: how far each band is above its own mean over the window, which neither a
    microphone's colour nor steady noise changes. Each token pools its quarter of the frames by attention.
    """

    FRAMES = N_FRAMES // 4
    MAX_SCORE = 4.0
    """Of a frame's attention, either way: the exponential stays small in half precision."""
    segments: Tensor

    def __init__(self, network: AudioNetwork) -> None:
        super().__init__()
        first, second, third, fourth = network.channels
        self.n_heads = network.n_heads
        self.stem = _convolution(2, first, (2, 2))
        self.stages = nn.Sequential(
            ConvBlock(first, second, (2, 2)), ConvBlock(second, third, (2, 1)), ConvBlock(third, fourth, (2, 1))
        )
        self.attention = nn.Conv1d(fourth, network.n_heads, 1)
        self.to_tokens = nn.Linear(3 * fourth, D_TOKEN)
        self.token_norm = nn.LayerNorm(D_TOKEN)
        self.frames = nn.Conv1d(fourth, N_LABELS, 1)
        nn.init.constant_(self.frames.bias, RARE_LOGIT)  # type: ignore[arg-type]
        self.head = LabelHead()
        self.register_buffer("segments", segment_weights(self.FRAMES, N_TOKENS))

    def forward(self, log_mel: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Score windows of sound.

        Parameters
        ----------
        log_mel : Tensor, shape = (B, 64, 200)

        Returns
        -------
        tokens : Tensor, shape = (B, N_TOKENS, 256)
        logits : Tensor, shape = (B, labels)
        frame_scores : Tensor, shape = (B, labels, 50)
            In [0, 1].
        """
        gated = F.relu(log_mel - log_mel.mean(dim=2, keepdim=True))
        frames = self.stages(F.relu(self.stem(torch.stack([log_mel, gated], dim=1)))).mean(dim=2)
        means = frames @ self.segments
        deviations = torch.sqrt(F.relu((frames * frames) @ self.segments - means * means) + 1e-5)
        pooled = torch.cat([self._attend(frames), means, deviations], dim=1)
        tokens = self.token_norm(self.to_tokens(pooled.transpose(1, 2)))
        return tokens, self.head(tokens), torch.sigmoid(self.frames(frames))

    def _attend(self, frames: Tensor) -> Tensor:
        """(B, C, 50) to (B, C, N_TOKENS): every head weighs the frames of a segment for its share of the channels."""
        shares = torch.exp(self.MAX_SCORE * torch.tanh(self.attention(frames))).unsqueeze(2)
        heads = frames.unflatten(1, (self.n_heads, -1))
        return ((heads * shares) @ self.segments / (shares @ self.segments)).flatten(1, 2)


def segment_weights(n_frames: int, n_segments: int) -> Tensor:
    """Averages of `n_segments` neighbouring, nearly equal runs of frames, shape = (n_frames, n_segments)."""
    owner = torch.arange(n_frames) * n_segments // n_frames
    members = F.one_hot(owner, n_segments).float()
    return members / members.sum(dim=0, keepdim=True)


Encoder = TextEncoder | ImageEncoder | AudioEncoder
