"""Text in pictures on its way to the verdict, over the fakes of our own seams."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from sluice.config import PictureTextConfig, PipelineConfig
from sluice.contract import TEXT_ENCODER, ModelSpec
from sluice.errors import InferenceUnavailable
from sluice.features import Features, ImageRow, Language, Languages, Page
from sluice.inference import Array, Arrays
from sluice.inference.fake import Script, quiet
from sluice.modalities.extraction import on_threads
from sluice.modalities.image import ImageModality
from sluice.modalities.media import MediaSource
from sluice.modalities.picture_text import PictureTextModality
from sluice.modalities.reading import PageReader
from sluice.modalities.text import TextModality
from sluice.pipeline import Pipeline
from sluice.schema import LABELS, DetectedLanguage, ImageEvidence, TextEvidence
from tests.engine.pipelines import POLICIES, Bench, extract_image, extract_texts, finds

PAGE = Page(np.zeros((100, 400, 3), np.uint8), (0.0, 0.5, 1.0, 1.0))
IMAGES = [{"uri": "a:ok"}]
LATE = "partial: its text: late: the post's deadline came first"


def extract_with_page(content: bytes) -> Features[ImageRow]:
    return Features(extract_image(content).rows, pages=(PAGE,))


class PictureBench(Bench):
    """A pipeline that reads the text in pictures."""

    def __init__(self, config: PictureTextConfig | None = None) -> None:
        super().__init__()
        run = on_threads(ThreadPoolExecutor(2))
        text = TextModality(extract_texts, run, self.identify)
        in_pictures = PictureTextModality(PageReader(self.classifier, self.metrics, config), text)
        images = ImageModality(MediaSource(self.fetcher, 2**30), run, extract_with_page, in_pictures)
        patience = PipelineConfig(deadline_ms=20_000)
        self.pipeline = Pipeline([text, images], self.classifier, POLICIES, self.metrics, patience)


@pytest.fixture
def bench() -> PictureBench:
    return PictureBench()


def threatens(words: str, score: float) -> Script:
    """A text encoder that finds a threat in texts as long as `words`."""

    def script(model: ModelSpec, row: Arrays) -> Array:
        scores = quiet(model, row)
        if model is TEXT_ENCODER and row["input_ids"][0] == len(words):
            scores[LABELS.index("threat")] = score
        return scores

    return script


async def test_it_is_scored_as_text_and_its_evidence_are_boxes(bench: PictureBench) -> None:
    bench.classifier.writing = ("one two", "three")
    bench.classifier.script = threatens("one two three", 0.95)
    verdict = await bench.score(images=IMAGES)
    assert verdict.decision == "block"
    (reason,) = verdict.reasons
    assert reason.label == "threat"
    assert reason.contributions == {"image:0": pytest.approx(0.94)}
    boxes = [item.box for item in reason.evidence if isinstance(item, ImageEvidence)]
    assert boxes == [(0.0, 0.5, 1.0, 0.75), (0.0, 0.75, 1.0, 1.0)]
    assert verdict.modalities == {"image:0": "ok"}
    assert verdict.language == DetectedLanguage("en", 0.98)
    assert set(verdict.models) == {"fusion", "image_encoder", "ocr_detector", "ocr_recogniser", "text_encoder"}
    assert verdict.latency_ms["read"] > 0.0


async def test_a_part_counts_with_the_text_in_it(bench: PictureBench) -> None:
    bench.classifier.writing = ("in the picture",)
    for script in (threatens("in the picture", 0.6), finds("threat", 0.6, ("image_encoder",))):
        bench.classifier.script = script
        (reason,) = (await bench.score(text="in the post", images=IMAGES)).reasons
        assert reason.contributions == {"text": 0.0, "image:0": pytest.approx(0.59)}
        assert not any(isinstance(item, TextEvidence) for item in reason.evidence)


async def test_a_picture_without_text_is_scored_as_before(bench: PictureBench) -> None:
    verdict = await bench.score(images=IMAGES)
    assert (verdict.decision, verdict.modalities, verdict.language) == ("allow", {"image:0": "ok"}, None)
    assert bench.count("sluice_pictures_total", found="none") == 1


async def test_text_that_cannot_be_read_makes_the_picture_partial(bench: PictureBench) -> None:
    bench.classifier.writing = ("",) * 4
    verdict = await bench.score(images=IMAGES)
    assert verdict.modalities == {"image:0": "partial: its text: 4 of 4 lines cannot be read"}
    assert verdict.decision == "review"


async def test_a_language_that_is_not_read_is_named(bench: PictureBench) -> None:
    bench.classifier.writing, bench.languages = ("one two",), Languages(Language("th", 0.9), ("th",))
    verdict = await bench.score(images=IMAGES)
    assert verdict.modalities == {"image:0": "partial: its text: Thai is not read"}
    assert verdict.language == DetectedLanguage("th", 0.9)


async def test_text_that_is_late_leaves_the_picture_scored(bench: PictureBench) -> None:
    bench.classifier.writing, bench.classifier.delay_s = ("one two",), {"ocr_recogniser": 60.0}
    bench.classifier.script = finds("threat", 0.95, ("image_encoder",))
    verdict = await bench.score(images=IMAGES, deadline_ms=2_000)
    assert verdict.modalities == {"image:0": LATE}
    assert verdict.decision == "block"
    assert bench.count("sluice_failed_parts_total", modality="picture_text", reason="late") == 1


async def test_an_outage_of_the_reader_is_an_outage(bench: PictureBench) -> None:
    bench.classifier.errors["ocr_detector"] = InferenceUnavailable("away", "ocr_detector")
    with pytest.raises(InferenceUnavailable):
        await bench.score(images=IMAGES)


@pytest.mark.parametrize("n_missing", [1, 0])
async def test_pages_that_find_no_room_are_late(n_missing: int) -> None:
    bench = PictureBench(PictureTextConfig(max_waiting_bytes=PAGE.pixels.nbytes - n_missing))
    bench.classifier.writing = ("one two",)
    for _ in range(2):  # what was read makes room
        assert (await bench.score(images=IMAGES)).modalities == {"image:0": LATE if n_missing else "ok"}


async def test_a_broken_picture_has_no_text(bench: PictureBench) -> None:
    verdict = await bench.score(images=[{"uri": "a:broken"}])
    assert verdict.modalities == {"image:0": "failed: not an image"}
