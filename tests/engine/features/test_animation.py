import pytest

from sluice.features.animation import choose_frames


@pytest.mark.parametrize(
    ("durations", "n_wanted", "chosen"),
    [([1.0] * 10, 4, [0, 3, 6, 9]), ([0.02] * 7 + [9.0] + [0.02] * 22, 4, [0, 7, 29]), ([1.0], 4, [0] * 4)],
)
def test_frames_are_chosen_by_the_time_that_they_are_shown(
    durations: list[float], n_wanted: int, chosen: list[int]
) -> None:
    assert choose_frames(durations, n_wanted) == chosen
