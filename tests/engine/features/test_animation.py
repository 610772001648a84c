import numpy as np
import pytest
from PIL import Image

from sluice.features.animation import MAX_FRAMES, choose_frames
from sluice.features.image import extract_image
from tests.engine.features.pictures import RED, draw, encode, encode_animation, read_colour, refuse

# Pytest puts aside the filter that the module sets when it is imported.
pytestmark = pytest.mark.filterwarnings(r"ignore:::PIL\.")


@pytest.mark.parametrize(
    ("durations", "n_wanted", "chosen"),
    [([1.0] * 10, 4, [0, 3, 6, 9]), ([0.02] * 7 + [9.0] + [0.02] * 22, 4, [0, 7, 29]), ([1.0], 4, [0] * 4)],
)
def test_frames_are_chosen_by_the_time_that_they_are_shown(
    durations: list[float], n_wanted: int, chosen: list[int]
) -> None:
    assert choose_frames(durations, n_wanted) == chosen


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_an_animation_is_sampled_evenly(kind: str) -> None:
    features = extract_image(encode_animation(10, kind))
    assert features.partial is None
    reds = [read_colour(row, 0.5)[0] for row in features.rows]
    assert np.abs(np.subtract(reds, [0, 76, 153, 229])).max() <= 12


def test_a_short_animation_is_read_whole() -> None:
    features = extract_image(encode_animation(3))
    assert len(features.rows) == 3
    assert features.partial is None


def test_a_long_animation_of_tiles_stays_under_the_limit_of_rows() -> None:
    features = extract_image(encode_animation(9, size=(160, 20)))
    assert len(features.rows) == 16
    assert features.partial is None


def test_a_large_animation_is_read_as_far_as_its_pixels_allow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sluice.features.image._MAX_ANIMATION_PIXELS", 40 * 40 * 3)
    features = extract_image(encode_animation(10))
    assert features.partial == "sampled from the first 3 of 10 frames"
    assert [read_colour(row, 0.5)[0] // 25 for row in features.rows] == [0, 1, 2]


def test_a_later_page_is_checked_like_the_first() -> None:
    pages = [Image.new("1", (40, 40)), Image.new("1", (8_001, 8_000))]
    content = encode(pages[0], "TIFF", save_all=True, append_images=pages[1:], compression="group4")
    assert refuse(content) == "bomb"


def test_of_a_multi_picture_jpeg_only_the_picture_is_read() -> None:
    content = encode(draw(), "MPO", save_all=True, append_images=[Image.new("RGB", (60, 40))])
    features = extract_image(content)
    assert len(features.rows) == 1
    assert MAX_FRAMES > 1


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_the_frame_that_is_shown_longest_is_looked_at(kind: str) -> None:
    frames = [Image.new("RGB", (40, 40), (0, 99, index)) for index in range(30)]
    frames[7] = draw(40, 40)
    durations = [20] * 7 + [9000] + [20] * 22
    content = encode(frames[0], kind, save_all=True, append_images=frames[1:], duration=durations)
    features = extract_image(content)
    assert features.partial is None
    assert any(np.abs(np.subtract(read_colour(row, 0.2), RED)).max() < 30 for row in features.rows)


def test_a_scene_that_flashes_by_is_looked_at() -> None:
    frames = [Image.new("RGB", (40, 40), (0, 99, index)) for index in range(40)]
    frames[20] = draw(40, 40)
    rows = extract_image(encode(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=50)).rows
    assert any(np.abs(np.subtract(read_colour(row, 0.2), RED)).max() < 30 for row in rows)


def test_more_scenes_than_are_read_are_counted() -> None:
    colours = [(x, y, z) for x in (0, 128, 255) for y in (0, 128, 255) for z in (0, 255)]
    frames = [Image.new("RGB", (40, 40), colour) for colour in colours]
    content = encode(frames[0], "PNG", save_all=True, append_images=frames[1:], duration=50)
    assert extract_image(content).partial == "16 of 18 scenes read"


def test_of_a_cut_animation_the_frames_before_are_read() -> None:
    rng = np.random.default_rng(1)
    frames = [Image.fromarray(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)) for _ in range(4)]
    content = encode(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=50)
    partial = extract_image(content[: int(len(content) * 0.6)]).partial
    assert partial is not None
    assert partial.startswith("sampled from the first")


def test_thousands_of_pages_are_not_counted() -> None:
    page = Image.new("1", (8, 8))
    content = encode(page, "TIFF", save_all=True, append_images=[page] * 1200)
    assert extract_image(content).partial == "sampled from the first 1000 of more than 1000 frames"
