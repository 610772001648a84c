"""How often everyday sounds are flagged, counted at the policy's thresholds."""

import numpy as np
import pytest

from sluice.schema import LABELS
from sluice_models.data.bundle import Example
from sluice_models.measure.context import DecisionThresholds
from sluice_models.measure.everyday_sounds import KINDS, count_sound_alarms, find_harmless, make_rows

pytestmark = pytest.mark.torch
GUNSHOT, SCREAM, TOXICITY = (LABELS.index(label) for label in ("gunshot", "scream", "toxicity"))
THRESHOLDS = DecisionThresholds(review={"gunshot": 0.2, "scream": 0.7}, block={"scream": 0.9})


def test_any_label_counts_and_each_sound_once():
    scores = np.zeros((4, len(LABELS)), np.float32)
    scores[0, GUNSHOT], scores[0, SCREAM] = 0.3, 0.8
    scores[1, SCREAM] = 0.95
    scores[2, TOXICITY] = 1.0  # without a threshold, it decides nothing
    row = count_sound_alarms("doors", "recorded", scores, THRESHOLDS)
    assert (row.n_sounds, row.reviewed, row.blocked) == (4, 0.5, 0.25)


def clip(source, **labels):
    targets = np.array([labels.get(label, np.nan) for label in LABELS], np.float32)
    return Example("a", None, None, None, targets, source)


def test_recordings_of_events_are_left_out_and_the_rest_is_by_data_set():
    found = find_harmless(
        [clip("one", gunshot=1), clip("one", gunshot=0), clip("two", scream=0), clip("three", scream=1)]
    )
    assert {source: len(examples) for source, examples in found.items()} == {"one": 1, "two": 1}


@pytest.mark.parametrize("kind", KINDS)
def test_half_of_the_sounds_of_a_kind_end_before_their_window_and_all_are_the_same_at_each_call(kind):
    rows = np.stack(make_rows(kind, n_rows=4))
    assert rows.shape == (4, 64, 200)
    assert np.isfinite(rows).all()
    assert (rows[1::2, :, -1] == -1).all()
    assert np.array_equal(rows, make_rows(kind, n_rows=4))
