"""Images: the encoder's heatmaps become boxes."""

import numpy as np

from sluice.features import ImageRow
from sluice.modalities.image import find_box


def image_row(box: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)) -> ImageRow:
    return ImageRow(np.zeros((3, 160, 160), np.uint8), box)


def test_a_box_is_drawn_around_the_cells_that_touch_the_peak() -> None:
    heatmap = np.zeros((10, 10))
    heatmap[2:4, 5:8] = 0.8
    heatmap[3, 6] = 0.9
    heatmap[9, 0] = 0.7  # marked, but elsewhere
    (item,) = find_box(3, [image_row()], [heatmap])
    assert (item.index, item.box) == (3, (0.5, 0.2, 0.8, 0.4))


def test_a_box_in_a_tile_is_a_share_of_the_whole_image() -> None:
    heatmap = np.zeros((10, 10))
    heatmap[0, 0] = 0.9
    tiles = [image_row((0.0, 0.0, 0.5, 1.0)), image_row((0.5, 0.0, 1.0, 1.0))]
    (item,) = find_box(0, tiles, [np.zeros((10, 10)), heatmap])
    assert item.box == (0.5, 0.0, 0.55, 0.1)


def test_a_map_that_sees_nothing_points_nowhere() -> None:
    assert find_box(0, [image_row()], [np.full((10, 10), 0.05)]) == ()
