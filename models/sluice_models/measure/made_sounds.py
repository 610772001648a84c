"""What sounds made by program earn: ``python -m sluice_models.measure.made_sounds --bundle DIR``.

The same small training with more and more of them, each measured on recordings alone: every second shot and scream is
kept back, and so are whole data sets of harmless sounds, and those under non-commercial terms.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
import soundfile
import typer
from rich.console import Console

from sluice.intervals import Bools, Figure, Floats, draw_counts, measure_with_interval, resample_auprc
from sluice_models.config import RUNS, AudioConfig, load_config
from sluice_models.console import report_errors
from sluice_models.data.bundle import read_unused_media
from sluice_models.measure.mixtures import score_windows
from sluice_models.networks.audio import AudioEncoder
from sluice_models.recipes.audio.clips import GUNSHOT, SCREAM, Clip, read_clips, sound_targets
from sluice_models.recipes.audio.sounds import N_SAMPLES
from sluice_models.recipes.audio.windows import SHARES, Shares
from sluice_models.training.train_audio import train_on

KEPT_BACK = frozenset({"minetest_game_sounds"})
"""Data sets of harmless sounds that the arms do not see."""
FOUND = 0.9
"""Share of the events that a threshold is to find, where false alarms are counted."""
MADE_HARMLESS = frozenset({"sudden", "shrill", "steady", "noise", "made", "babble"})
RECORDED = {"shots": "made_shots", "screams": "made_screams"}
"""Kinds of recorded events, and what is made by program of the same kind."""
ARMS: dict[str, tuple[frozenset[str], float]] = {
    "recordings alone": (MADE_HARMLESS, 0.0),
    "and harmless sounds made by program": (frozenset(), 0.0),
    "and half of the shots and screams made by program": (frozenset(), 0.5),
}
"""What each training leaves out, and the share of its events that are made."""


@dataclass(frozen=True)
class ArmRow:
    """One training, one label.

    Attributes
    ----------
    alarms : float
        Share of the harmless recordings that reach the score which finds `FOUND` of the events.
    """

    arm: str
    label: str
    n_positives: int
    n_negatives: int
    auprc: Figure
    alarms: float


@dataclass(frozen=True)
class Split:
    """Clips to train on, and clips to measure on."""

    seen: list[Clip]
    measured: list[Clip]


def mix_for(arm: str) -> Shares:
    """The shipped mix without what an arm leaves out: events stay as frequent, the rest keeps its proportions."""
    left_out, made_share = ARMS[arm]
    events: dict[str, float] = {}
    for recorded, made in RECORDED.items():
        total = SHARES.foregrounds.get(recorded, 0.0) + SHARES.foregrounds.get(made, 0.0)
        events |= {recorded: total * (1 - made_share), made: total * made_share}
    harmless = _without(SHARES.foregrounds, left_out | events.keys())
    scaled = _scale(harmless, 1 - sum(events.values()))
    return Shares(events | scaled, _scale(_without(SHARES.backgrounds, left_out), 1.0))


def _without(shares: Mapping[str, float], left_out: frozenset[str]) -> dict[str, float]:
    return {kind: share for kind, share in shares.items() if kind not in left_out}


def _scale(shares: Mapping[str, float], total: float) -> dict[str, float]:
    return {kind: share * total / sum(shares.values()) for kind, share in shares.items()}


def split_clips(clips: Sequence[Clip], unused: Sequence[Clip]) -> Split:
    """Every second event and all of `KEPT_BACK` and `unused` are measured on."""
    events = [clip for clip in clips if clip.is_event]
    harmless = [clip for clip in clips if not clip.is_event]
    seen = [clip for clip in harmless if clip.source not in KEPT_BACK]
    measured = [clip for clip in harmless if clip.source in KEPT_BACK]
    return Split(seen + events[::2], measured + events[1::2] + list(unused))


def read_split(bundle: Path) -> Split:
    """Both splits' clips; raises `SettingsError` where there is no bundle."""
    unused = [
        Clip(soundfile.read(str(row.media), dtype="float32")[0][:N_SAMPLES], sound_targets(row.targets), row.source)
        for row in read_unused_media(bundle, "audio")
        if row.media
    ]
    return split_clips([*read_clips(bundle, "train"), *read_clips(bundle, "val")], unused)


def measure_arm(arm: str, encoder: AudioEncoder, measured: Sequence[Clip]) -> Iterator[ArmRow]:
    """A row per label."""
    scores = score_windows(encoder, (clip.waveform for clip in measured))
    targets = np.stack([clip.targets for clip in measured])
    for name, label in (("gunshot", GUNSHOT), ("scream", SCREAM)):
        known = ~np.isnan(targets[:, label])
        yield _measure_label(arm, name, scores[known, label], targets[known, label] == 1)


def _measure_label(arm: str, label: str, scores: Floats, positive: Bools) -> ArmRow:
    reached = scores[~positive] >= np.quantile(scores[positive], 1 - FOUND)
    auprc = measure_with_interval(resample_auprc, scores, positive, draw_counts(len(positive)))
    return ArmRow(arm, label, int(positive.sum()), int((~positive).sum()), auprc, float(reached.mean()))


def run_arm(arm: str, split: Split, n_steps: int, runs: Path, console: Console) -> Iterator[ArmRow]:
    """Train once, or take up what was interrupted, and measure."""
    training = msgspec.structs.replace(load_config("audio_encoder", AudioConfig).training, n_steps=n_steps)
    n_sounds = n_steps * training.n_batch // 5
    folder = runs / "made_sounds" / arm.replace(" ", "_")
    encoder = train_on(split.seen, mix_for(arm), n_sounds, training, folder, console)
    yield from measure_arm(arm, encoder, split.measured)


def main(
    bundle: Annotated[Path, typer.Option(help="The unpacked training bundle.", envvar="SLUICE_BUNDLE")],
    steps: Annotated[int, typer.Option(min=1, help="Steps of each training.")] = 150,
    runs: Annotated[Path, typer.Option(help="Where checkpoints go; a run resumes there.")] = RUNS,
) -> None:
    """Train and measure every arm."""
    console = Console(stderr=True)
    with report_errors():
        split = read_split(bundle)
        typer.echo(
            "| training | label | 1 | 0 | AUPRC | false alarms at 90 % found |\n| --- | --- | --- | --- | --- | --- |"
        )
        for arm in ARMS:
            for row in run_arm(arm, split, steps, runs, console):
                counts = f"{row.n_positives} | {row.n_negatives}"
                typer.echo(f"| {row.arm} | {row.label} | {counts} | {row.auprc} | {row.alarms:.1%} |")


if __name__ == "__main__":
    typer.run(main)
