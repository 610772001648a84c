"""Which models a server has."""

from __future__ import annotations

import pytest

from sluice.config import InferenceConfig
from sluice.contract import IMAGE_ENCODER, OCR_MODELS
from sluice.errors import InferenceUnavailable
from sluice.inference.repository import find_missing
from tests.kserve import KServe, serving


async def test_what_the_repository_lacks_is_named() -> None:
    server = KServe()
    async with serving(server) as port:
        config = InferenceConfig(f"127.0.0.1:{port}")
        assert await find_missing(config, (IMAGE_ENCODER, *OCR_MODELS)) == ["ocr_detector", "ocr_recogniser"]
        server.specs[OCR_MODELS[0].name] = OCR_MODELS[0]
        assert await find_missing(config, OCR_MODELS) == ["ocr_recogniser"]


async def test_a_server_that_cannot_tell_has_none() -> None:
    server = KServe()
    server.fail("internal")
    async with serving(server) as port:
        assert await find_missing(InferenceConfig(f"127.0.0.1:{port}"), (IMAGE_ENCODER,)) == ["image_encoder"]


async def test_a_server_that_is_away_is_an_outage() -> None:
    async with serving(KServe()) as port:
        pass
    with pytest.raises(InferenceUnavailable):
        await find_missing(InferenceConfig(f"127.0.0.1:{port}"), OCR_MODELS)
