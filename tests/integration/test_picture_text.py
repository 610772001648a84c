"""Text in drawn pictures through the real models: found, read, and placed, in English and Chinese."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator

import pytest
import tenacity
from noto_cjk_sans_jp_regular import FONT_PATH
from PIL import Image, ImageDraw, ImageFont
from prometheus_client import CollectorRegistry

from sluice.client.inline_media import encode_inline
from sluice.config import InferenceConfig
from sluice.contract import MODELS, OCR_MODELS
from sluice.errors import InferenceUnavailable
from sluice.features.image import extract_image_and_pages
from sluice.inference.triton import TritonClassifier
from sluice.local.triton import TritonServer
from sluice.metrics import Metrics
from sluice.modalities.lettering import lay_out
from sluice.modalities.reading import PageReader
from sluice.opening import open_pipeline
from sluice.pipeline import Pipeline
from sluice.schema import ImageEvidence, Media, Post, Verdict
from sluice.settings import load_settings

pytestmark = pytest.mark.integration

THREATS = ("I will find you and\nI will hurt you", "我要杀了你，你等着\n我会找到你家")
INVITATIONS = ("Come and find us on\nthe market square", "欢迎大家周日\n来我家吃饭")


def draw(text: str, size: tuple[int, int] = (640, 360), letters_px: int = 44) -> bytes:
    picture, file = Image.new("RGB", size, "ivory"), io.BytesIO()
    font = ImageFont.truetype(str(FONT_PATH), letters_px)
    ImageDraw.Draw(picture).multiline_text((30, size[1] // 3), text, font=font, fill="navy")
    picture.save(file, "PNG")
    return file.getvalue()


@pytest.fixture
async def reader(triton_server: TritonServer) -> AsyncIterator[PageReader]:
    metrics = Metrics(CollectorRegistry())
    classifier = TritonClassifier(InferenceConfig(triton_server.address), metrics, (*MODELS, *OCR_MODELS))
    yield PageReader(classifier, metrics)
    await classifier.close()


@pytest.fixture
async def pipeline(triton_server: TritonServer) -> AsyncIterator[Pipeline]:
    settings = load_settings({"SLUICE_TRITON": triton_server.address, "SLUICE_DECODERS": "1"})
    async with open_pipeline(settings, Metrics(CollectorRegistry())) as pipeline:
        yield pipeline


@tenacity.retry(retry=tenacity.retry_if_exception_type(InferenceUnavailable), stop=tenacity.stop_after_delay(120))
async def read(reader: PageReader, picture: bytes) -> str:
    """Text of a picture; as posts are, it is kept while a busy machine makes a model seem away."""
    return lay_out((await reader.read(extract_image_and_pages(picture).pages)).pages).text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The library is closed\nuntil Monday morning.", "The library is closed until Monday morning."),
        ("图书馆今天休息\n周一再来", "图书馆今天休息周一再来"),
        ("図書館は休みです", "図書館は休みです"),
        ("", ""),
    ],
)
async def test_what_is_drawn_is_read(reader: PageReader, text: str, expected: str) -> None:
    assert await read(reader, draw(text)) == expected


async def test_many_pictures_at_once_are_read_as_each_alone(reader: PageReader) -> None:
    pictures = [draw(f"Notice number {number}\nof the house committee") for number in range(6)]
    together = await asyncio.gather(*(read(reader, picture) for picture in pictures))
    assert together == [f"Notice number {number} of the house committee" for number in range(6)]


async def test_letters_that_nobody_reads_here_are_said_to_be_unread(reader: PageReader) -> None:
    reading = await reader.read(extract_image_and_pages(draw("너를 찾아낼 거야\n조심해 조심해")).pages)
    assert reading.describe_rest() is not None


@tenacity.retry(retry=tenacity.retry_if_exception_type(InferenceUnavailable), stop=tenacity.stop_after_delay(120))
async def score(pipeline: Pipeline, picture: bytes) -> Verdict:
    return await pipeline.score(Post(id="p", images=(Media(encode_inline(picture, "image/png")),), deadline_ms=20_000))


@pytest.mark.parametrize("text", THREATS)
async def test_a_threat_is_found_where_it_is_written(pipeline: Pipeline, text: str) -> None:
    verdict = await score(pipeline, draw(text))
    assert verdict.modalities == {"image:0": "ok"}
    reason = next(reason for reason in verdict.reasons if reason.label == "threat")
    assert set(reason.contributions) == {"image:0"}
    words = [item for item in reason.evidence if isinstance(item, ImageEvidence)]
    assert words
    assert all(0.25 < item.box[1] < item.box[3] < 0.8 for item in words)


@pytest.mark.parametrize(("text", "threat"), [*zip(INVITATIONS, THREATS, strict=True)])
async def test_an_invitation_threatens_less_than_a_threat(pipeline: Pipeline, text: str, threat: str) -> None:
    harmless, harmful = await score(pipeline, draw(text)), await score(pipeline, draw(threat))
    assert harmless.modalities == {"image:0": "ok"}
    assert harmless.scores["threat"] < harmful.scores["threat"] / 2


async def test_the_same_picture_gives_the_same_verdict(pipeline: Pipeline) -> None:
    picture = draw("I will find you and\nI will hurt you")
    first, second = await asyncio.gather(score(pipeline, picture), score(pipeline, picture))
    assert (first.scores, first.reasons) == (second.scores, second.reasons)
