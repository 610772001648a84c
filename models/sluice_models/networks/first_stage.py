"""The first stage: a few convolutions over a text's first window, which guess what all models together will say.

Its words are kept in eight bits with a scale for each: they are most of its bytes, and the file goes with the clone.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  (torch's own custom)

from sluice_models.config import FirstStageNetwork
from sluice_models.networks.heads import MASKED, N_LABELS

N_QUERIES = 4
"""Ways in which positions are weighed when a text is pooled."""
WIDTH = 3
"""Pieces that a convolution sees at once: each with its neighbours."""
LARGEST_CODE = 127
"""Of eight bits with a sign."""
SMALLEST_SCALE = 1e-6
"""Of a word that is all zeros; half precision still holds it."""


class CodedWords(nn.Module):
    """Words in eight bits: a word's row is its codes times its scale."""

    codes: Tensor
    scales: Tensor

    def __init__(self, n_words: int, d_word: int) -> None:
        super().__init__()
        self.register_buffer("codes", torch.zeros(n_words, d_word, dtype=torch.int8))
        self.register_buffer("scales", torch.zeros(n_words, 1))

    def forward(self, input_ids: Tensor) -> Tensor:
        """(B, L) ids to (B, L, d_word)."""
        return self.codes[input_ids].to(self.scales.dtype) * self.scales[input_ids]


def code_words(words: Tensor) -> CodedWords:
    """The nearest to words of shape = (n, d_word) in eight bits; scales are of half precision, as they are stored."""
    coded = CodedWords(*words.shape)
    largest = words.abs().amax(dim=1, keepdim=True)
    coded.scales.copy_((largest / LARGEST_CODE).clamp(min=SMALLEST_SCALE).half().float())
    coded.codes.copy_(torch.round(words / coded.scales).clamp(-LARGEST_CODE, LARGEST_CODE).to(torch.int8))
    return coded


class Convolution(nn.Module):
    """Neighbours are mixed and added, and the sum has its norm."""

    def __init__(self, d_hidden: int) -> None:
        super().__init__()
        self.mix = nn.Linear(WIDTH * d_hidden, d_hidden)
        self.norm = nn.LayerNorm(d_hidden)

    def forward(self, hidden: Tensor) -> Tensor:
        """(B, L, D) to the same; padding must be zero."""
        return self.norm(hidden + F.relu(self.mix(set_beside(hidden))))  # type: ignore[no-any-return]


class FirstStage(nn.Module):
    """Word pieces to the logits that the fusion is expected to give, and to how suspicious the text is.

    `threshold`, a scalar, is taken off the suspicion, so that the lowest limit of a language is 0: it is chosen on the
    validation split after training.

    Parameters
    ----------
    network : FirstStageNetwork
    words : nn.Module
        (B, L) ids to (B, L, d_word): an embedding while it is trained, `CodedWords` when it is served.
    """

    threshold: Tensor

    def __init__(self, network: FirstStageNetwork, words: nn.Module) -> None:
        super().__init__()
        d_hidden = network.d_hidden
        self.words = words
        self.drop_words = nn.Dropout1d(network.word_dropout)
        self.enter = nn.Linear(WIDTH * network.d_word, d_hidden)
        self.norm = nn.LayerNorm(d_hidden)
        self.layers = nn.ModuleList(Convolution(d_hidden) for _ in range(network.n_layers))
        self.queries = nn.Linear(d_hidden, N_QUERIES)
        self.dropout = nn.Dropout(network.dropout)
        self.leave = nn.Linear((N_QUERIES + 1) * d_hidden, d_hidden)
        self.logits = nn.Linear(d_hidden, N_LABELS)
        self.margin = nn.Linear(d_hidden, 1)
        self.register_buffer("threshold", torch.zeros(()))

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Read texts.

        Parameters
        ----------
        input_ids, attention_mask : Tensor of int64, shape = (B, L)

        Returns
        -------
        logits : Tensor, shape = (B, labels)
        suspicion : Tensor, shape = (B, 1)
            Below its language's limit where the text is plainly benign.
        """
        mask = attention_mask.to(self.enter.weight.dtype)
        hidden = self._convolve(input_ids, mask.unsqueeze(-1))
        pooled = F.gelu(self.leave(self.dropout(pool(hidden, self.queries(hidden), mask))))
        return self.logits(pooled), self.margin(pooled) - self.threshold

    def _convolve(self, input_ids: Tensor, present: Tensor) -> Tensor:
        hidden = self.norm(self.enter(set_beside(self.drop_words(self.words(input_ids)) * present))) * present
        for layer in self.layers:
            hidden = layer(hidden) * present
        return hidden  # type: ignore[no-any-return]


def set_beside(rows: Tensor) -> Tensor:
    """Each position behind the one before and before the one behind, zeros past the ends: (B, L, D) to (B, L, 3 D)."""
    padded = F.pad(rows, (0, 0, 1, 1))
    return torch.cat([padded[:, :-2], rows, padded[:, 2:]], dim=-1)


def pool(hidden: Tensor, scores: Tensor, mask: Tensor) -> Tensor:
    """Means under the softmax of the scores, and the maximum: (B, L, D), (B, L, Q), (B, L) to (B, (Q + 1) D)."""
    absent = ((1.0 - mask) * MASKED).unsqueeze(-1)
    weights = torch.softmax(scores + absent, dim=1)
    means = (weights.transpose(1, 2) @ hidden).flatten(1)
    return torch.cat([means, (hidden + absent).amax(dim=1)], dim=1)


def reduce_weights(stage: FirstStage, half_from: int) -> FirstStage:
    """The stage as it is stored, in place: words in eight bits, and weights of so many elements in half precision."""
    if isinstance(stage.words, nn.Embedding):
        stage.words = code_words(stage.words.weight.detach())
    with torch.no_grad():
        for weight in stage.parameters():
            if weight.numel() >= half_from:
                weight.copy_(weight.half().float())
    return stage
