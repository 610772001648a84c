"""What is left out of the trainings that are compared, and what they are measured on."""

import io

import numpy as np
import pytest
from rich.console import Console

from sluice.schema import LABELS
from sluice_models.config import AudioNetwork
from sluice_models.measure import made_sounds
from sluice_models.measure.made_sounds import ARMS, Split, measure_arm, mix_for, run_arm, split_clips
from sluice_models.networks.audio import AudioEncoder
from sluice_models.recipes.audio.clips import GUNSHOT, SCREAM, Clip
from sluice_models.recipes.audio.windows import SHARES
from sluice_models.training import train_audio

pytestmark = pytest.mark.torch


def clip(source, seed=0, **labels):
    targets = np.array([labels.get(label, 0) for label in LABELS], np.float32)
    return Clip(np.random.default_rng(seed).uniform(-1, 1, 4000).astype(np.float32), targets, source)


@pytest.mark.parametrize("arm", ARMS)
def test_what_is_left_adds_up_and_events_are_as_frequent_as_before(arm):
    left = mix_for(arm)
    for shares in (left.foregrounds, left.backgrounds):
        assert sum(shares.values()) == pytest.approx(1)
        assert not set(shares) & ARMS[arm][0]
    for label in ("shots", "screams"):
        before, after = (sum(v for k, v in each.foregrounds.items() if k.endswith(label)) for each in (SHARES, left))
        assert after == pytest.approx(before)
        assert left.foregrounds[f"made_{label}"] == pytest.approx(before * ARMS[arm][1])


def test_recordings_alone_are_recordings_and_silence():
    left = mix_for("recordings alone")
    assert {kind for kind, share in left.foregrounds.items() if share} == {"shots", "screams", "others", "nothing"}
    assert set(left.backgrounds) == {"silence", "recorded"}


def test_nothing_is_trained_on_that_is_measured_on():
    shots = [clip("shots", seed, gunshot=1) for seed in range(4)]
    speech, doors, foreign = clip("speech"), clip("minetest_game_sounds"), clip("foreign")
    split = split_clips([*shots, speech, doors], [foreign])
    assert [each.source for each in split.seen] == ["speech", "shots", "shots"]
    assert [each.source for each in split.measured] == ["minetest_game_sounds", "shots", "shots", "foreign"]
    assert not {id(each) for each in split.seen} & {id(each) for each in split.measured}


def test_alarms_are_counted_where_nine_in_ten_events_are_found(monkeypatch):
    measured = [clip("a", gunshot=1, scream=1)] * 10 + [clip("b")] * 5
    logits = np.zeros((15, len(LABELS)), np.float32)
    logits[:10, [GUNSHOT, SCREAM]] = np.arange(10, dtype=np.float32)[:, None]
    logits[10:, GUNSHOT] = [0.5, 0.5, 0.5, 2.0, 9.0]
    monkeypatch.setattr(made_sounds, "score_windows", lambda encoder, waveforms: logits)
    gunshot, scream = measure_arm("recordings alone", AudioEncoder(AudioNetwork(channels=(4, 4, 8, 8))), measured)
    assert (gunshot.n_positives, gunshot.n_negatives, gunshot.alarms) == (10, 5, 0.4)
    assert scream.alarms == 0


def test_an_arm_is_trained_and_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(train_audio, "build_audio_encoder", lambda: AudioEncoder(AudioNetwork(channels=(4, 4, 8, 8))))
    clips = [clip("shots", 1, gunshot=1), clip("screams", 2, scream=1), clip("speech", 3)]
    rows = list(run_arm("recordings alone", Split(clips, clips), 5, tmp_path, Console(file=io.StringIO())))
    assert [row.label for row in rows] == ["gunshot", "scream"]
    assert (tmp_path / "made_sounds" / "recordings_alone" / "audio_encoder.pt").is_file()
