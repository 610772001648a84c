"""Trains the models from the bundle: ``python -m sluice_models.train --bundle DIR --all``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from sluice.errors import SettingsError
from sluice_models.config import RUNS, AudioConfig, FusionConfig, ImageConfig, Training, load_config
from sluice_models.console import report_errors
from sluice_models.training.parallel_jobs import Job, run_jobs
from sluice_models.training.train_audio import train_audio
from sluice_models.training.train_fusion import train_fusion
from sluice_models.training.train_image import train_image
from sluice_models.training.train_text import train_text_model


class Part(StrEnum):
    """What `--only` takes, in the order in which one needs the other."""

    TEXT = "text"
    IMAGE = "image"
    AUDIO = "audio"
    FUSION = "fusion"


NEEDS = {Part.FUSION: (Part.TEXT, Part.IMAGE, Part.AUDIO)}


def train_part(part: Part, bundle: Path, runs: Path, share: float, console: Console) -> None:
    """Train one model."""
    if part is Part.TEXT:
        train_text_model(bundle, runs, console, share)
    elif part is Part.IMAGE:
        image = load_config("image_encoder", ImageConfig)
        shorter = msgspec.structs.replace(image, training=_shorten(image.training, share))
        train_image(bundle, shorter, runs, console)
    elif part is Part.AUDIO:
        train_audio(bundle, _shorten(load_config("audio_encoder", AudioConfig).training, share), runs, console)
    else:
        train_fusion(bundle, _shorten(load_config("fusion", FusionConfig).training, share), runs, console)


def _shorten(training: Training, share: float) -> Training:
    return msgspec.structs.replace(training, n_steps=max(1, round(training.n_steps * share)))


def train_all(bundle: Path, runs: Path, share: float, console: Console) -> None:
    """Every part in a process of its own, as many at a time as there are cores, each on one thread.

    A network this small leaves a second thread half idle; two at a time get through in two thirds of the time.
    """
    options = ["--bundle", str(bundle), "--runs", str(runs), "--share", str(share)]
    jobs = [Job(part, ("sluice_models.train", "--only", part, *options), NEEDS.get(part, ())) for part in Part]
    run_jobs(jobs, runs / "logs", console)


def main(
    bundle: Annotated[Path, typer.Option(help="The unpacked training bundle.", envvar="SLUICE_BUNDLE")],
    everything: Annotated[bool, typer.Option("--all", help="Every part, in parallel processes.")] = False,
    only: Annotated[list[Part] | None, typer.Option(help="Train only this; may be repeated.")] = None,
    share: Annotated[float, typer.Option(min=0, max=1, help="Share of the YAML's steps: for a quick try.")] = 1.0,
    runs: Annotated[Path, typer.Option(help="Where checkpoints go; an interrupted run resumes there.")] = RUNS,
) -> None:
    """Train text, image and audio encoder, then the fusion on them; those that were not trained here are as shipped."""
    console = Console(stderr=True)
    with report_errors():
        if everything == bool(only):
            raise SettingsError("say either --all or --only PART")
        if everything:
            train_all(bundle, runs, share, console)
        for part in only or ():
            train_part(part, bundle, runs, share, console)


if __name__ == "__main__":
    typer.run(main)
