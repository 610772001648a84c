"""The encoders: one row of text, image or audio in; `N_TOKENS` tokens, logits and evidence out.

Every operation is a plain one, so that ONNX Runtime and TensorRT both run the export. A row's outputs depend neither on
the other rows of its batch nor on padding.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  (torch's own custom)

from sluice.features import N_FRAMES
from sluice.schema import LABELS
from sluice_models.config import D_TOKEN, N_TOKENS, AudioNetwork, ImageNetwork, TextNetwork
from sluice_models.networks import image as picture_network
from sluice_models.networks.text import MASKED, ByteTower, WordTower, join_tokens

N_LABELS = len(LABELS)
RARE_LOGIT = -4.0
"""Where every label starts: about 2 %."""
SHARED_SPREAD = 0.1
"""Of the text head's directions: evidence of a token then reaches from about -20 to 20."""


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


def shared_head() -> LabelHead:
    """A head whose directions are drawn once and never learned, so that towers trained apart mean the same by a token.

    With 256 dimensions for a few labels nothing is lost: the towers learn to write in its language.
    """
    head = LabelHead()
    directions = torch.randn(N_LABELS, D_TOKEN, generator=torch.Generator().manual_seed(17))
    with torch.no_grad():
        head.evidence.weight.copy_(directions * SHARED_SPREAD)
    head.evidence.weight.requires_grad_(False)
    return head


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
    """A small residual network; its 10 x 10 cells become 2 x 2 tokens and the heatmap.

    `kinds` tells what object an image shows; only training asks for it.
    """

    def __init__(self, network: ImageNetwork) -> None:
        super().__init__()
        n_planes = network.channels[-1]
        self.stages = picture_network.stack(network.channels)
        self.to_tokens = nn.Linear(3 * n_planes, D_TOKEN)
        self.token_norm = nn.LayerNorm(D_TOKEN)
        self.cells = nn.Conv2d(n_planes, N_LABELS, 1)
        nn.init.constant_(self.cells.bias, RARE_LOGIT)  # type: ignore[arg-type]
        self.kinds = nn.Linear(n_planes, network.n_kinds)
        self.head = LabelHead()

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Score images.

        Parameters
        ----------
        pixels : Tensor of uint8, shape = (B, 3, 160, 160)
            Training also uses other sides, multiples of 32; cells are 16 px wide at any.

        Returns
        -------
        tokens : Tensor, shape = (B, N_TOKENS, 256)
        logits : Tensor, shape = (B, labels)
        heatmap : Tensor, shape = (B, labels, 10, 10)
            In [0, 1].
        """
        planes = self.look(pixels)
        tokens = self.tokens(planes)
        return tokens, self.head(tokens), torch.sigmoid(self.cells(planes))

    def look(self, pixels: Tensor) -> Tensor:
        """Pixels to planes, shape = (B, C, side / 16, side / 16)."""
        return self.stages(pixels.to(self.cells.weight.dtype) / 127.5 - 1.0)  # type: ignore[no-any-return]

    def tokens(self, planes: Tensor) -> Tensor:
        """A token per quarter: its mean, its strongest cells (small objects), and the mean of the whole image."""
        half = planes.shape[-1] // 2
        means, peaks = F.avg_pool2d(planes, half).flatten(2), F.max_pool2d(planes, half).flatten(2)
        whole = means.mean(dim=2, keepdim=True).expand_as(means)
        quarters = torch.cat([means, peaks, whole], dim=1).transpose(1, 2)
        return self.token_norm(self.to_tokens(quarters))  # type: ignore[no-any-return]


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
        self.n_heads, self.d_head = network.n_heads, fourth // network.n_heads
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
        heads = frames.reshape(-1, self.n_heads, self.d_head, self.FRAMES)
        pooled = (heads * shares) @ self.segments / (shares @ self.segments)
        return pooled.reshape(-1, self.n_heads * self.d_head, N_TOKENS)


def segment_weights(n_frames: int, n_segments: int) -> Tensor:
    """Averages of `n_segments` neighbouring, nearly equal runs of frames, shape = (n_frames, n_segments)."""
    owner = torch.arange(n_frames) * n_segments // n_frames
    members = F.one_hot(owner, n_segments).float()
    return members / members.sum(dim=0, keepdim=True)


Encoder = TextEncoder | ImageEncoder | AudioEncoder
