"""Trains the models from the bundle: ``python -m models.train --bundle DIR``."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from models.config import RUNS, AudioConfig, FusionConfig, ImageConfig, TextConfig, Training, load_config
from models.console import report_errors
from models.train_audio import train_audio
from models.train_fusion import train_fusion
from models.train_image import train_image
from models.train_text import train_text

FURTHER_SHARE = 0.5
"""Of the learning rates, for a model that is trained already."""


class Part(StrEnum):
    """What `--only` takes."""

    TEXT = "text"
    IMAGE = "image"
    AUDIO = "audio"
    FUSION = "fusion"


@dataclass(frozen=True)
class Request:
    """What the command line asks for; `share` and `further` change what the YAML files say."""

    bundle: Path
    runs: Path
    share: float
    further: bool

    def adapt(self, training: Training) -> Training:
        """The YAML's training with this request's budget and rates."""
        rate = FURTHER_SHARE if self.further else 1.0
        return msgspec.structs.replace(
            training,
            n_steps=max(1, round(training.n_steps * self.share)),
            learning_rate=training.learning_rate * rate,
            fresh_learning_rate=training.fresh_learning_rate * rate,
        )


def train_part(part: Part, request: Request, console: Console) -> None:
    """Train one model."""
    bundle, runs, further = request.bundle, request.runs, request.further
    if part is Part.TEXT:
        training = request.adapt(load_config("text_encoder", TextConfig).training)
        train_text(bundle, training, runs, console, further)
    elif part is Part.IMAGE:
        training = request.adapt(load_config("image_encoder", ImageConfig).training)
        train_image(bundle, training, runs, console, further)
    elif part is Part.AUDIO:
        training = request.adapt(load_config("audio_encoder", AudioConfig).training)
        train_audio(bundle, training, runs, console, further)
    else:
        train_fusion(bundle, request.adapt(load_config("fusion", FusionConfig).training), runs, console)


def main(
    bundle: Annotated[Path, typer.Option(help="The unpacked training bundle.", envvar="SLUICE_BUNDLE")],
    only: Annotated[list[Part] | None, typer.Option(help="Train only this; may be repeated.")] = None,
    share: Annotated[float, typer.Option(min=0, max=1, help="Share of the YAML's steps: for a quick try.")] = 1.0,
    further: Annotated[bool, typer.Option(help="Go on from finished encoders, at half of the rates.")] = False,
    runs: Annotated[Path, typer.Option(help="Where checkpoints go; an interrupted run resumes there.")] = RUNS,
) -> None:
    """Train text, image and audio encoders, then the fusion. The fusion needs the other three."""
    console = Console(stderr=True)
    request = Request(bundle, runs, share, further)
    with report_errors():
        for part in only or list(Part):
            train_part(part, request, console)


if __name__ == "__main__":
    typer.run(main)
