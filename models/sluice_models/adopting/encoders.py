"""An encoder of somebody else's behind our contract: its weights stay as they are, the heads on it are ours."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  (torch's own custom)

from sluice.errors import SluiceError
from sluice_models.networks.heads import N_LABELS, RARE_LOGIT, LabelHead
from sluice_models.networks.text import N_HARMS, Pooling, score_pieces


class AdoptError(SluiceError):
    """An encoder cannot be adopted: files are missing, or it does not keep the contract."""


class TextHeads(nn.Module):
    """Hidden states to tokens, logits, and the evidence of every harm at every word."""

    def __init__(self, d_hidden: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(d_hidden)  # hidden states come in any scale
        self.pooling = Pooling(d_hidden)
        self.marks = nn.Linear(d_hidden, N_HARMS)
        nn.init.constant_(self.marks.bias, RARE_LOGIT)
        self.head = LabelHead()

    def forward(self, hidden: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, L, D) and (B, L) to (B, N_TOKENS, D_TOKEN), (B, labels) and (B, labels, L)."""
        tokens, logits, marks = self.read(hidden, attention_mask)
        return tokens, logits, score_pieces(marks, attention_mask)

    def read(self, hidden: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """As `forward`, the evidence as logits (B, L, harms)."""
        hidden = self.norm(hidden)
        tokens = self.pooling(hidden, attention_mask.to(hidden.dtype))
        return tokens, self.head(tokens), self.marks(hidden)


class ImageHeads(nn.Module):
    """Hidden states of an image's patches to tokens, logits and heatmap."""

    def __init__(self, d_hidden: int, n_side: int) -> None:
        super().__init__()
        self.n_side = n_side
        self.norm = nn.LayerNorm(d_hidden)
        self.pooling = Pooling(d_hidden)
        self.cells = nn.Linear(d_hidden, N_LABELS)
        nn.init.constant_(self.cells.bias, RARE_LOGIT)
        self.head = LabelHead()

    def forward(self, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, P, D), patches last, to (B, N_TOKENS, D_TOKEN), (B, labels) and (B, labels, side, side)."""
        hidden = self.norm(hidden)
        tokens = self.pooling(hidden, torch.ones_like(hidden[..., 0]))
        patches = hidden[:, -self.n_side * self.n_side :]
        heatmap = torch.sigmoid(self.cells(patches)).transpose(1, 2).reshape(-1, N_LABELS, self.n_side, self.n_side)
        return tokens, self.head(tokens), heatmap


class AdoptedText(nn.Module):
    """A text model under our heads.

    Parameters
    ----------
    body : Module
        Takes ``input_ids`` and ``attention_mask``, gives ``last_hidden_state``; frozen.
    d_hidden, n_words : int
        Width of its hidden states, and size of its vocabulary.
    """

    def __init__(self, body: nn.Module, d_hidden: int, n_words: int) -> None:
        super().__init__()
        self.body = freeze(body)
        self.n_words = n_words
        self.heads = TextHeads(d_hidden)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """As `sluice_models.networks.text.TextEncoder`."""
        outputs: tuple[Tensor, Tensor, Tensor] = self.heads(self.read(input_ids, attention_mask), attention_mask)
        return outputs

    def read(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Hidden states, shape = (B, L, D); ids beyond the vocabulary are read as its last word."""
        known = input_ids.clamp(max=self.n_words - 1)
        output: Tensor = self.body(input_ids=known, attention_mask=attention_mask).last_hidden_state
        return output


class AdoptedImage(nn.Module):
    """An image model of patches (CLIP's, SigLIP's, ViT) under our heads.

    Parameters
    ----------
    body : Module
        Takes ``pixel_values``, gives ``last_hidden_state`` with the patches last; frozen.
    d_hidden, size_px, patch_px : int
        Width of its hidden states, side of its images, and side of a patch.
    mean, std : list of float
        Of the three colours in [0, 1], as it was trained with.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, body: nn.Module, d_hidden: int, size_px: int, patch_px: int, mean: list[float], std: list[float]
    ) -> None:
        super().__init__()
        self.body = freeze(body)
        self.size_px = size_px
        self.heads = ImageHeads(d_hidden, size_px // patch_px)
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1))

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """As `sluice_models.networks.image.ImageEncoder`; the heatmap has a cell per patch."""
        outputs: tuple[Tensor, Tensor, Tensor] = self.heads(self.extract_features(pixels))
        return outputs

    def extract_features(self, pixels: Tensor) -> Tensor:
        """Hidden states, shape = (B, P, D), of uint8 pixels, shape = (B, 3, 160, 160)."""
        shares = pixels.to(self.mean.dtype) / 255.0
        sized = F.interpolate(shares, size=(self.size_px, self.size_px), mode="bilinear", align_corners=False)
        output: Tensor = self.body(pixel_values=(sized - self.mean) / self.std).last_hidden_state
        return output


Adopted = AdoptedText | AdoptedImage


def freeze(body: nn.Module) -> nn.Module:
    """The same module, never trained."""
    return body.eval().requires_grad_(False)


def count_parameters(module: nn.Module) -> tuple[int, int]:
    """All, and those that are trained."""
    sizes: list[tuple[int, Any]] = [(weight.numel(), weight.requires_grad) for weight in module.parameters()]
    return sum(size for size, _ in sizes), sum(size for size, trained in sizes if trained)
