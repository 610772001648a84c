"""The audio encoder: a residual network over the log-mel spectrogram with attention pooling."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  (torch's own custom)

from sluice.contract import N_SCORED_FRAMES
from sluice_models.config import D_TOKEN, N_TOKENS, AudioNetwork
from sluice_models.networks.heads import N_LABELS, RARE_LOGIT, LabelHead


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


class AudioEncoder(nn.Module):
    """A small residual network over the log-mel; its 50 frames become 4 tokens and the frame scores.

    A noise gate gives it a second plane: how far each band is above its own mean over the window, which neither a
    microphone's colour nor steady noise changes. Each token pools its quarter of the frames by attention.
    """

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
        self.register_buffer("segments", segment_weights(N_SCORED_FRAMES, N_TOKENS))

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
        heads = frames.reshape(-1, self.n_heads, self.d_head, N_SCORED_FRAMES)
        pooled = (heads * shares) @ self.segments / (shares @ self.segments)
        return pooled.reshape(-1, self.n_heads * self.d_head, N_TOKENS)


def segment_weights(n_frames: int, n_segments: int) -> Tensor:
    """Averages of `n_segments` neighbouring, nearly equal runs of frames, shape = (n_frames, n_segments)."""
    owner = torch.arange(n_frames) * n_segments // n_frames
    members = F.one_hot(owner, n_segments).float()
    return members / members.sum(dim=0, keepdim=True)
