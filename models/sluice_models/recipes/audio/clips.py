"""The bundle's clips by what they hold, and events made by program beside them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from sluice.schema import LABELS
from sluice_models.data.bundle import Example, Split, read_media
from sluice_models.recipes.audio.events import synthesise_gunshot, synthesise_scream
from sluice_models.recipes.audio.sounds import (
    N_SAMPLES,
    Waveform,
)

SEEN = ("gunshot", "scream", "shouting")
"""Labels that sound can carry here; every other label counts as 0."""
GUNSHOT, SCREAM = (LABELS.index(label) for label in ("gunshot", "scream"))
EVENTS = [GUNSHOT, SCREAM]
HARMLESS = np.zeros(len(LABELS), np.float32)


@dataclass(frozen=True)
class Clip:
    """`waveform`, shape = (n,), at 16 kHz, its `targets`, shape = (labels,), and the data set it comes from."""

    waveform: Waveform
    targets: npt.NDArray[np.float32]
    source: str = ""

    @property
    def is_event(self) -> bool:
        """Whether there is something sudden in it that a label names."""
        return bool((self.targets[EVENTS] == 1).any())


@dataclass(frozen=True)
class Pools:
    """Clips with a shot, with a scream, and without either, these by data set.

    One data set of spoken digits has more clips than all others together: every set is drawn from as often.
    """

    shots: list[Clip]
    screams: list[Clip]
    others: list[list[Clip]]


def read_clips(bundle: Path, split: Split) -> list[Clip]:
    """All clips of a split, 16 kHz mono as the bundle stores them."""
    return [_read_clip(example) for example in read_media(bundle, "audio", split) if example.media]


def _read_clip(example: Example) -> Clip:
    waveform, _ = soundfile.read(str(example.media), dtype="float32")
    return Clip(waveform[:N_SAMPLES], sound_targets(example.targets), example.source)


def sound_targets(targets: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Targets, shape = (labels,): what sound cannot carry is 0.

    That is also `weapons`: a bang is a `gunshot` at most, and what it means beside a text is for the fusion to say.
    """
    return np.where(np.isin(LABELS, SEEN), targets, 0.0).astype(np.float32)


def sort_clips(clips: list[Clip]) -> Pools:
    """Clips by what they hold."""
    return Pools(
        shots=[clip for clip in clips if clip.targets[GUNSHOT] == 1],
        screams=[clip for clip in clips if clip.targets[SCREAM] == 1],
        others=group_sources([clip for clip in clips if not clip.is_event]),
    )


def group_sources(clips: list[Clip]) -> list[list[Clip]]:
    """Clips of the same data set together."""
    sources = dict.fromkeys(clip.source for clip in clips)
    return [[clip for clip in clips if clip.source == source] for source in sources]


def draw_recorded(groups: list[list[Clip]], rng: np.random.Generator) -> Clip:
    """A clip of any group, each as likely."""
    group = groups[rng.integers(len(groups))]
    return group[rng.integers(len(group))]


def make_event(label: str, rng: np.random.Generator) -> Clip:
    """A shot or a scream made by program."""
    targets = HARMLESS.copy()
    targets[LABELS.index(label)] = 1.0
    return Clip(synthesise_gunshot(rng) if label == "gunshot" else synthesise_scream(rng), targets)
