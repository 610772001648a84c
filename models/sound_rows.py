"""Sound for training: the bundle's events laid over speech, synthesised sound and noise, as log-mel windows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import torch
from torch import Tensor

from engine.features import N_FRAMES
from engine.features.audio import log_mel
from engine.schema import LABELS
from models.bundle import Example, Split, read_media
from models.encoders import AudioEncoder
from models.sounds import N_SAMPLES, Waveform, hiss, set_peak, synthesise

SEEN = ("weapons", "gunshot", "scream", "shouting")
"""Labels that sound can carry here; every other label counts as 0."""
EVENTS = [LABELS.index(label) for label in ("gunshot", "scream")]
WEAPONS, GUNSHOT = LABELS.index("weapons"), LABELS.index("gunshot")
LOUD_SHARE = 0.06
"""A frame belongs to an event where its peak is above this share of the event's (24 dB down)."""


@dataclass(frozen=True)
class Clip:
    """`waveform`, shape = (n,), at 16 kHz, and its `targets`, shape = (labels,)."""

    waveform: Waveform
    targets: npt.NDArray[np.float32]

    @property
    def is_event(self) -> bool:
        """Whether there is something sudden in it that a label names."""
        return bool((self.targets[EVENTS] == 1).any())


@dataclass(frozen=True)
class Sounds:
    """`log_mels`, shape = (n, 64, 200); `targets`, shape = (n, labels); `frames`, shape = (n, labels, 50).

    In both, NaN is not annotated.
    """

    log_mels: npt.NDArray[np.float32]
    targets: npt.NDArray[np.float32]
    frames: npt.NDArray[np.float32]


def read_clips(bundle: Path, split: Split) -> list[Clip]:
    """All clips of a split, 16 kHz mono as the bundle stores them."""
    return [_read_clip(example) for example in read_media(bundle, "audio", split) if example.media]


def _read_clip(example: Example) -> Clip:
    waveform, _ = soundfile.read(str(example.media), dtype="float32")
    return Clip(waveform[:N_SAMPLES], sound_targets(example.targets))


def sound_targets(targets: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Labels that sound cannot carry are 0; what holds no shot holds no weapon either."""
    completed = np.where(np.isin(LABELS, SEEN), targets, 0.0).astype(np.float32)
    if completed[GUNSHOT] == 0 and np.isnan(completed[WEAPONS]):
        completed[WEAPONS] = 0.0
    return completed


def compose_sounds(clips: list[Clip], n_rows: int, seed: int) -> Sounds:
    """Make `n_rows` varied windows; the same seed makes the same."""
    chance = np.random.default_rng(seed)
    events = [clip for clip in clips if clip.is_event]
    screams = [clip for clip in events if clip.targets[LABELS.index("scream")] == 1]
    others = [clip for clip in clips if not clip.is_event]
    pools = [events, screams, others, []]
    rows = [_compose(pools[chance.choice(4, p=(0.3, 0.12, 0.33, 0.25))], others, chance) for _ in range(n_rows)]
    return _stack(rows)


def plain_sounds(clips: list[Clip], n_synthetic: int, seed: int) -> Sounds:
    """The clips as they are, and `n_synthetic` harmless sounds: for validation."""
    chance = np.random.default_rng(seed)
    harmless = np.zeros(len(LABELS), np.float32)
    clips = clips + [Clip(synthesise(chance), harmless) for _ in range(n_synthetic)]
    return _stack([(clip.waveform, clip.targets, _frame_targets(clip, 0)) for clip in clips])


Row = tuple[Waveform, npt.NDArray[np.float32], npt.NDArray[np.float32]]


def _compose(pool: list[Clip], others: list[Clip], chance: np.random.Generator) -> Row:
    if not pool:
        return _over_background(Clip(synthesise(chance), np.zeros(len(LABELS), np.float32)), 0, others, chance)
    clip = pool[chance.integers(len(pool))]
    clip = Clip(_vary(clip.waveform, chance), clip.targets)
    room = N_SAMPLES - len(clip.waveform)
    return _over_background(clip, int(chance.integers(room + 1)) if room > 0 else 0, others, chance)


def _vary(waveform: Waveform, chance: np.random.Generator) -> Waveform:
    """Another speed by up to 15 %, another level, sometimes cut short at the end."""
    speed = chance.uniform(0.85, 1.15)
    places = np.arange(0, len(waveform) - 1, speed)
    varied = np.interp(places, np.arange(len(waveform)), waveform)[:N_SAMPLES]
    return set_peak(varied, chance.uniform(0.1, 0.95))


def _over_background(clip: Clip, start: int, others: list[Clip], chance: np.random.Generator) -> Row:
    mixed = np.zeros(N_SAMPLES, np.float32)
    mixed[start : start + len(clip.waveform)] = clip.waveform
    level = float(np.abs(clip.waveform).max()) * 10 ** (-chance.uniform(3, 35) / 20)
    mixed += set_peak(_background(others, chance), level)
    return mixed, clip.targets, _frame_targets(clip, start)


def _background(others: list[Clip], chance: np.random.Generator) -> Waveform:
    kind = chance.random()
    if kind < 0.35:
        return hiss(chance)
    if kind < 0.55:
        return synthesise(chance)
    padded = np.zeros(N_SAMPLES, np.float32)
    if kind < 0.85:
        speech = others[chance.integers(len(others))].waveform
        padded[: len(speech)] = speech
    return padded


def _frame_targets(clip: Clip, start: int) -> npt.NDArray[np.float32]:
    """Per frame, shape = (labels, 50): an event where its clip is loud, NaN where its label is."""
    frames = np.repeat(clip.targets[:, None], AudioEncoder.FRAMES, axis=1)
    envelope = np.zeros(N_SAMPLES, np.float32)
    envelope[start : start + len(clip.waveform)] = np.abs(clip.waveform)
    peaks = envelope.reshape(AudioEncoder.FRAMES, -1).max(axis=1)
    quiet = peaks < LOUD_SHARE * max(float(peaks.max()), 1e-6)
    frames[:, quiet] = np.where(clip.targets[:, None] == 1, 0.0, frames[:, quiet])
    return frames.astype(np.float32)


def _stack(rows: list[Row]) -> Sounds:
    waveforms, targets, frames = zip(*rows, strict=True)
    return Sounds(np.stack([log_mel(waveform) for waveform in waveforms]), np.stack(targets), np.stack(frames))


def sound_batches(sounds: Sounds, n_batch: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Endless varied batches of log-mels, targets and frame targets."""
    chance = np.random.default_rng(0)
    while True:
        order = chance.permutation(len(sounds.targets))
        for start in range(0, len(order) - n_batch + 1, n_batch):
            chosen = order[start : start + n_batch]
            varied = _vary_log_mels(sounds.log_mels[chosen], chance)
            parts = (varied, sounds.targets[chosen], sounds.frames[chosen])
            log_mels, targets, frames = (torch.from_numpy(part) for part in parts)
            yield log_mels, targets, frames


def _vary_log_mels(log_mels: npt.NDArray[np.float32], chance: np.random.Generator) -> npt.NDArray[np.float32]:
    """Another microphone (a tilt of up to 12 dB over the bands), and a band of 8 or a stretch of 12 frames hidden."""
    tilts = chance.uniform(-0.3, 0.3, (len(log_mels), 1, 1)) * np.linspace(-0.5, 0.5, log_mels.shape[1])[:, None]
    varied = np.clip(log_mels + tilts, -1, 1).astype(np.float32)
    for row in varied:
        band, frame = chance.integers(log_mels.shape[1] - 8), chance.integers(N_FRAMES - 12)
        if chance.random() < 0.3:
            row[band : band + 8] = -1
        if chance.random() < 0.3:
            row[:, frame : frame + 12] = -1
    return varied
