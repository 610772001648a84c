"""Maps of the encoders become spans, boxes and time ranges."""

import numpy as np
import pytest

from sluice.features import N_FRAMES, N_MELS, AudioRow, ImageRow, TextRow
from sluice.schema import AudioEvidence, TextEvidence
from sluice.verdict.evidence import MAX_SPANS, audio_evidence, image_evidence, text_evidence


def text_row(*spans: tuple[int, int]) -> TextRow:
    ids = np.ones(len(spans), np.int64)
    return TextRow(ids, ids, np.array(spans, np.int32), ids, ids)


def image_row(box: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)) -> ImageRow:
    return ImageRow(np.zeros((3, 160, 160), np.uint8), box)


def audio_row(start_s: float, end_s: float) -> AudioRow:
    return AudioRow(np.zeros((N_MELS, N_FRAMES), np.float32), start_s, end_s)


def test_neighbouring_tokens_give_one_span() -> None:
    row = text_row((0, 0), (0, 1), (2, 6), (7, 10), (20, 24), (0, 0))
    scores = np.array([0.9, 0.1, 0.8, 0.7, 0.9, 0.9])
    assert text_evidence([row], [scores]) == (TextEvidence(2, 10), TextEvidence(20, 24))


def test_special_tokens_are_never_evidence() -> None:
    assert text_evidence([text_row((0, 0), (0, 0))], [np.array([0.9, 0.9])]) == ()


def test_windows_that_overlap_give_one_span() -> None:
    rows = [text_row((0, 4), (5, 9)), text_row((5, 9), (10, 14))]
    assert text_evidence(rows, [np.array([0.0, 0.9]), np.array([0.9, 0.0])]) == (TextEvidence(5, 9),)


def test_without_a_clear_token_the_highest_are_shown() -> None:
    row = text_row((0, 4), (10, 14), (20, 24))
    assert text_evidence([row], [np.array([0.05, 0.3, 0.25])]) == (TextEvidence(10, 14), TextEvidence(20, 24))


def test_a_map_that_sees_nothing_points_nowhere() -> None:
    assert text_evidence([text_row((0, 4))], [np.array([0.05])]) == ()
    assert image_evidence(0, [image_row()], [np.full((10, 10), 0.05)]) == ()


def test_only_the_strongest_spans_are_kept_in_order() -> None:
    spans = [(10 * i, 10 * i + 4) for i in range(MAX_SPANS + 4)]
    scores = np.linspace(0.5, 0.9, len(spans))
    evidence = text_evidence([text_row(*spans)], [scores])
    assert [item.start for item in evidence] == [start for start, _ in spans[4:]]


def test_a_box_is_drawn_around_the_cells_that_touch_the_peak() -> None:
    heatmap = np.zeros((10, 10))
    heatmap[2:4, 5:8] = 0.8
    heatmap[3, 6] = 0.9
    heatmap[9, 0] = 0.7  # marked, but elsewhere
    (item,) = image_evidence(3, [image_row()], [heatmap])
    assert (item.index, item.box) == (3, (0.5, 0.2, 0.8, 0.4))


def test_a_box_in_a_tile_is_a_share_of_the_whole_image() -> None:
    heatmap = np.zeros((10, 10))
    heatmap[0, 0] = 0.9
    tiles = [image_row((0.0, 0.0, 0.5, 1.0)), image_row((0.5, 0.0, 1.0, 1.0))]
    (item,) = image_evidence(0, tiles, [np.zeros((10, 10)), heatmap])
    assert item.box == (0.5, 0.0, 0.55, 0.1)


def test_frames_become_seconds_of_the_clip() -> None:
    scores = np.zeros(50)
    scores[10:20] = 0.9
    assert audio_evidence(2, [audio_row(3.0, 7.0)], [scores]) == (AudioEvidence(2, 3.8, 4.6),)


def test_padding_behind_the_end_of_a_clip_is_no_evidence() -> None:
    (item,) = audio_evidence(0, [audio_row(0.0, 1.0)], [np.full(50, 0.9)])
    assert (item.start_s, item.end_s) == (0.0, 1.0)


def test_windows_of_a_clip_that_overlap_give_one_range() -> None:
    first, second = np.zeros(50), np.zeros(50)
    first[40:], second[:15] = 0.9, 0.9
    (item,) = audio_evidence(0, [audio_row(0.0, 4.0), audio_row(3.0, 7.0)], [first, second])
    assert (item.start_s, item.end_s) == (pytest.approx(3.0, abs=0.25), pytest.approx(4.2))
