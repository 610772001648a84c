"""How often everyday sounds are flagged: made by program, kind by kind, and the validation split's recordings.

The made ones are of the generators that training drew from, with other numbers: they show that a kind was learned, not
how strangers' recordings of it fare. The recordings are few and short.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from sluice.features.audio import log_mel
from sluice_models.data.bundle import read_media
from sluice_models.measure.context import EvaluationContext
from sluice_models.measure.everyday_alarms import (
    MADE,
    RECORDED,
    AlarmRow,
    count_everyday_alarms,
    find_harmless,
    tabulate_alarms,
)
from sluice_models.measure.report import Evaluation, Report, Table
from sluice_models.measure.score_media import MediaScorer
from sluice_models.recipes.audio import sounds
from sluice_models.recipes.audio.channel import pass_channel
from sluice_models.recipes.audio.sounds import N_SAMPLES, STEADY, Waveform
from sluice_models.recipes.audio.windows import MIN_HEARD

N_MADE = 100
"""Sounds of each kind."""
_SEED = 1812
KINDS: dict[str, tuple[Callable[[np.random.Generator], Waveform], ...]] = {
    "noise, wind, rain, hum, engines": STEADY,
    "music": (sounds.music, sounds.pads, sounds.lead),
    "drums": (sounds.drums,),
    "claps, cheering": (sounds.claps, sounds.cheering),
    "fireworks": (sounds.fireworks,),
    "balloons, glass": (sounds.pops, sounds.glass),
    "doors, knocks": (sounds.slams, sounds.knocks),
    "speech-like babble": (sounds.babble,),
}


def make_rows(kind: str, n_rows: int) -> list[npt.NDArray[np.float32]]:
    """Log-mels of a kind, each of shape = (64, 200), through a channel; every other one ends before its window does."""
    rng = np.random.default_rng([_SEED, list(KINDS).index(kind)])
    makers = KINDS[kind]
    return [_make_row(makers[number % len(makers)], number % 2 == 1, rng) for number in range(n_rows)]


def _make_row(
    make: Callable[[np.random.Generator], Waveform], is_short: bool, rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    waveform = pass_channel(make(rng), rng)
    return log_mel(waveform[: rng.integers(MIN_HEARD, N_SAMPLES)] if is_short else waveform)


class EverydaySounds(Report[AlarmRow]):
    """False alarms on everyday sounds."""

    name, title = "everyday_sounds", "false alarms on everyday sounds"

    def measure(self, context: EvaluationContext) -> Iterator[AlarmRow]:
        """Kinds made by program, then recordings."""
        scorer = MediaScorer("audio", context.models.audio, context.models.fusion)
        for kind in KINDS:
            yield count_everyday_alarms(kind, MADE, scorer.score_rows(make_rows(kind, N_MADE)), context.thresholds)
        for source, examples in find_harmless(read_media(context.bundle, "audio", context.split)).items():
            read, scores = scorer.score(examples)
            if read:
                yield count_everyday_alarms(source, RECORDED, scores, context.thresholds)

    def tables(self, evaluation: Evaluation) -> Iterator[Table[AlarmRow]]:
        """One."""
        yield tabulate_alarms("everyday-sounds", "sounds", evaluation.of(EverydaySounds))
