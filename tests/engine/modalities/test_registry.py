"""The modalities that Sluice knows keep the contract of their models."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import soundfile
from PIL import Image

from sluice.bytebudget import Lease
from sluice.contract import MODALITIES, Axis, TensorSpec
from sluice.features import Language, Languages
from sluice.features.text import TextExtractor
from sluice.inference import Array
from sluice.modalities.base import AnyModality, inputs_of
from sluice.modalities.extraction import on_threads
from sluice.modalities.media import MediaSource
from sluice.modalities.registry import all_modalities
from sluice.schema import Media, Post

TYPES = {"INT64": np.int64, "UINT8": np.uint8, "FP32": np.float32, "BOOL": np.bool_}
POST = Post(id="p", text="see you at lunch " * 90, images=(Media("a:image"),) * 2, audio=(Media("a:clip"),))


def draw_picture() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (400, 90), "skyblue").save(file, "PNG")
    return file.getvalue()


def make_clip() -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.sin(np.arange(40_000) / 9) / 2, 8_000, format="WAV")
    return file.getvalue()


MEDIA = {"a:image": draw_picture(), "a:clip": make_clip()}


class FakeFetcher:
    """Media by URI."""

    async def fetch(self, uri: str, lease: Lease) -> bytes:
        return MEDIA[uri]


def identify(texts: list[str]) -> list[Languages]:
    return [Languages(Language("en", 1.0)) for _ in texts]


def shipped() -> dict[str, AnyModality]:
    run = on_threads(ThreadPoolExecutor(1))
    held = MediaSource(FakeFetcher(), 2**30)
    return {each.name: each for each in all_modalities(held, TextExtractor().extract_batch, identify, run, run)}


def fits(tensor: TensorSpec, array: Array) -> bool:
    sizes = zip(tensor.shape, array.shape, strict=True)
    return array.dtype == TYPES[tensor.type] and all(
        size.sizes[0] <= found <= size.sizes[-1] if isinstance(size, Axis) else found == size for size, found in sizes
    )


def test_they_stand_in_the_order_of_the_fusions_kinds() -> None:
    assert tuple(shipped()) == MODALITIES
    assert [modality.kind for modality in shipped().values()] == list(range(len(MODALITIES)))


def test_parts_are_named_as_verdicts_call_them() -> None:
    parts = [part for modality in shipped().values() for part in modality.parts(POST)]
    assert [part.name for part in parts] == ["text", "image:0", "image:1", "audio:0"]
    assert [part.index for part in parts] == [0, 0, 1, 0]
    assert not [part for modality in shipped().values() for part in modality.parts(Post(id="p", text=""))]


@pytest.mark.parametrize("name", MODALITIES)
async def test_rows_are_what_the_model_takes(name: str) -> None:
    modality = shipped()[name]
    async with modality.fetch(modality.parts(POST)[0]) as source:
        features = await modality.extract(source)
    assert len(features.rows) > 1
    for row in features.rows:
        inputs = inputs_of(modality.model, row)
        assert all(fits(tensor, inputs[tensor.name]) for tensor in modality.model.inputs)


async def test_pictures_are_hashed_for_banks_alone() -> None:
    plain = shipped()["image"]
    assert plain.hashing.kept_as != plain.kept_as == "image"
    for modality, n_prints in ((plain, 0), (plain.hashing, 1)):
        async with modality.fetch(modality.parts(POST)[0]) as source:
            assert len((await modality.extract(source)).prints) == n_prints
