"""How many harmless posts are flagged, counted at the policy's thresholds."""

import numpy as np
import pytest

from sluice.schema import LABELS
from sluice_models.data.bundle import Example
from sluice_models.measure.context import DecisionThresholds
from sluice_models.measure.everyday_alarms import count_everyday_alarms, find_harmless

pytestmark = pytest.mark.torch
GUNSHOT, SCREAM, TOXICITY = (LABELS.index(label) for label in ("gunshot", "scream", "toxicity"))
THRESHOLDS = DecisionThresholds(review={"gunshot": 0.2, "scream": 0.7}, block={"scream": 0.9})


def test_any_label_counts_and_each_post_once():
    scores = np.zeros((4, len(LABELS)), np.float32)
    scores[0, GUNSHOT], scores[0, SCREAM] = 0.3, 0.8
    scores[1, SCREAM] = 0.95
    scores[2, TOXICITY] = 1.0  # without a threshold, it decides nothing
    row = count_everyday_alarms("doors", "recorded", scores, THRESHOLDS)
    assert (row.n_posts, row.reviewed, row.blocked) == (4, 0.5, 0.25)


def clip(source, **labels):
    targets = np.array([labels.get(label, np.nan) for label in LABELS], np.float32)
    return Example("a", None, None, None, targets, source)


def test_recordings_of_events_are_left_out_and_the_rest_is_by_data_set():
    found = find_harmless(
        [clip("one", gunshot=1), clip("one", gunshot=0), clip("two", scream=0), clip("three", scream=1)]
    )
    assert {source: len(examples) for source, examples in found.items()} == {"one": 1, "two": 1}
