"""The clips that windows are composed from: their targets, and by what they are sorted."""

import numpy as np
import pytest

from sluice.schema import LABELS
from sluice_models.recipes.audio.clips import draw_recorded, make_event, sort_clips, sound_targets
from tests.models.recipes.audio.samples import CLIPS, label_row, noise_clip

pytestmark = pytest.mark.torch
GUNSHOT, SCREAM, WEAPONS, SHOUTING = (LABELS.index(name) for name in ("gunshot", "scream", "weapons", "shouting"))


@pytest.mark.parametrize("known", [{"gunshot": 1, "weapons": 1}, {"gunshot": 0}, {"scream": 1}])
def test_a_shot_alone_makes_no_weapon(known):
    assert sound_targets(label_row(**known))[WEAPONS] == 0


def test_a_shot_made_by_program_is_a_gunshot_and_nothing_else():
    targets = make_event("gunshot", np.random.default_rng(0)).targets
    assert np.flatnonzero(targets).tolist() == [GUNSHOT]


def test_nobody_is_said_to_shout_where_nobody_was_asked():
    assert np.isnan(sound_targets(label_row(gunshot=0))[SHOUTING])


def test_data_sets_are_drawn_from_as_often_whatever_their_size():
    many = [noise_clip(seed, "digits", gunshot=0, scream=0) for seed in range(40)]
    groups = sort_clips([*CLIPS, *many, noise_clip(99, "doors", gunshot=0, scream=0)]).others
    assert [len(group) for group in groups] == [1, 40, 1]
    rng = np.random.default_rng(0)
    drawn = [draw_recorded(groups, rng).source for _ in range(300)]
    assert 70 < drawn.count("doors") < 130
