"""Texts as multilingual-e5-small reads them before any training of ours: means of its pieces after some layers.

An embedding takes about 30 ms of an older core, a head on embeddings seconds: so heads can be trained again and again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from sluice.features.text import TextExtractor
from sluice.intervals import Floats
from sluice_models.config import TOKENIZER_FILE, TextNetwork
from sluice_models.data.bundle import Example
from sluice_models.data.e5 import E5, read_e5
from sluice_models.networks.text import Backbone
from sluice_models.training.start import start_from_e5
from sluice_models.training.text_encoding import batch_rows

DEPTHS = (1 / 3, 2 / 3, 1.0)
"""After which layers, as a share of all, pieces are averaged: what words are, and what is meant by them."""
N_AT_ONCE = 512
"""Texts whose rows are held at a time."""


class Embeds(Protocol):
    """What makes embeddings of texts."""

    def embed(self, texts: Sequence[str]) -> Floats:
        """An embedding of each text, shape = (n, width)."""
        ...


class FrozenEncoder:
    """Reads texts as they are served, and averages what a backbone makes of their pieces.

    Parameters
    ----------
    backbone : Backbone
        Its layers are listened to.
    extractor : TextExtractor
    """

    def __init__(self, backbone: Backbone, extractor: TextExtractor) -> None:
        self._extractor = extractor
        self._backbone = backbone
        self._states: list[Tensor] = []
        for layer in _at_depths(backbone.layers):
            layer.register_forward_hook(lambda _layer, _given, state: self._states.append(state))

    def embed(self, texts: Sequence[str]) -> Floats:
        """The first window of each text, shape = (n, depths * d_hidden); at least one text."""
        return np.concatenate(
            [self._embed(texts[start : start + N_AT_ONCE]) for start in range(0, len(texts), N_AT_ONCE)]
        )

    def _embed(self, texts: Sequence[str]) -> Floats:
        rows = [features.rows[0] for features in self._extractor.extract_batch(texts)]
        embedded: list[Floats] = [np.zeros(0, np.float32)] * len(rows)
        with torch.inference_mode():
            for places, (ids, mask) in batch_rows(rows):
                for place, vector in zip(places, self._run(ids, mask).numpy(), strict=True):
                    embedded[place] = vector
        return np.stack(embedded)

    def _run(self, ids: Tensor, mask: Tensor) -> Tensor:
        """(B, L) twice to (B, depths * D)."""
        self._states.clear()
        self._backbone(ids, mask.float())
        return torch.cat([_average(state, mask) for state in self._states], dim=1)


def load_frozen() -> FrozenEncoder:
    """All layers of multilingual-e5-small over the shipped vocabulary; raises `SettingsError` if they are not there."""
    return FrozenEncoder(build_backbone(read_e5()), TextExtractor(TOKENIZER_FILE))


def build_backbone(e5: E5) -> Backbone:
    """Every layer of e5, in evaluation mode."""
    sizes = {name: e5.sizes[name] for name in ("d_hidden", "d_inner", "n_layers", "n_heads", "n_positions")}
    backbone = Backbone(TextNetwork(**sizes), Tokenizer.from_file(str(TOKENIZER_FILE)).get_vocab_size())
    start_from_e5(backbone, e5)
    return backbone.eval()


def _at_depths(layers: nn.ModuleList) -> list[nn.Module]:
    return [layers[round(depth * len(layers)) - 1] for depth in DEPTHS]


def _average(state: Tensor, mask: Tensor) -> Tensor:
    """(B, L, D) and (B, L) to (B, D)."""
    shown = mask.to(state.dtype).unsqueeze(-1)
    return (state * shown).sum(dim=1) / shown.sum(dim=1)


def embed_sources(
    load: Callable[[], Embeds], sources: Mapping[str, Sequence[Example]], folder: Path
) -> dict[str, Floats]:
    """Embeddings of each source's rows, shape = (n, width); a source that `folder` has is not embedded again."""
    loaded = cache(load)
    return {name: _embed_source(loaded, rows, folder / f"{name}.npz") for name, rows in sources.items()}


def _embed_source(load: Callable[[], Embeds], rows: Sequence[Example], file: Path) -> Floats:
    keys = np.array([row.key for row in rows])
    if file.is_file():
        with np.load(file) as kept:
            if np.array_equal(kept["keys"], keys):
                return np.asarray(kept["embedded"], np.float32)
    embedded = load().embed([row.text or "" for row in rows])
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part.npz")
    np.savez(part, keys=keys, embedded=embedded)
    part.replace(file)
    return embedded
