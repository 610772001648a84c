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
from sluice_models.networks.text import TextEncoder
from sluice_models.recipes.text.texts import pad

N_BATCH = 64
Floats = npt.NDArray[np.float32]


class TextScorer:
    """Text encoder and fusion, in that order, or the encoder alone; of a long text only the first window is read."""

    def __init__(self, encoder: TextEncoder, fusion: Fusion | None = None) -> None:
        self._encoder = encoder
        self._fusion = fusion
        self._extractor = TextExtractor(TOKENIZER_FILE)
        self._device = next(encoder.parameters()).device

    def read(self, texts: Sequence[str]) -> list[TextRow]:
        """The first window of each text."""
        return [features.rows[0] for features in self._extractor.extract_batch(texts)]

    def score(self, texts: Sequence[str]) -> Floats:
        """Probabilities, shape = (n, labels)."""
        return self.score_rows(self.read(texts))[0]

    def score_rows(self, rows: Sequence[TextRow]) -> tuple[Floats, list[Floats]]:
        """Probabilities, shape = (n, labels), and each row's token scores, shape = (L,)."""
        order = sorted(range(len(rows)), key=lambda index: len(rows[index].input_ids))
        chunks = [order[start : start + N_BATCH] for start in range(0, len(order), N_BATCH)]
        scored = [self._score_batch([rows[index] for index in chunk]) for chunk in chunks]
        back = np.argsort(order)
        token_scores = [scores for _, batch in scored for scores in batch]
        return np.concatenate([found for found, _ in scored])[back], [token_scores[index] for index in back]

    def _score_batch(self, rows: Sequence[TextRow]) -> tuple[Floats, list[Floats]]:
        inputs = (*pad([row.input_ids for row in rows]), *pad([row.byte_ids for row in rows]))
        with torch.inference_mode():
            tokens, logits, token_scores = self._encoder(*(torch.from_numpy(part).to(self._device) for part in inputs))
            if self._fusion is not None:
                present = torch.ones(tokens.shape[:2], dtype=torch.bool, device=self._device)
                logits, _ = self._fusion(tokens, present, torch.zeros_like(present, dtype=torch.int64))
        cut = [scores[: len(row.input_ids)] for scores, row in zip(token_scores.cpu().numpy(), rows, strict=True)]
        return to_probabilities(logits.cpu().numpy()), cut
