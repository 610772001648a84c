"""Scores texts as posts of their own, through the text encoder and the fusion, for measures that change the texts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from sluice.features import TextRow
from sluice.features.text import TextExtractor
from sluice_models.config import TOKENIZER_FILE
from sluice_models.measure.scores import to_probabilities
from sluice_models.networks.fusion import Fusion
from sluice_models.training.text_encoding import EncoderFunction, batch_rows, encode_texts

N_POSTS = 512
"""Posts that the fusion scores at a time."""
Floats = npt.NDArray[np.float32]


class TextScorer:
    """Text encoder and fusion, in that order, or the encoder alone.

    Parameters
    ----------
    encoder : callable
    fusion : Fusion, optional
    device : torch.device, optional
        Where they are; the CPU by default.
    """

    def __init__(
        self, encoder: EncoderFunction, fusion: Fusion | None = None, device: torch.device | None = None
    ) -> None:
        self._encoder = encoder
        self._fusion = fusion
        self._extractor = TextExtractor(TOKENIZER_FILE)
        self._device = device or torch.device("cpu")

    def read(self, texts: Sequence[str]) -> list[TextRow]:
        """The first window of each text."""
        return [features.rows[0] for features in self._extractor.extract_batch(texts)]

    def score(self, texts: Sequence[str]) -> Floats:
        """Probabilities as served, every row of a text read; shape = (n, labels)."""
        found = encode_texts(self._encoder, self._extractor, texts, self._device)
        if self._fusion is None:
            return to_probabilities(found.logits)
        parts = [
            self._fuse(found.tokens[start : start + N_POSTS], found.mask[start : start + N_POSTS])
            for start in range(0, len(texts), N_POSTS)
        ]
        return to_probabilities(np.concatenate(parts))

    def _fuse(self, tokens: npt.NDArray[np.float16], mask: npt.NDArray[np.bool_]) -> Floats:
        assert self._fusion is not None  # noqa: S101
        shown = torch.from_numpy(mask).to(self._device)
        with torch.inference_mode():
            given = torch.from_numpy(tokens).to(self._device).float()
            logits, _ = self._fusion(given, shown, torch.zeros_like(shown, dtype=torch.int64))
        return np.asarray(logits.cpu().numpy())

    def mark(self, rows: Sequence[TextRow]) -> list[Floats]:
        """The evidence of every label in each row, shape = (labels, L)."""
        marks: list[Floats] = [np.zeros(0, np.float32)] * len(rows)
        with torch.inference_mode():
            for chunk, inputs in batch_rows(rows):
                scores = self._encoder(*(part.to(self._device) for part in inputs))[2].float().cpu().numpy()
                for index, found in zip(chunk, scores, strict=True):
                    marks[index] = found[:, : len(rows[index].input_ids)]
        return marks
