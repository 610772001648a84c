"""Lines in the order in which people read them, and characters back to their places."""

from __future__ import annotations

import numpy as np
import pytest

from sluice.modalities.lettering import Layout, Line, PageLines, lay_out

WHOLE = (0.0, 0.0, 1.0, 1.0)


def at(text: str, left: float, top: float, right: float, bottom: float) -> Line:
    return Line(text, np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float32))


def page(*lines: Line, size: tuple[int, int] = (400, 200), box: tuple[float, float, float, float] = WHOLE) -> PageLines:
    return PageLines(size, box, lines)


def boxes(layout: Layout, words: str) -> list[tuple[float, ...]]:
    start = layout.text.index(words)
    return list(layout.boxes(start, start + len(words)))


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        ([], ""),
        ([at("and on", 10, 60, 200, 90), at("goes on", 10, 20, 200, 50)], "goes on and on"),
        ([at("这是一句", 10, 20, 200, 50), at("中文", 10, 60, 200, 90)], "这是一句中文"),
        ([at("中文", 10, 20, 200, 50), at("English", 10, 60, 200, 90)], "中文 English"),
        ([at("한국어", 10, 20, 200, 50), at("문장", 10, 60, 200, 90)], "한국어 문장"),
        ([at("right", 120, 20, 220, 50), at("left", 10, 24, 110, 54)], "left right"),
        ([at("a title", 10, 0, 390, 80), at("and small print", 10, 90, 390, 110)], "a title\nand small print"),
        ([at("one", 10, 10, 100, 30), at("far below", 10, 150, 100, 170)], "one\nfar below"),
        ([at("one", 10, 10, 100, 30), at("beside", 300, 10, 390, 30)], "one\nbeside"),
        (
            [
                at("a1", 10, 10, 90, 30),
                at("b1", 210, 11, 290, 31),
                at("a2", 10, 35, 90, 55),
                at("b2", 210, 36, 290, 56),
            ],
            "a1 a2\nb1 b2",
        ),
    ],
)
def test_lines_become_sentences_and_paragraphs(lines: list[Line], text: str) -> None:
    assert lay_out([page(*lines)]).text == text


def test_every_page_begins_a_paragraph() -> None:
    lower = page(at("below", 0, 0, 400, 20), box=(0.0, 0.5, 1.0, 1.0))
    layout = lay_out([page(at("above", 0, 0, 400, 20), box=(0.0, 0.0, 1.0, 0.5)), page(), lower])
    assert layout.text == "above\nbelow"
    assert boxes(layout, "below") == [(0.0, 0.5, 1.0, 0.55)]


def test_characters_are_found_where_they_stand() -> None:
    layout = lay_out([page(at("0123456789", 100, 20, 300, 40), at("abcd", 100, 45, 180, 65))])
    assert layout.text == "0123456789 abcd"
    assert boxes(layout, "0123456789") == [(0.25, 0.1, 0.75, 0.2)]
    assert boxes(layout, "56") == [(0.5, 0.1, 0.6, 0.2)]
    assert boxes(layout, "89 ab") == [(0.65, 0.1, 0.75, 0.2), (0.25, 0.225, 0.35, 0.325)]
    assert boxes(layout, " ") == []


def test_a_line_that_was_turned_is_read_from_top_to_bottom() -> None:
    layout = lay_out([page(at("0123456789", 100, 0, 140, 200))])
    assert boxes(layout, "01234") == [(0.25, 0.0, 0.35, 0.5)]


def test_a_slanting_line_has_a_box_around_its_stretch() -> None:
    slanting = Line("0123456789", np.array([[0, 0], [400, 100], [400, 120], [0, 20]], np.float32))
    assert boxes(lay_out([page(slanting)]), "01234") == [(0.0, 0.0, 0.5, 0.35)]


def test_boxes_stay_inside_the_picture() -> None:
    outside = at("out", -40, -10, 440, 300)
    assert boxes(lay_out([page(outside)]), "out") == [WHOLE]
