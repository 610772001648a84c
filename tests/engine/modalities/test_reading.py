"""Pages through the two models that read them, over the fake classifier."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from sluice.config import PictureTextConfig
from sluice.contract import MAX_LINES, ModelSpec
from sluice.errors import InferenceUnavailable
from sluice.features import Page
from sluice.inference import Arrays
from sluice.inference.fake import ScriptedClassifier
from sluice.metrics import Metrics
from sluice.modalities.reading import PageReader, Reading, is_legible

TOP, BOTTOM = (0.0, 0.0, 1.0, 0.5), (0.0, 0.5, 1.0, 1.0)


class Desk:
    """A reader over a fake, and what it holds."""

    def __init__(self, *writing: str, max_lines: int = 64) -> None:
        self.classifier = ScriptedClassifier()
        self.classifier.writing = writing
        self.metrics = Metrics(CollectorRegistry())
        self.reader = PageReader(self.classifier, self.metrics, PictureTextConfig(max_lines=max_lines))

    async def read(self, *boxes: tuple[float, float, float, float]) -> Reading:
        pixels = np.zeros((100, 400, 3), np.uint8)
        return await self.reader.read([Page(pixels, box) for box in boxes or (TOP,)])

    def count(self, found: str) -> float:
        return self.metrics.registry.get_sample_value("sluice_pictures_total", {"found": found}) or 0.0


def texts(reading: Reading) -> list[list[str]]:
    return [[line.text for line in page.lines] for page in reading.pages]


async def test_lines_come_with_their_places() -> None:
    desk = Desk("first line", "第二行")
    reading = await desk.read()
    assert texts(reading) == [["first line", "第二行"]]
    assert [line.sides for line in reading.pages[0].lines] == [(0.0, 0.0, 400.0, 50.0), (0.0, 50.0, 400.0, 100.0)]
    assert (reading.pages[0].size, reading.pages[0].box) == ((400, 100), TOP)
    assert reading.describe_rest() is None
    assert desk.count("text") == 1


async def test_no_deadline_of_its_own_comes_before_the_longest_of_a_post() -> None:
    desk, asked = Desk("first line"), list[float]()
    ask = desk.classifier.infer

    async def infer(model: ModelSpec, rows: Sequence[Arrays], deadline: float) -> list[Arrays]:
        asked.append(deadline - asyncio.get_running_loop().time())
        return await ask(model, rows, deadline)

    desk.classifier.infer = infer  # type: ignore[method-assign]
    await desk.read()
    assert [round(patience_s) for patience_s in asked] == [600, 600]


async def test_a_picture_without_text_is_not_read_twice() -> None:
    desk = Desk()
    assert texts(await desk.read()) == [[]]
    assert (desk.classifier.n_calls, desk.count("none")) == (1, 1)


async def test_lines_are_read_a_few_at_a_time() -> None:
    desk = Desk(*(f"line {number}" for number in range(17)))
    assert len(texts(await desk.read())[0]) == 17
    assert desk.classifier.n_calls == 1 + 3


async def test_lines_over_the_limit_are_left_out_and_counted() -> None:
    desk = Desk(*(f"line {number}" for number in range(9)), max_lines=12)
    reading = await desk.read(TOP, BOTTOM)
    assert [len(lines) for lines in texts(reading)] == [9, 3]
    assert reading.describe_rest() == "12 of 18 lines read"
    crowded = await Desk(*(f"line {number}" for number in range(MAX_LINES + 6)), max_lines=1000).read()
    assert crowded.describe_rest() == f"{MAX_LINES} of {MAX_LINES + 6} lines read"


async def test_what_is_surely_text_and_cannot_be_read_is_said() -> None:
    desk = Desk("", "", "legible", "")
    assert (await desk.read()).describe_rest() == "3 of 4 lines cannot be read"
    assert (await Desk("one", "two", "three", "").read()).describe_rest() is None
    blank = Desk("", "", "")
    assert (await blank.read()).describe_rest() == "3 of 3 lines cannot be read"
    assert blank.count("unreadable") == 1


async def test_what_is_as_high_as_the_picture_is_no_line() -> None:
    assert (await Desk("", "").read()).describe_rest() is None


async def test_frames_that_share_their_text_give_it_once() -> None:
    desk = Desk("the caption")
    assert texts(await desk.read(TOP, TOP)) == [["the caption"], []]
    assert texts(await desk.read(TOP, BOTTOM)) == [["the caption"], ["the caption"]]


async def test_an_outage_is_not_the_pictures_fault() -> None:
    desk = Desk("text")
    desk.classifier.errors["ocr_recogniser"] = InferenceUnavailable("away", "ocr_recogniser")
    with pytest.raises(InferenceUnavailable):
        await desk.read()
    assert desk.count("text") == 0


@pytest.mark.parametrize(
    ("text", "certainty", "legible"),
    [
        ("go", 0.61, True),
        ("go", 0.59, False),
        ("o", 0.99, False),
        ("-- !", 0.99, False),
        ("滚开", 0.7, True),
        ("", 1.0, False),
    ],
)
def test_guesses_and_single_letters_are_not_read(text: str, certainty: float, legible: bool) -> None:
    assert is_legible(text, certainty) is legible
