"""Everyday sounds made by program."""

import numpy as np
import pytest

from sluice_models.measure.everyday_sounds import KINDS, make_rows

pytestmark = pytest.mark.torch


@pytest.mark.parametrize("kind", KINDS)
def test_half_of_the_sounds_of_a_kind_end_before_their_window_and_all_are_the_same_at_each_call(kind):
    rows = np.stack(make_rows(kind, n_rows=4))
    assert rows.shape == (4, 64, 200)
    assert np.isfinite(rows).all()
    assert (rows[1::2, :, -1] == -1).all()
    assert np.array_equal(rows, make_rows(kind, n_rows=4))
