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

from sluice.contract import N_SCORED_FRAMES
from sluice.features import N_FRAMES
from sluice.features.audio import log_mel
from sluice.schema import LABELS
from sluice_models.data.bundle import Example, Split, read_media
from sluice_models.recipes.audio.channel import colour, pass_channel
from sluice_models.recipes.audio.events import synthesise_gunshot, synthesise_scream
from sluice_models.recipes.audio.sounds import (
    N_SAMPLES,
    SHRILL,
    SOUNDS,
    SUDDEN,
    Waveform,
    babble,
    hiss,
    set_peak,
    synthesise,
)

SEEN = ("weapons", "gunshot", "scream", "shouting")
"""Labels that sound can carry here; every other label counts as 0."""
WEAPONS, GUNSHOT, SCREAM = (LABELS.index(label) for label in ("weapons", "gunshot", "scream"))
EVENTS = [GUNSHOT, SCREAM]
HARMLESS = np.zeros(len(LABELS), np.float32)
MIXED_SNR_DB, CLEAN_SNR_DB = (-10.0, 25.0), (25.0, 60.0)
CLEAN_SHARE = 0.12
"""Of the windows, in which the background is hardly heard."""
GATE = 10**-3.6
"""Of a clip's loudest power: what is under it before and after the sound is cut off."""
_BLOCK = 320  # 20 ms
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
class Pools:
    """Clips with a shot, with a scream, and without either."""

    shots: list[Clip]
    screams: list[Clip]
    others: list[Clip]


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
    """Targets, shape = (labels,): what sound cannot carry is 0; what holds no shot holds no weapon either."""
    completed = np.where(np.isin(LABELS, SEEN), targets, 0.0).astype(np.float32)
    if completed[GUNSHOT] == 0 and np.isnan(completed[WEAPONS]):
        completed[WEAPONS] = 0.0
    return completed


def compose_sounds(clips: list[Clip], n_rows: int, seed: int) -> Sounds:
    """Make `n_rows` varied windows; the same seed makes the same."""
    rng = np.random.default_rng(seed)
    pools = sort_clips(clips)
    return _stack([_compose(pools, rng) for _ in range(n_rows)])


def sort_clips(clips: list[Clip]) -> Pools:
    """Clips by what they hold."""
    return Pools(
        shots=[clip for clip in clips if clip.targets[GUNSHOT] == 1],
        screams=[clip for clip in clips if clip.targets[SCREAM] == 1],
        others=[clip for clip in clips if not clip.is_event],
    )


def plain_sounds(clips: list[Clip], n_synthetic: int, seed: int) -> Sounds:
    """The clips as they are, and `n_synthetic` harmless sounds: for validation."""
    rng = np.random.default_rng(seed)
    clips = clips + [Clip(synthesise(rng), HARMLESS) for _ in range(n_synthetic)]
    return _stack([(clip.waveform, clip.targets, _frame_targets(clip, 0)) for clip in clips])


Row = tuple[Waveform, npt.NDArray[np.float32], npt.NDArray[np.float32]]
KINDS = {"shots": 0.2, "made_shots": 0.1, "screams": 0.13, "made_screams": 0.1, "others": 0.16, "sudden": 0.13}
KINDS |= {"shrill": 0.1, "nothing": 0.08}
"""What stands before the background, and how often."""


def _compose(pools: Pools, rng: np.random.Generator) -> Row:
    kind = str(rng.choice(list(KINDS), p=list(KINDS.values())))
    foreground = augment(draw_foreground(kind, pools, rng), rng)
    lowest, highest = MIXED_SNR_DB if rng.random() >= CLEAN_SHARE else CLEAN_SNR_DB
    return mix(foreground, draw_background(pools, rng), rng.uniform(lowest, highest), rng)


def draw_foreground(kind: str, pools: Pools, rng: np.random.Generator) -> Clip:
    """An event, or a sound that may be taken for one; `kind` is one of `KINDS`."""
    recorded = {"shots": pools.shots, "screams": pools.screams, "others": pools.others}.get(kind)
    if recorded:
        return recorded[rng.integers(len(recorded))]
    if kind in ("made_shots", "made_screams"):
        return make_event("gunshot" if kind == "made_shots" else "scream", rng)
    if kind == "nothing":
        return Clip(np.zeros(1, np.float32), HARMLESS)
    sounds = {"sudden": SUDDEN, "shrill": SHRILL}.get(kind, SOUNDS)
    return Clip(sounds[rng.integers(len(sounds))](rng), HARMLESS)


def make_event(label: str, rng: np.random.Generator) -> Clip:
    """A shot or a scream made by program."""
    targets = HARMLESS.copy()
    targets[LABELS.index(label)] = 1.0
    targets[WEAPONS] = targets[GUNSHOT]
    return Clip(synthesise_gunshot(rng) if label == "gunshot" else synthesise_scream(rng), targets)


def augment(clip: Clip, rng: np.random.Generator) -> Clip:
    """Cut out what is loud, at another speed by up to 20 %, half of the time shortened, coloured, or both.

    The cut takes away the silence and the noise floor that a recording has and others do not.
    """
    speed = rng.uniform(0.8, 1.2)
    places = np.arange(0, len(clip.waveform), speed)
    varied = cut_out(np.interp(places, np.arange(len(clip.waveform)), clip.waveform).astype(np.float32)[:N_SAMPLES])
    if rng.random() < 0.5:
        varied = _soften(varied[: max(round(len(varied) * rng.uniform(0.3, 1)), min(len(varied), _BLOCK))])
    return Clip(colour(varied, rng) if rng.random() < 0.5 else varied, clip.targets)


def cut_out(waveform: Waveform) -> Waveform:
    """From the first to the last stretch of 20 ms that is at most 36 dB under the loudest, and one more either side."""
    powers = _block_powers(waveform)
    loud = np.flatnonzero(powers >= GATE * powers.max())
    return _soften(waveform[max(int(loud[0]) - 1, 0) * _BLOCK : (int(loud[-1]) + 2) * _BLOCK])


def _soften(waveform: Waveform) -> Waveform:
    """Fades of 5 ms at the start and 40 ms at the end: a hard cut would be heard."""
    rise, fall = min(80, len(waveform)), min(640, len(waveform))
    softened = waveform.copy()
    softened[:rise] *= np.linspace(0, 1, rise, dtype=np.float32)
    softened[len(softened) - fall :] *= np.linspace(1, 0, fall, dtype=np.float32)
    return softened


def draw_background(pools: Pools, rng: np.random.Generator) -> Clip:
    """Noise, a harmless sound made by program, speech-like babble, or recorded clips without an event in a row."""
    kind = rng.choice(4, p=(0.25, 0.2, 0.1, 0.45))
    if kind == 3 and pools.others:
        return _string_together(pools.others, rng)
    sound = (hiss, SOUNDS[rng.integers(len(SOUNDS))], babble, hiss)[kind]
    return Clip(sound(rng), HARMLESS)


def _string_together(clips: list[Clip], rng: np.random.Generator) -> Clip:
    """Clips at like level one after the other, with pauses of up to 0.3 s, until the window is full."""
    joined, targets, end = np.zeros(N_SAMPLES, np.float32), HARMLESS, 0
    while end < N_SAMPLES:
        clip = clips[rng.integers(len(clips))]
        kept = set_peak(clip.waveform[: N_SAMPLES - end], rng.uniform(0.5, 1))
        joined[end : end + len(kept)] = kept
        targets = join_targets(targets, clip.targets)
        end += len(kept) + int(rng.integers(4800))
    return Clip(joined, targets)


def join_targets(first: npt.NDArray[np.float32], second: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Targets of two sounds at once, shape = (labels,): 1 where either is, NaN where nobody knows."""
    return np.where((first == 1) | (second == 1), np.float32(1), np.maximum(first, second))


def mix(foreground: Clip, background: Clip, snr_db: float, rng: np.random.Generator) -> Row:
    """Lay one over the other at a random place and pass the sum through a random channel."""
    room = N_SAMPLES - len(foreground.waveform)
    start = int(rng.integers(room + 1)) if room > 0 else 0
    placed = np.zeros(N_SAMPLES, np.float32)
    placed[start : start + len(foreground.waveform)] = foreground.waveform[:N_SAMPLES]
    mixed = placed + scale_background(background.waveform, foreground.waveform, snr_db)
    targets = join_targets(foreground.targets, background.targets)
    return pass_channel(mixed, rng), targets, _frame_targets(Clip(foreground.waveform, targets), start)


def scale_background(background: Waveform, foreground: Waveform, snr_db: float) -> Waveform:
    """The background so loud that `loud_power` of the foreground is `snr_db` above its own.

    Where either is silent, the background stays as it is.
    """
    powers = loud_power(foreground), loud_power(background)
    if min(powers) <= 0:
        return background
    return np.asarray(background * np.sqrt(powers[0] / powers[1] * 10 ** (-snr_db / 10)), np.float32)


def loud_power(waveform: Waveform) -> float:
    """Mean power of the stretches of 20 ms that are at most 24 dB under the loudest one: pauses do not count."""
    powers = _block_powers(waveform)
    return float(powers[powers >= LOUD_SHARE**2 * powers.max()].mean())


def _block_powers(waveform: Waveform) -> npt.NDArray[np.float32]:
    padded = np.pad(waveform, (0, -len(waveform) % _BLOCK))
    return np.asarray((padded.reshape(-1, _BLOCK) ** 2).mean(axis=1))


def _frame_targets(clip: Clip, start: int) -> npt.NDArray[np.float32]:
    """Per frame, shape = (labels, 50): an event where its clip is loud, NaN where its label is."""
    frames = np.repeat(clip.targets[:, None], N_SCORED_FRAMES, axis=1)
    envelope = np.zeros(N_SAMPLES, np.float32)
    envelope[start : start + len(clip.waveform)] = np.abs(clip.waveform)
    peaks = envelope.reshape(N_SCORED_FRAMES, -1).max(axis=1)
    quiet = peaks < LOUD_SHARE * max(float(peaks.max()), 1e-6)
    frames[:, quiet] = np.where(clip.targets[:, None] == 1, 0.0, frames[:, quiet])
    return frames.astype(np.float32)


def _stack(rows: list[Row]) -> Sounds:
    waveforms, targets, frames = zip(*rows, strict=True)
    return Sounds(np.stack([log_mel(waveform) for waveform in waveforms]), np.stack(targets), np.stack(frames))


def sound_batches(sounds: Sounds, n_batch: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Endless augmented batches: log-mels (B, 64, 200), targets (B, labels), and frame targets (B, labels, 50)."""
    rng = np.random.default_rng(0)
    while True:
        order = rng.permutation(len(sounds.targets))
        for start in range(0, len(order) - n_batch + 1, n_batch):
            chosen = order[start : start + n_batch]
            varied = _augment_log_mels(sounds.log_mels[chosen], rng)
            parts = (varied, sounds.targets[chosen], sounds.frames[chosen])
            log_mels, targets, frames = (torch.from_numpy(part) for part in parts)
            yield log_mels, targets, frames


def _augment_log_mels(log_mels: npt.NDArray[np.float32], rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Another microphone (a tilt of up to 12 dB over the bands), and a band of 8 or a stretch of 12 frames hidden."""
    tilts = rng.uniform(-0.3, 0.3, (len(log_mels), 1, 1)) * np.linspace(-0.5, 0.5, log_mels.shape[1])[:, None]
    varied = np.clip(log_mels + tilts, -1, 1).astype(np.float32)
    for row in varied:
        band, frame = rng.integers(log_mels.shape[1] - 8), rng.integers(N_FRAMES - 12)
        if rng.random() < 0.3:
            row[band : band + 8] = -1
        if rng.random() < 0.3:
            row[:, frame : frame + 12] = -1
    return varied
