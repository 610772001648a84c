import numpy as np
import pytest

from sluice.schema import LABELS
from sluice_models.data.bundle import Example
from sluice_models.recipes.fusion.encoded import text_severity

pytestmark = pytest.mark.torch


@pytest.mark.parametrize(
    ("source", "votes", "toxicity", "hate"),
    [
        ("davidson2017", [1, 2, 0], 1.0, 1 / 3),
        ("davidson2017", [0, 1, 3], 0.25, 0.0),
        ("hatexplain", [1, 2, 0], 2 / 3, 1 / 3),
    ],
)
def test_severity_is_the_share_of_the_annotators_who_saw_harm(source, votes, toxicity, hate):
    targets = np.zeros(len(LABELS), np.float32)
    severity = text_severity(Example("made", "", None, "en", targets, source, {"votes": votes}))
    assert severity[LABELS.index("toxicity")] == pytest.approx(toxicity)
    assert severity[LABELS.index("hate")] == pytest.approx(hate)


def test_votes_of_another_meaning_are_left_alone():
    targets = np.ones(len(LABELS), np.float32)
    severity = text_severity(Example("made", "", None, "en", targets, "convabuse", {"votes": [-1, 1], "severity": 0.4}))
    np.testing.assert_allclose(severity, 0.4)
