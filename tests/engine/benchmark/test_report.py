"""Our figures beside published ones."""

from __future__ import annotations

import math

import pytest

from sluice.benchmark.figures import Measured
from sluice.benchmark.names import SetName
from sluice.benchmark.report import compare, describe_published, to_json
from sluice.benchmark.sets import SETS, Published
from sluice.intervals import NO_FIGURE, Figure

MEASURED = [Measured("accuracy", "all", 10, Figure(0.81234, 0.7, 0.9)), Measured("F1", "any", 0, NO_FIGURE)]
PUBLISHED = (Published("accuracy", "all", "Theirs", 0.766, "A paper"),)


def test_a_published_figure_stands_beside_ours_of_the_same_kind() -> None:
    first, second = compare(MEASURED, PUBLISHED)
    assert describe_published(first) == "Theirs 0.766"
    assert to_json(first) == {
        "measure": "accuracy",
        "of": "all",
        "n": 10,
        "value": 0.8123,
        "low": 0.7,
        "high": 0.9,
        "published": [{"system": "Theirs", "value": 0.766, "source": "A paper"}],
    }
    assert (second.published, to_json(second)["value"]) == ((), None)
    assert math.isnan(second.measured.figure.value)


@pytest.mark.parametrize("name", SetName)
def test_every_published_figure_has_a_source_and_a_value_in_range(name: SetName) -> None:
    for published in SETS[name].published:
        assert published.source
        assert 0 < published.value < 1
