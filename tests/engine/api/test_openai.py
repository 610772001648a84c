"""OpenAI's own client, unchanged but for its address."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import openai
import pytest

from sluice.api.openai import CATEGORIES, make_posts, read_result
from sluice.errors import InferenceUnavailable
from sluice.schema import LABELS
from tests.engine.api.conftest import BAD_IMAGE, KEY, FakeScorer, key_entry, serving
from tests.engine.cli.verdicts import make_reason, make_verdict


@pytest.fixture
def ai(address: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0) as client:
        yield client


def test_a_text(ai: openai.OpenAI) -> None:
    answer = ai.moderations.create(model="omni-moderation-latest", input="how rude")
    (result,) = answer.results
    assert answer.id.startswith("modr-")
    assert answer.model == "sluice-test-1"
    assert result.flagged
    assert result.categories.harassment
    assert result.category_scores.harassment == 0.9
    assert not result.categories.harassment_threatening
    assert result.category_applied_input_types.harassment == ["text"]


def test_scores_are_those_of_all_models(ai: openai.OpenAI, scorer: FakeScorer) -> None:
    ai.moderations.create(input=["hello", "rude menace"])
    assert scorer.in_full == [True, True]


def test_several_texts_have_a_result_each(ai: openai.OpenAI) -> None:
    results = ai.moderations.create(input=["hello", "rude menace"]).results
    assert [result.flagged for result in results] == [False, True]
    assert results[1].categories.harassment_threatening
    assert results[1].category_scores.harassment_threatening == 0.9


def test_a_text_and_a_picture_are_one_post(ai: openai.OpenAI, scorer: FakeScorer) -> None:
    (result,) = ai.moderations.create(
        model="omni-moderation-latest",
        input=[
            {"type": "text", "text": "look"},
            {"type": "image_url", "image_url": {"url": BAD_IMAGE}},
        ],
    ).results
    (post,) = scorer.posts
    assert (post.text, post.images[0].uri) == ("look", BAD_IMAGE)
    assert result.categories.sexual
    assert result.category_applied_input_types.sexual == ["text", "image"]
    assert result.category_applied_input_types.harassment == ["text"]


def test_what_no_label_says_is_never_flagged_and_applies_to_nothing(ai: openai.OpenAI) -> None:
    (result,) = ai.moderations.create(input="vile rude menace").results
    assert not result.categories.sexual_minors
    assert result.category_scores.sexual_minors == 0.0
    assert result.category_applied_input_types.sexual_minors == []


def test_every_category_of_the_client_is_there(ai: openai.OpenAI) -> None:
    (result,) = ai.moderations.create(input="hello").results
    assert set(result.categories.model_dump(by_alias=True)) == set(CATEGORIES)
    assert set(result.category_scores.model_dump(by_alias=True)) == set(CATEGORIES)


@pytest.mark.parametrize(
    "given",
    ["", [], [{"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}], [{"type": "text", "text": ""}]],
)
def test_a_wrong_input_is_openais_bad_request(ai: openai.OpenAI, given: str) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        ai.moderations.create(input=given)
    assert refused.value.body["type"] == "invalid_request_error"  # type: ignore[index]


def test_texts_and_parts_are_not_mixed(client: httpx.Client) -> None:
    answer = client.post("/v1/moderations", json={"input": ["a", {"type": "text", "text": "b"}]})
    assert answer.status_code == 400
    assert "not both" in answer.json()["error"]["message"]


def test_models_that_are_away_are_openais_server_error(ai: openai.OpenAI, scorer: FakeScorer) -> None:
    scorer.error = InferenceUnavailable("down")
    with pytest.raises(openai.InternalServerError) as refused:
        ai.moderations.create(input="hello")
    assert refused.value.status_code == 503


def test_keys_are_openais(scorer: FakeScorer) -> None:
    with serving(scorer, keys=key_entry(posts_per_day=1)) as address:
        with pytest.raises(openai.AuthenticationError):
            openai.OpenAI(base_url=f"{address}/v1", api_key="wrong", max_retries=0).moderations.create(input="a")
        ai = openai.OpenAI(base_url=f"{address}/v1", api_key=KEY, max_retries=0)
        assert not ai.moderations.create(input="a").results[0].flagged
        with pytest.raises(openai.RateLimitError):
            ai.moderations.create(input="b")


def test_a_post_that_was_not_read_is_flagged_without_a_category() -> None:
    result = read_result(make_verdict(decision="review", modalities={"text": "partial: Thai is not read"}))
    assert result.flagged
    assert not any(result.categories.values())


def test_a_joint_category_needs_a_reason_for_each_label() -> None:
    scores = dict.fromkeys(LABELS, 0.0) | {"hate": 0.9, "threat": 0.4}
    result = read_result(make_verdict(decision="block", scores=scores, reasons=(make_reason("hate", 0.9),)))
    assert (result.categories["hate"], result.categories["hate/threatening"]) == (True, False)
    assert result.category_scores["hate/threatening"] == 0.4


def test_every_label_named_by_a_category_exists() -> None:
    assert {label for each in CATEGORIES.values() for label in each.labels} <= set(LABELS)


def test_each_post_has_an_id_of_its_own() -> None:
    first, second = make_posts(["a", "a"])
    assert first.id != second.id
