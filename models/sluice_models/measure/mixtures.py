"""Events over backgrounds at known signal-to-noise ratios: what the audio encoder finds, and how deep in the noise.

The ratio is that of `loud_power` of the event to that of the background, both before the channel. As many windows hold
no event: half of them have a sound that may be taken for one in its place, at the same ratio.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from sluice.features import SAMPLE_RATE_HZ
from sluice.features.audio import WINDOW_HOP_S, log_mel
from sluice.intervals import (
    Figure,
    Floats,
    draw_counts,
    measure_with_interval,
    resample_auprc,
    resample_auroc,
)
from sluice.schema import LABELS
from sluice_models.measure.context import EvaluationContext
from sluice_models.measure.report import Columns, Evaluation, Report, Table
from sluice_models.recipes.audio.clips import (
    Clip,
    Pools,
    make_event,
    read_clips,
    sort_clips,
)
from sluice_models.recipes.audio.sounds import N_SAMPLES, Waveform, babble, hiss
from sluice_models.recipes.audio.windows import (
    augment,
    cut_out,
    draw_background,
    draw_foreground,
    mix,
    scale_background,
)
from sluice_models.training.text_encoding import EncoderFunction

SNRS_DB = (-10, -5, 0, 5, 10, 20)
N_MIXTURES = 120
"""Windows with an event, and as many without, per label and ratio."""
EVENT_LABELS = ("gunshot", "scream")
DECOYS = {"gunshot": ("sudden", "others", "nothing", "nothing"), "scream": ("shrill", "others", "nothing", "nothing")}
"""What stands where the event would, in turn."""
N_BATCH = 50
_SEED = 4711


@dataclass(frozen=True)
class MixtureRow:
    """One label at one ratio.

    Attributes
    ----------
    n_clips : int
        Different recorded events among the positives. The intervals draw clips, not windows: many mixtures of a few
        clips are not many events.
    """

    label: str
    snr_db: float
    n_positives: int
    n_negatives: int
    n_clips: int
    auprc: Figure
    auroc: Figure


def measure_mixtures(encoder: EncoderFunction, bundle: Path) -> list[MixtureRow]:
    """Figures on mixtures of the validation split's clips, the same at each call."""
    pools = sort_clips(read_clips(bundle, "val"))
    return [
        _measure(encoder, label, snr_db, pools)
        for label in EVENT_LABELS
        if (pools.shots if label == "gunshot" else pools.screams)
        for snr_db in SNRS_DB
    ]


def _measure(encoder: EncoderFunction, label: str, snr_db: float, pools: Pools) -> MixtureRow:
    events = pools.shots if label == "gunshot" else pools.screams
    scores = score_windows(encoder, compose_mixtures(label, snr_db, pools))[:, LABELS.index(label)]
    positive = np.arange(2 * N_MIXTURES) < N_MIXTURES
    counts = count_clips(len(events))
    return MixtureRow(
        label=label,
        snr_db=snr_db,
        n_positives=N_MIXTURES,
        n_negatives=N_MIXTURES,
        n_clips=min(len(events), N_MIXTURES),
        auprc=measure_with_interval(resample_auprc, scores, positive, counts),
        auroc=measure_with_interval(resample_auroc, scores, positive, counts),
    )


def count_clips(n_events: int) -> Floats:
    """Resamples, shape = (1 + B, 2 * N_MIXTURES), of events (number i is in windows i, i + n, ...) and of others."""
    of_events = draw_counts(n_events)[:, np.arange(N_MIXTURES) % n_events]
    return np.concatenate([of_events, draw_counts(N_MIXTURES, seed=1)], axis=1)


def compose_mixtures(label: str, snr_db: float, pools: Pools) -> Iterator[Waveform]:
    """`N_MIXTURES` windows with an event, every clip in turn, then as many without."""
    rng = np.random.default_rng([_SEED, EVENT_LABELS.index(label), round(snr_db) + 100])
    events = pools.shots if label == "gunshot" else pools.screams
    for number in range(N_MIXTURES):
        yield _mix_at(events[number % len(events)], snr_db, pools, rng)
    for number in range(N_MIXTURES):
        kind = DECOYS[label][number % len(DECOYS[label])]
        yield _mix_at(draw_foreground(kind, pools, rng), snr_db, pools, rng)


def _mix_at(foreground: Clip, snr_db: float, pools: Pools, rng: np.random.Generator) -> Waveform:
    return mix(augment(foreground, rng), draw_background(pools, rng), snr_db, rng)[0]


def score_windows(encoder: EncoderFunction, waveforms: Iterator[Waveform]) -> Floats:
    """Logits, shape = (n, labels)."""
    rows = np.stack([log_mel(waveform) for waveform in waveforms])
    with torch.inference_mode():
        batches = [encoder(torch.from_numpy(rows[i : i + N_BATCH]))[1] for i in range(0, len(rows), N_BATCH)]
    return np.asarray(torch.cat(batches).float().numpy())


def shot_scene(rng: np.random.Generator) -> tuple[Waveform, float, float]:
    """A clip with one shot made by program, 8 to 20 dB over speech-like babble or noise.

    Returns
    -------
    waveform : ndarray of float32, shape = (n,)
        16 kHz, as long as one to four windows are together, peak 0.8.
    start_s, end_s : float
        From where to where the shot is loud.
    """
    n_samples = N_SAMPLES + round(int(rng.integers(4)) * WINDOW_HOP_S * SAMPLE_RATE_HZ)
    voices = babble if rng.random() < 0.5 else hiss
    background = np.concatenate([voices(rng) for _ in range(-(-n_samples // N_SAMPLES))])[:n_samples]
    shot = cut_out(make_event("gunshot", rng).waveform)
    start = int(rng.integers(n_samples - len(shot)))
    scene = scale_background(background, shot, rng.uniform(8, 20))
    scene[start : start + len(shot)] += shot
    return scene * np.float32(0.8 / np.abs(scene).max()), start / SAMPLE_RATE_HZ, (start + len(shot)) / SAMPLE_RATE_HZ


class Mixtures(Report[MixtureRow]):
    """Events over backgrounds at known signal-to-noise ratios."""

    name, title = "mixtures", "events mixed into backgrounds"

    def measure(self, context: EvaluationContext) -> Iterable[MixtureRow]:
        """One row per label and ratio."""
        return measure_mixtures(context.models.audio, context.bundle)

    def tables(self, evaluation: Evaluation) -> Iterator[Table[MixtureRow]]:
        """One."""
        columns: Columns[MixtureRow] = {
            "label": lambda row: row.label,
            "SNR": lambda row: f"{row.snr_db:.0f} dB",
            "1": lambda row: row.n_positives,
            "0": lambda row: row.n_negatives,
            "clips": lambda row: row.n_clips,
            "AUPRC": lambda row: row.auprc,
            "AUROC": lambda row: row.auroc,
        }
        yield Table("mixtures", columns, evaluation.of(Mixtures))
