"""Trains the models from the bundle: ``python -m models.train --bundle DIR --all``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from models.config import RUNS, AudioConfig, FusionConfig, ImageConfig, TextConfig, Training, load_config
from models.console import report_errors
from models.train_fusion import train_fusion
from models.train_media import train_audio, train_image
from models.train_text import train_text


class Part(StrEnum):
    """What `--only` takes."""

    TEXT = "text"
    IMAGE = "image"
    AUDIO = "audio"
    FUSION = "fusion"


def train_part(part: Part, bundle: Path, minutes: float | None, runs: Path, console: Console) -> None:
    """Train one model; `minutes` overrides its YAML."""
    if part is Part.TEXT:
        train_text(bundle, _budget(load_config("text_encoder", TextConfig).training, minutes), runs, console)
    elif part is Part.IMAGE:
        train_image(bundle, _budget(load_config("image_encoder", ImageConfig).training, minutes), runs, console)
    elif part is Part.AUDIO:
        train_audio(bundle, _budget(load_config("audio_encoder", AudioConfig).training, minutes), runs, console)
    else:
        train_fusion(bundle, _budget(load_config("fusion", FusionConfig).training, minutes), runs, console)


def _budget(training: Training, minutes: float | None) -> Training:
    return training if minutes is None else msgspec.structs.replace(training, minutes=minutes)


def main(
    bundle: Annotated[Path, typer.Option(help="The unpacked training bundle.", envvar="SLUICE_BUNDLE")],
    only: Annotated[list[Part] | None, typer.Option(help="Train only this; may be repeated.")] = None,
    minutes: Annotated[float | None, typer.Option(help="Budget per model instead of the YAML's.")] = None,
    runs: Annotated[Path, typer.Option(help="Where checkpoints go; an interrupted run resumes there.")] = RUNS,
) -> None:
    """Train text, image and audio encoders, then the fusion. The fusion needs the other three."""
    console = Console(stderr=True)
    with report_errors():
        for part in only or list(Part):
            train_part(part, bundle, minutes, runs, console)


if __name__ == "__main__":
    typer.run(main)
