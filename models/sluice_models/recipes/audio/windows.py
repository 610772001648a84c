"""Windows of sound for training: events laid over speech, made sounds, noise or nothing, as log-mels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sluice.contract import N_SCORED_FRAMES
from sluice.features import N_FRAMES
from sluice.features.audio import log_mel
from sluice_models.recipes.audio.channel import colour, pass_channel
from sluice_models.recipes.audio.clips import EVENTS, HARMLESS, Clip, Pools, draw_recorded, make_event, sort_clips
from sluice_models.recipes.audio.sounds import (
    N_SAMPLES,
    SHRILL,
    SOUNDS,
    STEADY,
    SUDDEN,
    Waveform,
    babble,
    hiss,
    set_peak,
    synthesise,
)

DEEP_SNR_DB, MIXED_SNR_DB, CLEAN_SNR_DB = (-10.0, -3.0), (-3.0, 25.0), (25.0, 60.0)
DEEP_SHARE = 0.05
"""Of the windows, in which the background all but hides the sound. With more, noise alone sounds like shots."""
CLEAN_SHARE = 0.12
"""Of the windows, in which the background is hardly heard."""
GATE = 10**-3.6
"""Of a clip's loudest power: what is under it before and after the sound is cut off."""
_BLOCK = 320  # 20 ms
LOUD_SHARE = 0.06
"""A frame belongs to an event where its peak is above this share of the event's (24 dB down)."""


ENDED_SHARE = 0.5
"""Of the windows, in which the clip ends before the window does."""
MIN_HEARD = 4800
"""Samples, 0.3 s, that are heard of a foreground before its clip ends."""


@dataclass(frozen=True)
class Shares:
    """How often what is composed; each adds up to 1.

    Attributes
    ----------
    foregrounds : dict of str to float
        What stands before the background: recorded ``shots``, ``screams`` and ``others``, ``made_shots`` and
        ``made_screams``, made sounds that are ``sudden``, ``shrill`` or ``steady``, or ``nothing``.
    backgrounds : dict of str to float
        ``silence``, ``noise``, any ``made`` sound, ``babble``, or ``recorded`` clips. Files end, and what is behind
        their end is silence without any noise.
    """

    foregrounds: Mapping[str, float]
    backgrounds: Mapping[str, float]


SHARES = Shares(
    foregrounds={
        **{"shots": 0.18, "screams": 0.1, "made_screams": 0.04, "others": 0.2},
        **{"sudden": 0.22, "shrill": 0.06, "steady": 0.16, "nothing": 0.04},
    },
    backgrounds={"silence": 0.25, "noise": 0.15, "made": 0.15, "babble": 0.1, "recorded": 0.35},
)


@dataclass(frozen=True)
class Sounds:
    """`log_mels`, shape = (n, 64, 200); `targets`, shape = (n, labels); `frames`, shape = (n, labels, 50).

    In both, NaN is not annotated.
    """

    log_mels: npt.NDArray[np.float32]
    targets: npt.NDArray[np.float32]
    frames: npt.NDArray[np.float32]


def compose_sounds(clips: list[Clip], n_rows: int, seed: int, shares: Shares = SHARES) -> Sounds:
    """Make `n_rows` varied windows; the same seed makes the same."""
    rng = np.random.default_rng(seed)
    pools = sort_clips(clips)
    return _stack([_compose(pools, rng, shares) for _ in range(n_rows)])


def plain_sounds(clips: list[Clip], n_synthetic: int, seed: int) -> Sounds:
    """The clips as they are, and `n_synthetic` harmless sounds: for validation."""
    rng = np.random.default_rng(seed)
    clips = clips + [Clip(synthesise(rng), HARMLESS) for _ in range(n_synthetic)]
    return _stack([(clip.waveform, clip.targets, _frame_targets(clip, 0)) for clip in clips])


Row = tuple[Waveform, npt.NDArray[np.float32], npt.NDArray[np.float32]]


def _compose(pools: Pools, rng: np.random.Generator, shares: Shares) -> Row:
    foreground = augment(draw_foreground(_draw_kind(shares.foregrounds, rng), pools, rng), rng)
    mixed = mix(foreground, draw_background(pools, rng, shares.backgrounds), _draw_snr(rng), rng)
    return end_early(mixed, rng) if rng.random() < ENDED_SHARE else mixed


def _draw_snr(rng: np.random.Generator) -> float:
    """Of the foreground to its background, in dB."""
    which = rng.choice(3, p=(DEEP_SHARE, 1 - DEEP_SHARE - CLEAN_SHARE, CLEAN_SHARE))
    return float(rng.uniform(*(DEEP_SNR_DB, MIXED_SNR_DB, CLEAN_SNR_DB)[which]))


def _draw_kind(shares: Mapping[str, float], rng: np.random.Generator) -> str:
    return str(rng.choice(list(shares), p=list(shares.values())))


def end_early(row: Row, rng: np.random.Generator) -> Row:
    """Silence from a random place on, as where a clip's last window is padded; `MIN_HEARD` of an event stays."""
    waveform, targets, frames = row
    loud = np.flatnonzero((frames[EVENTS] == 1).any(axis=0))
    first = int(loud[0]) * N_SAMPLES // N_SCORED_FRAMES if len(loud) else 0
    end = int(rng.integers(min(first + MIN_HEARD, N_SAMPLES - 1), N_SAMPLES))
    ended, kept = waveform.copy(), frames.copy()
    ended[end:] = 0
    kept[:, -(-end * N_SCORED_FRAMES // N_SAMPLES) :] = np.where(np.isnan(targets), np.nan, 0.0)[:, None]
    return ended, targets, kept


def draw_foreground(kind: str, pools: Pools, rng: np.random.Generator) -> Clip:
    """An event, or a sound that may be taken for one; `kind` is one of `Shares.foregrounds`."""
    recorded = {"shots": [pools.shots], "screams": [pools.screams], "others": pools.others}.get(kind)
    if recorded and recorded[0]:
        return draw_recorded(recorded, rng)
    if kind in ("made_shots", "made_screams"):
        return make_event("gunshot" if kind == "made_shots" else "scream", rng)
    if kind == "nothing":
        return Clip(np.zeros(1, np.float32), HARMLESS)
    sounds = {"sudden": SUDDEN, "shrill": SHRILL, "steady": STEADY}.get(kind, SOUNDS)
    return Clip(sounds[rng.integers(len(sounds))](rng), HARMLESS)


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


def draw_background(pools: Pools, rng: np.random.Generator, shares: Mapping[str, float] = SHARES.backgrounds) -> Clip:
    """Silence, noise, a harmless sound made by program, speech-like babble, or recorded clips without an event."""
    kind = _draw_kind(shares, rng)
    if kind == "silence":
        return Clip(np.zeros(N_SAMPLES, np.float32), HARMLESS)
    if kind == "recorded" and pools.others:
        return _string_together(pools.others, rng)
    made = {"made": SOUNDS[rng.integers(len(SOUNDS))], "babble": babble}.get(kind, hiss)
    return Clip(made(rng), HARMLESS)


def _string_together(groups: list[list[Clip]], rng: np.random.Generator) -> Clip:
    """Clips at like level one after the other, with pauses of up to 0.3 s, until the window is full."""
    joined, targets, end = np.zeros(N_SAMPLES, np.float32), HARMLESS, 0
    while end < N_SAMPLES:
        clip = draw_recorded(groups, rng)
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
