"""Azure AI Content Safety's requests as its documentation shows them."""

from __future__ import annotations

import base64
from typing import Any

import httpx
import pytest

from sluice.api.azure import LABELS_OF, MAX_CHARACTERS, read_severities
from sluice.schema import LABELS
from tests.engine.api.conftest import BAD_IMAGE, FakeScorer
from tests.engine.cli.verdicts import make_reason, make_verdict

TEXT, IMAGE = "/contentsafety/text:analyze?api-version=2024-09-01", "/contentsafety/image:analyze"


def severities(answer: httpx.Response) -> dict[str, int]:
    assert answer.status_code == 200, answer.text
    return {each["category"]: each["severity"] for each in answer.json()["categoriesAnalysis"]}


def test_a_text_has_a_severity_in_each_category(client: httpx.Client) -> None:
    answer = client.post(TEXT, json={"text": "a menace"})
    assert severities(answer) == {"Hate": 0, "SelfHarm": 0, "Sexual": 0, "Violence": 4}
    assert answer.json()["blocklistsMatch"] == []


def test_categories_and_levels_are_chosen_by_the_caller(client: httpx.Client) -> None:
    asked = {"text": "vile", "categories": ["Hate"], "outputType": "EightSeverityLevels", "blocklistNames": []}
    assert severities(client.post(TEXT, json=asked)) == {"Hate": 4}


def test_a_picture_comes_in_base64(client: httpx.Client, scorer: FakeScorer) -> None:
    content = base64.b64encode(b"picture").decode()
    assert severities(client.post(IMAGE, json={"image": {"content": content}}))["Sexual"] == 0
    assert scorer.posts[0].images[0].uri.endswith(content)


def test_a_picture_comes_by_address(client: httpx.Client) -> None:
    assert severities(client.post(IMAGE, json={"image": {"blobUrl": BAD_IMAGE}}))["Sexual"] == 4


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        (TEXT, {}),
        (TEXT, {"text": ""}),
        (TEXT, {"text": "a" * (MAX_CHARACTERS + 1)}),
        (TEXT, {"text": "a", "categories": ["Boredom"]}),
        (TEXT, {"text": "a", "blocklistNames": ["mine"]}),
        (IMAGE, {"image": {}}),
        (IMAGE, {"image": {"content": "AAAA", "blobUrl": "https://example.org/a.png"}}),
        (IMAGE, {"image": {"content": "not base64!"}}),
        (IMAGE, {"image": {"blobUrl": "file:///etc/passwd"}}),
    ],
)
def test_a_wrong_request_is_azures_invalid_body(client: httpx.Client, path: str, asked: dict[str, Any]) -> None:
    answer = client.post(path, json=asked)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "InvalidRequestBody"


def test_a_picture_that_was_not_read_is_an_error_and_not_harmless(client: httpx.Client, scorer: FakeScorer) -> None:
    scorer.late = True
    assert client.post(IMAGE, json={"image": {"content": "AAAA"}}).status_code == 504


@pytest.mark.parametrize(
    ("severity", "eight", "four"), [(0.0, 2, 2), (0.3, 2, 2), (0.5, 4, 4), (0.75, 5, 4), (1.0, 7, 6)]
)
def test_a_reason_is_as_severe_as_its_label(severity: float, eight: int, four: int) -> None:
    verdict = make_verdict(severity=dict.fromkeys(LABELS, severity), reasons=(make_reason("hate", 0.9),))
    assert read_severities(verdict, ["Hate"], True)[0].severity == eight
    assert read_severities(verdict, ["Hate"], False)[0].severity == four


def test_a_score_without_a_reason_of_the_policy_is_harmless() -> None:
    verdict = make_verdict(scores=dict.fromkeys(LABELS, 0.99), severity=dict.fromkeys(LABELS, 1.0))
    assert {each.severity for each in read_severities(verdict, None, True)} == {0}


def test_every_label_named_by_a_category_exists() -> None:
    assert {label for labels in LABELS_OF.values() for label in labels} <= set(LABELS)
