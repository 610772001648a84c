"""Azure's own SDK, unchanged but for its endpoint."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from azure.ai.contentsafety import ContentSafetyClient
from azure.ai.contentsafety.aio import ContentSafetyClient as AsyncContentSafetyClient
from azure.ai.contentsafety.models import (
    AnalyzeImageOptions,
    AnalyzeTextOptions,
    AnalyzeTextOutputType,
    ImageData,
    TextCategory,
)
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError

from sluice.api.azure import MAX_CHARACTERS
from tests.engine.api.conftest import BAD_IMAGE, KEY, FakeScorer, key_entry, serving


@pytest.fixture(scope="module")
def served() -> Iterator[str]:
    with serving(FakeScorer(), keys=key_entry()) as address:
        yield address


@pytest.fixture(scope="module")
def azure(served: str) -> Iterator[ContentSafetyClient]:
    with ContentSafetyClient(served, AzureKeyCredential(KEY)) as client:
        yield client


@pytest.fixture
async def azure_async(served: str) -> AsyncIterator[AsyncContentSafetyClient]:
    async with AsyncContentSafetyClient(served, AzureKeyCredential(KEY)) as client:
        yield client


def test_a_text(azure: ContentSafetyClient) -> None:
    answer = azure.analyze_text(AnalyzeTextOptions(text="a menace"))
    assert {each.category: each.severity for each in answer.categories_analysis} == {
        "Hate": 0, "SelfHarm": 0, "Sexual": 0, "Violence": 4,
    }  # fmt: skip
    assert answer.blocklists_match == []


def test_a_text_with_every_option(azure: ContentSafetyClient) -> None:
    options = AnalyzeTextOptions(
        text="vile",
        categories=[TextCategory.HATE, TextCategory.VIOLENCE],
        blocklist_names=[],
        halt_on_blocklist_hit=False,
        output_type=AnalyzeTextOutputType.EIGHT_SEVERITY_LEVELS,
    )
    (hate, violence) = azure.analyze_text(options).categories_analysis
    assert (hate.category, hate.severity) == (TextCategory.HATE, 4)
    assert (violence.category, violence.severity) == (TextCategory.VIOLENCE, 0)


def test_a_picture_in_the_request_and_by_address(azure: ContentSafetyClient) -> None:
    sent = azure.analyze_image(AnalyzeImageOptions(image=ImageData(content=b"picture")))
    assert {each.severity for each in sent.categories_analysis} == {0}
    named = azure.analyze_image(AnalyzeImageOptions(image=ImageData(blob_url=BAD_IMAGE)))
    assert {each.category: each.severity for each in named.categories_analysis}["Sexual"] == 4


@pytest.mark.parametrize(
    "options",
    [
        AnalyzeTextOptions(text=""),
        AnalyzeTextOptions(text="a" * (MAX_CHARACTERS + 1)),
        AnalyzeTextOptions(text="a", categories=["Boredom"]),
        AnalyzeTextOptions(text="a", blocklist_names=["mine"]),
    ],
)
def test_a_wrong_request_is_azures_error(azure: ContentSafetyClient, options: AnalyzeTextOptions) -> None:
    with pytest.raises(HttpResponseError) as refused:
        azure.analyze_text(options)
    assert refused.value.status_code == 400
    assert refused.value.error is not None
    assert refused.value.error.code == "InvalidRequestBody"


def test_a_wrong_key_is_azures_error(served: str) -> None:
    with (
        ContentSafetyClient(served, AzureKeyCredential("wrong")) as client,
        pytest.raises(ClientAuthenticationError),
    ):
        client.analyze_text(AnalyzeTextOptions(text="a"))


async def test_the_asynchronous_client(azure_async: AsyncContentSafetyClient) -> None:
    answer = await azure_async.analyze_text(AnalyzeTextOptions(text="a menace"))
    assert {each.category: each.severity for each in answer.categories_analysis}["Violence"] == 4
