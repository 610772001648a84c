"""What pages draw."""

from __future__ import annotations

import pytest

from sluice.report.elements import draw_interval, draw_share


@pytest.mark.parametrize(
    ("low", "share", "high", "most", "drawn"),
    [
        (0.1, 0.2, 0.4, 0.4, (25.0, 75.0, 50.0)),
        (0.0, 0.0, 0.0, 0.0, (0.0, 0.4, 0.0)),
        (0.5, 1.0, 1.0, 1.0, (50.0, 50.0, 99.0)),
    ],
)
def test_an_interval_lies_on_its_scale(
    low: float, share: float, high: float, most: float, drawn: tuple[float, float, float]
) -> None:
    line, mark = draw_interval(low, share, high, most)
    assert (float(line.get("x", "")), float(line.get("width", "")), float(mark.get("x", ""))) == drawn


def test_a_bar_ends_at_the_whole() -> None:
    assert [draw_share(share)[0].get("width") for share in (0.0, 0.25, 7.0)] == ["0.000", "25.000", "100.000"]
