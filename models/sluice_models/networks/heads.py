"""Label heads: tokens to calibrated logits by way of evidence per token."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sluice.schema import LABELS
from sluice_models.config import D_TOKEN

N_LABELS = len(LABELS)
RARE_LOGIT = -4.0
"""Where every label starts: about 2 %."""
MASKED = -1e4
"""Added to the scores of masked positions: large, and still finite in half precision."""
SHARED_SPREAD = 0.1
"""Of the directions of the text encoder's head: evidence of a token then reaches from about -20 to 20."""


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


def shared_head() -> LabelHead:
    """A head whose directions are drawn once and never learned, so that a text encoder trained anew means the same.

    With 256 dimensions for a few labels nothing is lost: the encoder learns to write in its language.
    """
    head = LabelHead()
    directions = torch.randn(N_LABELS, D_TOKEN, generator=torch.Generator().manual_seed(17))
    with torch.no_grad():
        head.evidence.weight.copy_(directions * SHARED_SPREAD)
    head.evidence.weight.requires_grad_(False)
    return head
