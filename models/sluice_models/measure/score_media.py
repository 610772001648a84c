"""Scores images or clips as posts of their own, through their encoder and the fusion."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch

from sluice.errors import MediaInvalid
from sluice.features.audio import extract_audio
from sluice.features.image import extract_image
from sluice.schema import LABELS, MODALITIES, ModalityName
from sluice_models.data.bundle import Example
from sluice_models.measure.scores import to_probabilities
from sluice_models.networks.fusion import Fusion
from sluice_models.training.text_encoding import EncoderFunction

N_BATCH = 64
Floats = npt.NDArray[np.float32]


class MediaScorer:
    """An image or audio encoder and the fusion, in that order; of each file only the first row is read."""

    def __init__(self, modality: ModalityName, encoder: EncoderFunction, fusion: Fusion) -> None:
        self.modality = modality
        self._encoder = encoder
        self._fusion = fusion

    def score(self, examples: Sequence[Example]) -> tuple[list[Example], Floats]:
        """The examples that can be read, and their probabilities, shape = (n, labels)."""
        read = list(self._read(examples))
        return [example for example, _ in read], self.score_rows([row for _, row in read])

    def score_rows(self, rows: Sequence[npt.NDArray[np.generic]]) -> Floats:
        """Probabilities of an encoder's inputs, each a post of its own, shape = (n, labels)."""
        batches = [np.stack(rows[i : i + N_BATCH]) for i in range(0, len(rows), N_BATCH)]
        scores = [self._score_batch(batch) for batch in batches]
        return np.concatenate([np.zeros((0, len(LABELS)), np.float32), *scores])

    def _read(self, examples: Sequence[Example]) -> Iterator[tuple[Example, npt.NDArray[np.generic]]]:
        for example in examples:
            if example.media is not None:
                content = example.media.read_bytes()
                try:
                    if self.modality == "image":
                        yield example, extract_image(content).rows[0].pixels
                    else:
                        yield example, extract_audio(content).rows[0].log_mel
                except MediaInvalid:
                    continue  # serving would not score it either

    def _score_batch(self, batch: npt.NDArray[np.generic]) -> Floats:
        with torch.inference_mode():
            tokens, _, _ = self._encoder(torch.from_numpy(batch))
            present = torch.ones(tokens.shape[:2], dtype=torch.bool)
            kind = torch.full(tokens.shape[:2], MODALITIES.index(self.modality), dtype=torch.int64)
            logits, _ = self._fusion(tokens, present, kind)
        return to_probabilities(logits.numpy())
