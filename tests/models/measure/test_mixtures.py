"""Figures on events over backgrounds, by signal-to-noise ratio."""

import json

import numpy as np
import pytest
import soundfile
import torch

from sluice.schema import LABELS
from sluice_models.config import AudioNetwork
from sluice_models.measure import mixtures
from sluice_models.measure.mixtures import compose_mixtures, count_clips, measure_mixtures, shot_scene
from sluice_models.networks.audio import AudioEncoder
from sluice_models.recipes.audio.clips import (
    Pools,
    make_event,
)
from sluice_models.recipes.audio.sounds import N_SAMPLES, babble

pytestmark = pytest.mark.torch


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(mixtures, "N_MIXTURES", 6)
    monkeypatch.setattr(mixtures, "SNRS_DB", (0, 20))


@pytest.fixture
def bundle(tmp_path):
    """Two shots and a harmless clip in the validation split."""
    rng = np.random.default_rng(0)
    shots = [make_event("gunshot", rng).waveform for _ in range(2)]
    lines = []
    for number, waveform in enumerate([*shots, babble(rng)]):
        soundfile.write(tmp_path / f"{number}.wav", 0.5 * waveform / np.abs(waveform).max(), 16_000)
        labels = {"gunshot": int(number < 2), "scream": 0}
        row = {"id": str(number), "split": "val", "licence_class": "open", "source": "made", "labels": labels}
        lines.append(json.dumps(row | {"audio": f"{number}.wav"}))
    (tmp_path / "audio.jsonl").write_text("\n".join(lines), "utf-8")
    return tmp_path


def test_reports_say_how_many_events_there_are_and_leave_out_labels_without(few, bundle):
    torch.manual_seed(0)
    reports = measure_mixtures(AudioEncoder(AudioNetwork(channels=(4, 4, 8, 8))).eval(), bundle)
    assert [(report.label, report.snr_db) for report in reports] == [("gunshot", 0), ("gunshot", 20)]
    assert all((report.n_positives, report.n_negatives, report.n_clips) == (6, 6, 2) for report in reports)
    assert all(report.auprc.low <= report.auprc.value <= report.auprc.high for report in reports)


def test_an_encoder_that_hears_the_events_scores_one(few, bundle, monkeypatch):
    logits = np.zeros((12, len(LABELS)), np.float32)
    logits[:6, LABELS.index("gunshot")] = 1
    monkeypatch.setattr(mixtures, "score_windows", lambda encoder, waveforms: logits)
    reports = measure_mixtures(AudioEncoder(AudioNetwork(channels=(4, 4, 8, 8))), bundle)
    assert all(report.auprc.value == report.auroc.value == 1 for report in reports)


def test_mixtures_are_the_same_at_each_call(few):
    pools = Pools([make_event("gunshot", np.random.default_rng(0))], [], [])
    first, second = (np.stack(list(compose_mixtures("gunshot", 0, pools))) for _ in range(2))
    assert first.shape == (12, N_SAMPLES)
    assert np.array_equal(first, second)


def test_resamples_draw_clips_with_all_their_windows(few):
    counts = count_clips(2)
    assert (counts[0] == 1).all()
    assert np.array_equal(counts[:, [0, 1]], counts[:, [2, 3]])
    assert not np.array_equal(counts[:, 0], counts[:, 1])


def test_a_scene_is_one_to_four_windows_long_and_its_shot_stands_out():
    rng = np.random.default_rng(0)
    for _ in range(10):
        waveform, start_s, end_s = shot_scene(rng)
        assert (len(waveform) - N_SAMPLES) % 48_000 == 0
        assert N_SAMPLES <= len(waveform) <= N_SAMPLES + 3 * 48_000
        assert 0 <= start_s < end_s <= len(waveform) / 16_000
        assert np.abs(waveform).max() == pytest.approx(0.8)
        shot = waveform[round(start_s * 16_000) : round(end_s * 16_000)]
        assert np.abs(shot).max() == pytest.approx(0.8)
