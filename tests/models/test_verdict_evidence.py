"""Where verdicts of the shipped models point: the harmful span, box and time range of posts made for it."""

from __future__ import annotations

import io
import random
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml
from PIL import Image

from sluice.client.inline_media import encode_inline
from sluice.features import SAMPLE_RATE_HZ
from sluice.schema import AudioEvidence, ImageEvidence, Media, Post, Reason, TextEvidence
from sluice.verdict.policy import Policy, Thresholds
from sluice_models.measure.mixtures import shot_scene
from sluice_models.recipes.text.templates import cut_marks
from tests.models.onnx_classifier import open_pipeline
from tests.models.scenes.drawings import draw_fire_scene, draw_weapon_scene

pytestmark = pytest.mark.torch

SEEDS = range(90_001, 90_018)
"""Of scenes that no training draws: its seeds are small."""
MIN_IOU = 0.3
Box = tuple[float, float, float, float]

TEXTS = yaml.safe_load(Path(__file__).with_name("plain_cases.yaml").read_text("utf-8"))["marked"]


async def find_reasons(
    text: str | None = None, image: str | None = None, clip: str | None = None, policy: Policy | None = None
) -> list[Reason]:
    post = Post(
        id="made",
        text=text,
        images=(Media(image),) if image else (),
        audio=(Media(clip),) if clip else (),
    )
    async with open_pipeline(policy) as pipeline:
        verdict = await pipeline.score(post)
    assert set(verdict.modalities.values()) == {"ok"}
    return list(verdict.reasons)


def save_picture(picture: Image.Image) -> str:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return encode_inline(file.getvalue(), "image/png")


def save_clip(waveform: np.ndarray) -> str:
    file = io.BytesIO()
    soundfile.write(file, waveform, SAMPLE_RATE_HZ, format="WAV")
    return encode_inline(file.getvalue(), "audio/wav")


@pytest.mark.parametrize("marked", TEXTS)
async def test_a_verdict_points_at_the_harmful_sentence(marked: str) -> None:
    text, ((start, end),) = cut_marks(marked)
    reasons = await find_reasons(text=text)
    items = [item for reason in reasons for item in reason.evidence]
    pointed = {i for item in items if isinstance(item, TextEvidence) for i in range(item.start, item.end)}
    inside = pointed & set(range(start, end))
    assert inside, "nothing is pointed at"
    assert len(inside) >= len(pointed) / 2


def overlap(first: Box, second: Box) -> float:
    """Intersection over union of two boxes: left, top, right, bottom."""
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    shared = max(width, 0.0) * max(height, 0.0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (first, second)]
    return shared / (sum(areas) - shared)


def is_right(found: Box, true: Box) -> bool:
    """Whether the middle of the box lies in the true one, or they overlap by `MIN_IOU`."""
    x, y = (found[0] + found[2]) / 2, (found[1] + found[3]) / 2
    return (true[0] <= x <= true[2] and true[1] <= y <= true[3]) or overlap(found, true) >= MIN_IOU


@pytest.mark.parametrize(
    ("found", "right"),
    [((0.1, 0.1, 0.3, 0.3), True), ((0.0, 0.0, 0.3, 0.3), True), ((0.6, 0.6, 0.9, 0.9), False), ((0, 0, 1, 1), False)],
)
def test_boxes_are_judged_by_their_middle_or_overlap(found: Box, right: bool) -> None:
    assert is_right(found, (0.1, 0.1, 0.4, 0.4)) is right


async def find_box(label: str, picture: Image.Image) -> Box | None:
    """The first box of a verdict's reason; nothing if the verdict does not speak of the label at even odds."""
    even = Policy(name="even", version=1, labels={label: Thresholds(review=0.5)})
    reasons = await find_reasons(image=save_picture(picture), policy=even)
    items = [item for reason in reasons if reason.label == label for item in reason.evidence]
    return next((item.box for item in items if isinstance(item, ImageEvidence)), None)


async def judge_boxes(label: str, draw) -> list[bool]:
    """Whether each verdict that speaks of the label points at the drawn object."""
    scenes = [draw(random.Random(seed)) for seed in SEEDS]
    boxes = [(await find_box(label, picture), true) for picture, true in scenes]
    return [is_right(found, true) for found, true in boxes if found is not None]


async def test_verdicts_point_at_the_fire_in_ten_pictures() -> None:
    judged = await judge_boxes("fire", draw_fire_scene)
    assert len(judged) >= 10, "fire is seldom found"
    assert all(judged[:10]), judged


async def test_verdicts_point_at_drawn_weapons_more_often_than_not() -> None:
    """The weakest evidence there is: few drawn weapons reach even odds, and not every box is on them (see the card)."""
    judged = await judge_boxes("weapons", draw_weapon_scene)
    assert len(judged) >= 3, "weapons are hardly found"
    assert sum(judged) > len(judged) / 2, judged


async def test_verdicts_that_speak_of_a_shot_point_at_it() -> None:
    """Shots made by program are often taken for drums (see the card): those that are found count."""
    n_found = 0
    for seed in range(90_001, 90_021):
        waveform, start_s, end_s = shot_scene(np.random.default_rng(seed))
        reasons = await find_reasons(clip=save_clip(waveform))
        items = [item for reason in reasons if reason.label == "gunshot" for item in reason.evidence]
        ranges = [(item.start_s, item.end_s) for item in items if isinstance(item, AudioEvidence)]
        n_found += bool(ranges)
        assert not ranges or any(first < end_s and last > start_s for first, last in ranges), seed
        assert sum(last - first for first, last in ranges) < len(waveform) / SAMPLE_RATE_HZ / 2, seed
    assert n_found >= 4, "shots are hardly found"
