"""Trains the first stage on what the others say of texts: ``python -m sluice_models.first_stage --bundle DIR``.

Text encoder and fusion have to be exported before; they read the training texts first, which takes most of an hour on
two cores, and what they said is kept. ``python -m sluice_models.export`` then writes the first stage beside them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from sluice.features import UND
from sluice_models.config import (
    MEASURED_FILE,
    RUNS,
    TRITON_REPO,
    FirstStageConfig,
    Measured,
    Training,
    digest_models,
    load_config,
    read_languages,
)
from sluice_models.console import report_errors
from sluice_models.data.bundle import read_texts
from sluice_models.export import HALF_FROM_ELEMENTS
from sluice_models.measure.context import shipped_thresholds
from sluice_models.measure.first_stage import FOLDER
from sluice_models.measure.hard_texts import teach_hard_texts
from sluice_models.measure.teacher import gather_lessons, review_logits, roughen_some, teach_all
from sluice_models.networks.first_stage import FirstStage, reduce_weights
from sluice_models.recipes.text.taught import Taught, join_taught
from sluice_models.training.checkpoint import checkpoint_file, save
from sluice_models.training.clearing import Looked, choose_clearing
from sluice_models.training.suspicion import read_suspicion
from sluice_models.training.train_first_stage import NAME, find_words, train_first_stage

SLACK = 1e-3
"""Taken off each limit: no two processors compute suspicion to the last digit alike."""


def train(bundle: Path, share: float, runs: Path, repository: Path, console: Console) -> FirstStage:
    """Train for a share of the steps, and store the weights as they are exported."""
    config = load_config(NAME, FirstStageConfig)
    thresholds = review_logits(shipped_thresholds().review)
    examples = gather_lessons(read_texts(bundle, "train"), config.lessons)
    plain = teach_all(examples, runs / FOLDER, console, repository)
    taught = join_taught([plain, roughen_some(plain, examples, config.lessons.n_rough)])
    words = find_words(repository / "text_encoder" / "1" / "model.onnx", taught, config.network.d_word)
    config = msgspec.structs.replace(config, training=_shorten(config.training, share))
    stage = train_first_stage(taught, words, thresholds, config, runs, console)
    return reduce_weights(stage, HALF_FROM_ELEMENTS)


def _shorten(training: Training, share: float) -> Training:
    return msgspec.structs.replace(training, n_steps=max(1, round(training.n_steps * share)))


def set_threshold(stage: FirstStage, held_out: Taught, harmful: Iterable[Taught], repository: Path) -> Measured:
    """Take off its suspicion the lowest language's limit; returns all of them, and what they hold for."""
    review, read = shipped_thresholds().review, (*read_languages(repository), UND)
    stage.threshold.zero_()
    texts, *others = (Looked(taught, read_suspicion(stage, taught)) for taught in (held_out, *harmful))
    limits = choose_clearing(texts, review_logits(review), read, others).limits
    lowest = min(limits.values(), default=0.0)
    stage.threshold.fill_(lowest - SLACK)
    above = {code: math.floor((limit - lowest) * 1000) / 1000 for code, limit in limits.items()}
    return Measured(digest_models(repository), above, dict(review))


def main(
    bundle: Annotated[Path, typer.Option(help="The unpacked training bundle.", envvar="SLUICE_BUNDLE")],
    share: Annotated[float, typer.Option(min=0, max=1, help="Share of the YAML's steps: for a quick try.")] = 1.0,
    runs: Annotated[Path, typer.Option(help="Where the checkpoint goes; an interrupted run resumes there.")] = RUNS,
    repository: Annotated[Path, typer.Option(help="The Triton model repository to learn from.")] = TRITON_REPO,
) -> None:
    """Train the first stage, and choose on the validation split from where and in which languages it clears texts."""
    console = Console(stderr=True)
    with report_errors():
        stage = train(bundle, share, runs, repository, console)
        examples = read_texts(bundle, "val")
        held_out = teach_all(examples, runs / FOLDER, console, repository)
        harmful = teach_hard_texts(examples, runs / FOLDER, console, repository)
        measured = set_threshold(stage, held_out, harmful.values(), repository)
        save(stage, checkpoint_file(runs, NAME))
        (runs / MEASURED_FILE).write_bytes(msgspec.json.format(msgspec.json.encode(measured)) + b"\n")
    typer.echo(f"suspicion below which texts are cleared: {measured.languages}")


if __name__ == "__main__":
    typer.run(main)
