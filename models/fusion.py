"""The fusion: all tokens of a post, of whatever modalities it has, to one set of scores.

Each token gives evidence of its own, through a head per modality that starts as its encoder's; a small transformer over
all tokens and a token that is always there adds what only shows together. With no tokens at all, the base rates remain.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from engine.schema import MODALITIES
from models.config import D_TOKEN, FusionNetwork
from models.encoders import MASKED, N_LABELS, Encoder, TransformerLayer, pool_evidence

N_KINDS = len(MODALITIES)
PRIOR_LOGIT = -5.5
"""What a post without any token starts from: about 0.4 % per label."""


class Fusion(nn.Module):
    """Attention over the tokens of a post, with a presence mask."""

    scale: Tensor
    shift: Tensor
    kind_numbers: Tensor

    def __init__(self, network: FusionNetwork) -> None:
        super().__init__()
        self.kinds = nn.Embedding(N_KINDS, D_TOKEN)
        self.prior = nn.Parameter(torch.randn(1, 1, D_TOKEN) * 0.02)
        self.prior_evidence = nn.Parameter(torch.full((1, 1, N_LABELS), PRIOR_LOGIT))
        self.evidence = nn.Linear(D_TOKEN, N_KINDS * N_LABELS)
        self.layers = nn.ModuleList(
            TransformerLayer(D_TOKEN, network.d_inner, network.n_heads) for _ in range(network.n_layers)
        )
        self.context = nn.Linear(D_TOKEN, N_LABELS)
        self.severity = nn.Linear(D_TOKEN, N_LABELS)
        nn.init.zeros_(self.context.weight)
        nn.init.zeros_(self.context.bias)
        self.register_buffer("scale", torch.ones(N_LABELS))
        self.register_buffer("shift", torch.zeros(N_LABELS))
        self.register_buffer("kind_numbers", torch.arange(N_KINDS))

    def forward(self, tokens: Tensor, mask: Tensor, kind: Tensor) -> tuple[Tensor, Tensor]:
        """Score posts.

        Parameters
        ----------
        tokens : Tensor, shape = (B, S, 256)
        mask : Tensor of bool, shape = (B, S)
            True where there is a token; a row may have none.
        kind : Tensor of int64, shape = (B, S)
            0 text, 1 image, 2 audio.

        Returns
        -------
        logits, severity : Tensor, shape = (B, labels)
            Severity is in [0, 1].
        """
        present = torch.cat([torch.ones_like(kind[:, :1]), mask.to(kind.dtype)], dim=1).to(tokens.dtype)
        membership = (kind.unsqueeze(-1) == self.kind_numbers).to(tokens.dtype)
        pooled = pool_evidence(self._evidence(tokens, membership), present)
        context = self._contextualise(tokens, membership, present)
        logits = (pooled + self.context(context)) * self.scale + self.shift
        return logits, torch.sigmoid(self.severity(context) + 0.5 * logits)

    def _evidence(self, tokens: Tensor, membership: Tensor) -> Tensor:
        """Every token through its own modality's head, the prior in front: (B, 1 + S, labels)."""
        per_kind = self.evidence(tokens).unflatten(-1, (N_KINDS, N_LABELS))
        own = (per_kind * membership.unsqueeze(-1)).sum(dim=2)
        return torch.cat([self.prior_evidence.expand(own.shape[0], 1, N_LABELS), own], dim=1)

    def _contextualise(self, tokens: Tensor, membership: Tensor, present: Tensor) -> Tensor:
        """What the prior token holds after it has attended to all others: (B, 256)."""
        prior = self.prior.expand(tokens.shape[0], 1, D_TOKEN)
        hidden = torch.cat([prior, tokens + membership @ self.kinds.weight], dim=1)
        bias = ((1.0 - present) * MASKED).unsqueeze(1).unsqueeze(1)
        for layer in self.layers:
            hidden = layer(hidden, bias)
        return hidden[:, 0]


def start_from_encoders(fusion: Fusion, encoders: list[Encoder]) -> None:
    """Copy the encoders' calibrated heads, in the order of `MODALITIES`, into the fusion's evidence."""
    heads = [encoder.head for encoder in encoders]
    with torch.no_grad():
        fusion.evidence.weight.copy_(torch.cat([head.evidence.weight * head.scale[:, None] for head in heads]))
        fusion.evidence.bias.copy_(torch.cat([head.evidence.bias * head.scale + head.shift for head in heads]))
