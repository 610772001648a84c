"""A tower of the image encoder: a picture network that others have trained, and small layers of ours on what it sees.

The picture network stays as it is. It tells five kinds of pictures apart, two of them explicit: these give ``sexual``,
which nothing here teaches. ``weapons`` and ``fire`` are learned from what it sees. `two_towers` puts another beside it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  (torch's own custom)

from sluice.contract import HEATMAP_CELLS
from sluice.schema import LABELS
from sluice_models.config import D_TOKEN, ImageNetwork
from sluice_models.networks.heads import RARE_LOGIT, LabelHead
from sluice_models.networks.mobilenet import MobileNet

KINDS = ("drawing", "hentai", "neutral", "porn", "sexy")
"""What `PictureNetwork` tells apart, in its order. "Sexy" are swimwear and poses: not explicit."""
EXPLICIT = tuple(KINDS.index(kind) for kind in ("hentai", "porn"))
OTHER = tuple(index for index in range(len(KINDS)) if index not in EXPLICIT)
LEARNED = ("weapons", "fire")
"""Labels that are learned from pictures."""
SEXUAL = LABELS.index("sexual")
EXPLICIT_PLACE = D_TOKEN - 1
"""The place of a token that holds how explicit the image is."""
UNIT = 4.0
"""A logit of so much is 1 in that place, so that it is about as large as the others."""
EXPLICIT_BIAS = -1.4
"""Added to the picture network's logit: what it calls 80 % counts as 50 %. See the model card for what that costs."""
UNSEEN_LOGIT = -8.0
"""Of labels that no picture gives: 0.03 %."""


class PictureNetwork(nn.Module):
    """The picture network as it comes: planes, and the layer that names five kinds from their mean."""

    def __init__(self, network: ImageNetwork) -> None:
        super().__init__()
        self.planes = MobileNet(network)
        self.kinds = nn.Linear(network.n_planes, len(KINDS))

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, 3, S, S) to (B, n_planes, S / 32, S / 32)."""
        planes: Tensor = self.planes(pixels)
        return planes

    def explicit(self, planes: Tensor) -> tuple[Tensor, Tensor]:
        """How explicit planes, shape = (B, n_planes, h, w), are.

        Returns
        -------
        whole : Tensor, shape = (B, 1)
            Log odds of the two explicit kinds against the others.
        cells : Tensor, shape = (B, 1, h, w)
            The same for each cell.
        """
        last = planes.permute(0, 2, 3, 1)
        whole, cells = (explicit_logit(self.kinds(each)) for each in (last.mean(dim=(1, 2)), last))
        return whole, cells.permute(0, 3, 1, 2)


class ImageEncoder(nn.Module):
    """The picture network's 5 x 5 cells become 2 x 2 tokens and the heatmap."""

    def __init__(self, network: ImageNetwork) -> None:
        super().__init__()
        self.network = PictureNetwork(network).requires_grad_(False)
        self.to_tokens = nn.Linear(3 * network.n_planes, EXPLICIT_PLACE)
        self.cells = nn.Conv2d(network.n_planes, len(LEARNED), 1)
        nn.init.constant_(self.cells.bias, RARE_LOGIT)  # type: ignore[arg-type]
        self.head = LabelHead()
        start_head(self.head)

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
        planes = self.network(pixels)
        tokens = self.tokens(planes)
        return tokens, self.head(tokens), self.heatmap(planes)

    def tokens(self, planes: Tensor) -> Tensor:
        """(B, C, 5, 5) to a token per quarter, (B, N_TOKENS, D_TOKEN).

        A token holds its quarter's mean, its strongest cells (for small objects), and the mean of the whole image; in
        its last place, how explicit the whole is. Quarters share the middle row and column.
        """
        side = (planes.shape[-1] + 1) // 2
        step = planes.shape[-1] - side
        means, peaks = (pool(planes, side, step).flatten(2) for pool in (F.avg_pool2d, F.max_pool2d))
        whole = planes.mean(dim=(2, 3)).unsqueeze(2).expand_as(means)
        seen = self.to_tokens(torch.cat([means, peaks, whole], dim=1).transpose(1, 2))
        explicit, _ = self.network.explicit(planes)
        last = (explicit / UNIT).unsqueeze(1).expand(-1, seen.shape[1], -1)
        return torch.cat([F.layer_norm(seen, (EXPLICIT_PLACE,)), last], dim=2)

    def heatmap(self, planes: Tensor) -> Tensor:
        """(B, C, 5, 5) to (B, labels, HEATMAP_CELLS, HEATMAP_CELLS), in [0, 1]."""
        _, explicit_cells = self.network.explicit(planes)
        learned = zip(LEARNED, self.cells(planes).split(1, dim=1), strict=True)
        maps = {**dict(learned), "sexual": explicit_cells + EXPLICIT_BIAS}
        nothing = torch.full_like(explicit_cells, UNSEEN_LOGIT)
        logits = torch.cat([maps.get(label, nothing) for label in LABELS], dim=1)
        size = (HEATMAP_CELLS, HEATMAP_CELLS)
        return torch.sigmoid(F.interpolate(logits, size=size, mode="bilinear", align_corners=False))


def explicit_logit(kinds: Tensor) -> Tensor:
    """Log odds of the two explicit kinds against the others: shape = (..., kinds) to (..., 1)."""
    explicit = torch.logsumexp(kinds[..., list(EXPLICIT)], dim=-1, keepdim=True)
    return explicit - torch.logsumexp(kinds[..., list(OTHER)], dim=-1, keepdim=True)


def start_head(head: LabelHead) -> None:
    """Have `sexual` read its place in the token, and nothing else read it; labels that no picture gives stay low."""
    with torch.no_grad():
        head.evidence.weight.zero_()
        head.evidence.bias.fill_(UNSEEN_LOGIT)
        head.evidence.weight[SEXUAL, EXPLICIT_PLACE] = UNIT
        head.evidence.bias[SEXUAL] = EXPLICIT_BIAS
        for label in LEARNED:
            nn.init.normal_(head.evidence.weight[LABELS.index(label), :EXPLICIT_PLACE], std=0.02)
            head.evidence.bias[LABELS.index(label)] = RARE_LOGIT
