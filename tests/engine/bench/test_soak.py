"""The slope of memory."""

import pytest

from sluice.bench.soak import fit_slope


def test_a_leak_is_seen_and_settling_is_not():
    looks = [(100.0 + s, min(200 + 10 * s, 400) + s / 60) for s in range(600)]
    slope = fit_slope(looks)
    assert slope.mb_per_hour == pytest.approx(60, rel=0.01)
    assert slope.end_mb - slope.start_mb == pytest.approx(400 / 60, rel=0.02)


def test_flat_is_flat():
    assert fit_slope([(float(s), 300.0) for s in range(90)]).mb_per_hour == pytest.approx(0, abs=1e-6)
