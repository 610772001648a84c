"""The image encoder that is served: an adopted tower beside one of our own, each wrong about other pictures.

The adopted one (`image`) has seen more of the world; our own (`residual`) knows small objects better.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sluice.schema import LABELS
from sluice_models.config import ImageNetwork, ResidualNetwork
from sluice_models.networks.heads import LabelHead
from sluice_models.networks.image import EXPLICIT_PLACE, LEARNED, UNIT, ImageEncoder, start_head
from sluice_models.networks.residual import ResidualEncoder

PLACES = [LABELS.index(label) for label in LEARNED]
"""Of the learned labels among all."""
FIRST_JOINED = EXPLICIT_PLACE - len(LEARNED)
"""From here on a token holds the joined log odds of the learned labels; its last place, how explicit the image is."""


class TwoTowers(nn.Module):
    """Tokens, log odds and heatmaps are the means of both towers'; `sexual` is the adopted one's alone."""

    def __init__(self, network: ImageNetwork, own: ResidualNetwork) -> None:
        super().__init__()
        self.adopted = ImageEncoder(network)
        self.own = ResidualEncoder(own)
        self.head = LabelHead()
        join_head(self.head)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Score images.

        Parameters
        ----------
        pixels : Tensor of uint8, shape = (B, 3, 160, 160)

        Returns
        -------
        tokens : Tensor, shape = (B, N_TOKENS, D_TOKEN)
        logits : Tensor, shape = (B, labels)
        heatmap : Tensor, shape = (B, labels, HEATMAP_CELLS, HEATMAP_CELLS)
            In [0, 1].
        """
        adopted_tokens, adopted_logits, adopted_map = self.adopted(pixels)
        own_tokens, own_logits, own_map = self.own(pixels)
        logits = 0.5 * (adopted_logits[:, PLACES] + own_logits)
        tokens = join_tokens(adopted_tokens, own_tokens, logits)
        return tokens, self.head(tokens), join_heatmaps(adopted_map, own_map)


def join_tokens(adopted: Tensor, own: Tensor, logits: Tensor) -> Tensor:
    """Tokens of both towers, shape = (B, N_TOKENS, D_TOKEN), and joined logits, shape = (B, learned labels), to tokens.

    The logits stand in every token: the towers' heads differ and pool by a smooth maximum, so that the mean of tokens
    under one head would not give the mean of logits.
    """
    joined = (logits / UNIT).unsqueeze(1).expand(-1, adopted.shape[1], -1)
    seen = 0.5 * (adopted[..., :FIRST_JOINED] + own[..., :FIRST_JOINED])
    return torch.cat([seen, joined, adopted[..., EXPLICIT_PLACE:]], dim=2)


def join_heatmaps(adopted: Tensor, own: Tensor) -> Tensor:
    """Heatmaps, shape = (B, labels, h, w) and (B, learned labels, h, w), to the former's shape."""
    maps = list(torch.split(adopted, 1, dim=1))
    for place, learned in zip(PLACES, torch.split(own, 1, dim=1), strict=True):
        maps[place] = 0.5 * (maps[place] + learned)
    return torch.cat(maps, dim=1)


def join_head(head: LabelHead) -> None:
    """Have each label read its place in the token, and nothing else; labels that no picture gives stay low."""
    start_head(head)
    with torch.no_grad():
        for token_place, label in enumerate(PLACES, FIRST_JOINED):
            head.evidence.weight[label].zero_()
            head.evidence.weight[label, token_place] = UNIT
            head.evidence.bias[label] = 0.0
