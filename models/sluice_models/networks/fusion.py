"""The fusion: all tokens of a post, of whatever modalities it has, to one set of scores.

Each kind of part gives evidence through its encoder's own head, calibrated as there: a post of one kind scores as its
encoder says. A small transformer over all tokens adds what only shows where kinds come together, and rates severity.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sluice.schema import MODALITIES
from sluice_models.config import D_TOKEN, N_TOKENS, FusionNetwork
from sluice_models.networks.heads import MASKED, N_LABELS, LabelHead, pool_evidence
from sluice_models.networks.text import TransformerLayer

N_KINDS = len(MODALITIES)
TOGETHER = N_KINDS
"""The row of `Fusion.scale` and `Fusion.shift` for posts of several kinds; the rows before are the kinds' own."""
PRIOR_LOGIT = -5.5
"""What a post without any token scores: about 0.4 % per label."""
ABSENT = -100.0
"""Logit of a row that is not there: below any other, and in half precision still finite after any calibration."""


class Fusion(nn.Module):
    """Evidence per kind, and attention over the tokens of a post with a presence mask.

    Tokens come in rows of `N_TOKENS`. Of a kind the row that says most counts, label by label: so a harmful sentence
    does not drown among harmless ones, and a post of one kind scores as its encoder says of that row.

    `scale` and `shift`, shape = (N_KINDS + 1, labels), make the logits probabilities: each kind's own, and those of
    kinds together. The evidence is the encoders' and is not trained here.
    """

    scale: Tensor
    shift: Tensor
    kind_numbers: Tensor

    def __init__(self, network: FusionNetwork) -> None:
        super().__init__()
        self.kinds = nn.Embedding(N_KINDS, D_TOKEN)
        self.prior = nn.Parameter(torch.randn(1, 1, D_TOKEN) * 0.02)
        self.evidence = nn.Linear(D_TOKEN, N_KINDS * N_LABELS).requires_grad_(False)
        self.probability_embedding = nn.Linear(N_LABELS, D_TOKEN, bias=False)
        self.layers = nn.ModuleList(
            TransformerLayer(D_TOKEN, network.d_inner, network.n_heads, network.dropout)
            for _ in range(network.n_layers)
        )
        self.context = nn.Linear(D_TOKEN, N_LABELS)
        self.severity = nn.Linear(D_TOKEN, N_LABELS)
        nn.init.zeros_(self.context.weight)
        nn.init.zeros_(self.context.bias)
        self.register_buffer("scale", torch.ones(N_KINDS + 1, N_LABELS))
        self.register_buffer("shift", torch.zeros(N_KINDS + 1, N_LABELS))
        self.register_buffer("kind_numbers", torch.arange(N_KINDS))

    def forward(self, tokens: Tensor, mask: Tensor, kind: Tensor) -> tuple[Tensor, Tensor]:
        """Score posts.

        Parameters
        ----------
        tokens : Tensor, shape = (B, S, 256)
            S is a multiple of `N_TOKENS`; so many neighbours are one row of an encoder.
        mask : Tensor of bool, shape = (B, S)
            True where there is a token; a post may have none.
        kind : Tensor of int64, shape = (B, S)
            0 text, 1 image, 2 audio.

        Returns
        -------
        logits, severity : Tensor, shape = (B, labels)
            Severity is in [0, 1].
        """
        logits, severity, _ = self.read(tokens, mask, kind)
        return logits, severity

    def read(self, tokens: Tensor, mask: Tensor, kind: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """As `forward`, and what the context added to the logits before their calibration: (B, labels)."""
        present = mask.to(tokens.dtype)
        membership = (kind.unsqueeze(-1) == self.kind_numbers).to(tokens.dtype) * present.unsqueeze(-1)
        has_kind = membership.amax(dim=1)
        n_kinds = has_kind.sum(dim=1, keepdim=True)
        evidence = self.evidence(tokens).unflatten(-1, (N_KINDS, N_LABELS))
        apart = self._pool_kinds(evidence, membership, has_kind)
        context = self._contextualise(tokens, evidence, membership, present)
        added = self.context(context) * torch.clamp(n_kinds - 1.0, 0.0, 1.0)
        logits = self._join(apart, added, n_kinds)
        return logits, torch.sigmoid(self.severity(context) + 0.5 * logits.detach()), added

    def _pool_kinds(self, evidence: Tensor, membership: Tensor, has_kind: Tensor) -> Tensor:
        """Each kind's calibrated logits, the largest of those that are there prevailing: (B, labels)."""
        per_kind = [pool_rows(evidence[:, :, k], membership[:, :, k]) for k in range(N_KINDS)]
        calibrated = torch.stack(per_kind, dim=1) * self.scale[:N_KINDS] + self.shift[:N_KINDS]
        return pool_evidence(calibrated, has_kind)

    def _join(self, apart: Tensor, added: Tensor, n_kinds: Tensor) -> Tensor:
        """What the parts say apart; where there are several kinds, with what they say together; else the prior."""
        several, none = torch.clamp(n_kinds - 1.0, 0.0, 1.0), 1.0 - torch.clamp(n_kinds, 0.0, 1.0)
        together = (apart + added) * self.scale[TOGETHER] + self.shift[TOGETHER]
        return apart * (1.0 - several - none) + together * several + PRIOR_LOGIT * none

    def _contextualise(self, tokens: Tensor, evidence: Tensor, membership: Tensor, present: Tensor) -> Tensor:
        """What the prior token holds after it has attended to all others: (B, 256).

        Each token also carries its kind and what its own head sees in it.
        """
        own = (evidence * membership.unsqueeze(-1)).sum(dim=2)
        known = tokens + membership @ self.kinds.weight + self.probability_embedding(torch.sigmoid(own))
        hidden = torch.cat([self.prior.expand(tokens.shape[0], 1, D_TOKEN), known], dim=1)
        seen = torch.cat([torch.ones_like(present[:, :1]), present], dim=1)
        bias = ((1.0 - seen) * MASKED).unsqueeze(1).unsqueeze(1)
        for layer in self.layers:
            hidden = layer(hidden, bias)
        return hidden[:, 0]


def pool_rows(evidence: Tensor, present: Tensor) -> Tensor:
    """The largest of the rows' logits; a row's is the smooth maximum over its tokens, as in the encoder.

    Parameters
    ----------
    evidence : Tensor, shape = (B, S, labels)
    present : Tensor, shape = (B, S)
        1 for tokens that count. A row without any is not there; without any row the result says nothing.

    Returns
    -------
    Tensor, shape = (B, labels)
    """
    # Shapes of the mask: behind `unflatten` the exporter takes the example's batch for the only one.
    there = present.reshape(present.shape[0], -1, N_TOKENS)
    by_row = evidence.reshape(present.shape[0], -1, N_TOKENS, N_LABELS)
    scores = by_row + (1.0 - there).unsqueeze(-1) * MASKED
    rows = (torch.softmax(scores, dim=2) * by_row).sum(dim=2)
    exists = there.amax(dim=2).unsqueeze(-1)
    highest: Tensor = (rows * exists + (1.0 - exists) * ABSENT).amax(dim=1)
    return highest


def start_from_encoders(fusion: Fusion, heads: Sequence[LabelHead]) -> None:
    """Copy the encoders' heads and their calibration, in the order of `MODALITIES`."""
    with torch.no_grad():
        fusion.evidence.weight.copy_(torch.cat([head.evidence.weight for head in heads]))
        fusion.evidence.bias.copy_(torch.cat([head.evidence.bias for head in heads]))
        fusion.scale[:N_KINDS] = torch.stack([head.scale for head in heads])
        fusion.shift[:N_KINDS] = torch.stack([head.shift for head in heads])
