"""Building the models, and their checkpoints under `runs/`."""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import nn

from sluice.contract import ENCODER_NAMES
from sluice.errors import SettingsError
from sluice_models.config import (
    TOKENIZER_FILE,
    AudioConfig,
    FirstStageConfig,
    FusionConfig,
    ImageConfig,
    ModelName,
    TextConfig,
    TrainedName,
    load_config,
)
from sluice_models.networks.audio import AudioEncoder
from sluice_models.networks.first_stage import CodedWords, FirstStage
from sluice_models.networks.fusion import Fusion
from sluice_models.networks.image import PictureNetwork
from sluice_models.networks.residual import ResidualEncoder
from sluice_models.networks.text import TextEncoder
from sluice_models.networks.two_towers import TwoTowers
from sluice_models.training.onnx_encoder import OnnxEncoder

ENCODERS = ENCODER_NAMES
"""In the order of the fusion's kinds."""
Network = TextEncoder | TwoTowers | AudioEncoder
"""What gives the fusion its tokens, trained here."""
Encoder = Network | OnnxEncoder
"""What gives the fusion its tokens."""


def build_text_encoder() -> TextEncoder:
    """An untrained text encoder for the shipped vocabulary; `sluice_models.training.start` fills it."""
    return TextEncoder(load_config("text_encoder", TextConfig).network, _count_words())


def _count_words() -> int:
    return Tokenizer.from_file(str(TOKENIZER_FILE)).get_vocab_size()


def build_image_encoder() -> TwoTowers:
    """An untrained image encoder."""
    config = load_config("image_encoder", ImageConfig)
    return TwoTowers(config.network, config.own)


def build_picture_network() -> PictureNetwork:
    """The image encoder's picture network, without its weights."""
    return PictureNetwork(load_config("image_encoder", ImageConfig).network)


def build_own_tower() -> ResidualEncoder:
    """The image encoder's tower of our own, without its weights."""
    return ResidualEncoder(load_config("image_encoder", ImageConfig).own)


def build_audio_encoder() -> AudioEncoder:
    """An untrained audio encoder."""
    return AudioEncoder(load_config("audio_encoder", AudioConfig).network)


def build_fusion() -> Fusion:
    """An untrained fusion."""
    return Fusion(load_config("fusion", FusionConfig).network)


def build_first_stage() -> FirstStage:
    """An untrained first stage, its words in eight bits as they are kept."""
    network = load_config("first_stage", FirstStageConfig).network
    return FirstStage(network, CodedWords(_count_words(), network.d_word))


def build(name: TrainedName) -> Network | Fusion | FirstStage:
    """Any of the models, untrained."""
    if name == "first_stage":
        return build_first_stage()
    return build_fusion() if name == "fusion" else build_encoder(name)


def build_encoder(name: ModelName) -> Network:
    """Any of the three encoders, untrained."""
    if name == "text_encoder":
        return build_text_encoder()
    return build_image_encoder() if name == "image_encoder" else build_audio_encoder()


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
        raise SettingsError(f"{file} does not exist; run python -m sluice_models.{_find_command(name)}")
    model.load_state_dict(torch.load(file, weights_only=True))


def _find_command(name: str) -> str:
    return name if name == "first_stage" else f"train --only {name.removesuffix('_encoder')}"


def load(name: TrainedName, runs: Path) -> Network | Fusion | FirstStage:
    """A trained model in evaluation mode; raises `SettingsError` if it has not been trained yet."""
    if name == "first_stage":
        return load_first_stage(runs)
    return load_fusion(runs) if name == "fusion" else load_encoder(name, runs)


def load_first_stage(runs: Path) -> FirstStage:
    """The trained first stage in evaluation mode; raises `SettingsError` if it has not been trained yet."""
    stage = build_first_stage()
    load_state(stage, "first_stage", runs)
    return stage.eval()


def load_encoder(name: ModelName, runs: Path) -> Network:
    """A trained encoder in evaluation mode; raises `SettingsError` if it has not been trained yet."""
    encoder = build_encoder(name)
    load_state(encoder, name, runs)
    return encoder.eval()


def load_fusion(runs: Path) -> Fusion:
    """The trained fusion in evaluation mode; raises `SettingsError` if it has not been trained yet."""
    fusion = build_fusion()
    load_state(fusion, "fusion", runs)
    return fusion.eval()
