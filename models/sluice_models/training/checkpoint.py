"""Building the models, and their checkpoints under `runs/`."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor, nn

from sluice.contract import ENCODER_NAMES
from sluice.errors import SettingsError
from sluice_models.config import (
    BYTE_FILE,
    TOKENIZER_FILE,
    AudioConfig,
    FusionConfig,
    ImageConfig,
    ModelName,
    TextConfig,
    load_config,
)
from sluice_models.data.vocabulary import minilm_folder
from sluice_models.networks.audio import AudioEncoder
from sluice_models.networks.fusion import Encoder, Fusion
from sluice_models.networks.image import ImageEncoder
from sluice_models.networks.text import TextEncoder, WordTower

ENCODERS = ENCODER_NAMES
"""In the order of the fusion's kinds."""

MINILM_LAYER = {
    "attention.self.query": "attention.query",
    "attention.self.key": "attention.key",
    "attention.self.value": "attention.value",
    "attention.output.dense": "attention.out",
    "attention.output.LayerNorm": "attention_norm",
    "intermediate.dense": "widen",
    "output.dense": "narrow",
    "output.LayerNorm": "norm",
}


def build_text_encoder() -> TextEncoder:
    """An untrained text encoder: its word tower starts from MiniLM, its byte tower from nothing."""
    words, pieces = (len(Tokenizer.from_file(str(file)).get_vocab()) for file in (TOKENIZER_FILE, BYTE_FILE))
    encoder = TextEncoder(load_config("text_encoder", TextConfig).network, words, pieces)
    start_from_minilm(encoder.words)
    return encoder


def start_from_minilm(tower: WordTower) -> None:
    """Fill a word tower from MiniLM; tokens that MiniLM lacks start near its mean embedding."""
    tower.load_state_dict(_minilm_weights(Tokenizer.from_file(str(TOKENIZER_FILE)).get_vocab()), strict=False)


def build_image_encoder() -> ImageEncoder:
    """An untrained image encoder."""
    return ImageEncoder(load_config("image_encoder", ImageConfig).network)


def build_audio_encoder() -> AudioEncoder:
    """An untrained audio encoder."""
    return AudioEncoder(load_config("audio_encoder", AudioConfig).network)


def build_fusion() -> Fusion:
    """An untrained fusion."""
    return Fusion(load_config("fusion", FusionConfig).network)


def build(name: ModelName) -> Encoder | Fusion:
    """Any of the four, untrained."""
    if name == "text_encoder":
        return build_text_encoder()
    if name == "image_encoder":
        return build_image_encoder()
    return build_audio_encoder() if name == "audio_encoder" else build_fusion()


def minilm_indices(tokens: dict[str, int]) -> tuple[list[int], list[int]]:
    """Rows of our embedding that MiniLM has too, and where they stand in its own."""
    known = Tokenizer.from_file(str(minilm_folder() / "tokenizer.json")).get_vocab()
    shared = [token for token in tokens if token in known]
    return [tokens[token] for token in shared], [known[token] for token in shared]


def _minilm_weights(tokens: dict[str, int]) -> dict[str, Tensor]:
    source = load_file(minilm_folder() / "model.safetensors")
    weights = {"words.weight": _word_embedding(source["embeddings.word_embeddings.weight"], tokens)}
    weights["positions.weight"] = (
        source["embeddings.position_embeddings.weight"] + source["embeddings.token_type_embeddings.weight"][0]
    )
    for part in ("weight", "bias"):
        weights[f"embedding_norm.{part}"] = source[f"embeddings.LayerNorm.{part}"]
    for name, tensor in source.items():
        if name.startswith("encoder.layer."):
            weights[_our_name(name)] = tensor
    return weights


def _our_name(name: str) -> str:
    _, _, index, rest = name.split(".", 3)
    module, _, part = rest.rpartition(".")
    return f"layers.{index}.{MINILM_LAYER[module]}.{part}"


def _word_embedding(known: Tensor, tokens: dict[str, int]) -> Tensor:
    ours, theirs = minilm_indices(tokens)
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(len(tokens), known.shape[1], generator=generator) * known.std(dim=0) * 0.5
    embedding = known.mean(dim=0) + noise
    embedding[ours] = known[theirs]
    return embedding


def checkpoint_file(runs: Path, name: str) -> Path:
    """Where a trained model lies."""
    return runs / f"{name}.pt"


def save(model: nn.Module, file: Path) -> None:
    """Write a model's weights; the file is whole or the old one."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    torch.save(model.state_dict(), part)
    part.replace(file)


def load_state(model: nn.Module, name: str, runs: Path) -> None:
    """Fill a model with what was trained; raises `SettingsError` if it has not been trained yet."""
    file = checkpoint_file(runs, name)
    if not file.is_file():
        raise SettingsError(
            f"{file} does not exist; run python -m sluice_models.train --only {name.removesuffix('_encoder')}"
        )
    model.load_state_dict(torch.load(file, weights_only=True))


def load(name: ModelName, runs: Path) -> Encoder | Fusion:
    """A trained model in evaluation mode; raises `SettingsError` if it has not been trained yet."""
    model = build(name)
    load_state(model, name, runs)
    return model.eval()
