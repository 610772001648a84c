"""Who is blamed when a model goes away, and who is not."""

from __future__ import annotations

import numpy as np
import pytest

from sluice.errors import ModelCrashed
from sluice.inference import Arrays
from sluice.inference.suspects import FORGET_S, N_ALONE, N_TOGETHER, Suspects


def row(value: int) -> list[Arrays]:
    return [{"x": np.full(3, value)}]


def test_what_was_under_way_twice_travels_alone() -> None:
    suspects = Suspects("m")
    for _ in range(N_TOGETHER):
        assert not suspects.holds(row(1))
        suspects.blame([row(1), row(2)], alone=False)
    assert [suspects.holds(row(value)) for value in (1, 2, 3)] == [True, True, False]
    suspects.require(row(1))


def test_only_what_was_alone_is_given_up() -> None:
    suspects = Suspects("m")
    for _ in range(9):
        suspects.blame([row(1)], alone=False)
    for _ in range(N_ALONE):
        suspects.require(row(1))
        suspects.blame([row(1)], alone=True)
    with pytest.raises(ModelCrashed, match="m crashes on it"):
        suspects.require(row(1))


def test_an_answer_acquits() -> None:
    suspects = Suspects("m")
    for _ in range(N_TOGETHER):
        suspects.blame([row(1)], alone=False)
    suspects.blame([row(1)], alone=True)
    suspects.acquit([row(1)])
    assert not suspects.holds(row(1))


def test_what_was_long_ago_is_forgotten() -> None:
    now = 0.0
    suspects = Suspects("m", clock=lambda: now)
    for _ in range(N_ALONE):
        suspects.blame([row(1)], alone=True)
    now = FORGET_S
    suspects.require(row(1))
    suspects.blame([row(2)], alone=False)
    assert len(suspects._hits) == 1


def test_rows_of_one_value_in_other_shapes_are_others() -> None:
    suspects = Suspects("m")
    for _ in range(N_TOGETHER):
        suspects.blame([[{"x": np.zeros(4)}]], alone=False)
    assert suspects.holds([{"x": np.zeros(4)}])
    assert not suspects.holds([{"x": np.zeros((2, 2))}])
    assert not suspects.holds([{"y": np.zeros(4)}])
