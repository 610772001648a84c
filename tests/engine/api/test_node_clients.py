"""Clients of the Perspective API in JavaScript: npm's ``perspective-api-client``, and Google's discovery."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.components import require
from tests.engine.api.conftest import KEY, FakeScorer, key_entry, serving

CLIENTS = Path(__file__).with_name("node_clients")
Call = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def call(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Call]:
    """Sends one request through a client, and returns what it gave."""
    node, npm = require("node"), require("npm")
    folder = tmp_path_factory.mktemp("node") / "clients"
    shutil.copytree(CLIENTS, folder)
    subprocess.run(
        [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=folder, check=True, capture_output=True
    )
    with serving(FakeScorer(), keys=key_entry()) as address:

        def send(key: str = KEY, **request: Any) -> dict[str, Any]:
            command = [node, "call.js", address, key]
            done = subprocess.run(command, cwd=folder, input=json.dumps([request]).encode(), capture_output=True)
            (outcome,) = json.loads(done.stdout)
            return outcome

        yield send


def test_perspective_api_client_scores_attributes(call: Call) -> None:
    outcome = call(client="perspective-api-client", text="how rude", options={"attributes": ["insult", "spam"]})
    scores = outcome["answer"]["attributeScores"]
    assert {name: each["summaryScore"]["value"] for name, each in scores.items()} == {"INSULT": 0.9, "SPAM": 0.01}


def test_perspective_api_client_says_our_error(call: Call) -> None:
    outcome = call(client="perspective-api-client", text="hello", options={"attributes": ["unsubstantial"]})
    assert outcome["status"] == 400
    assert "UNSUBSTANTIAL is not supported" in outcome["error"]
    assert call(client="perspective-api-client", key="wrong", text="hello")["status"] == 401


def test_googles_discovery_builds_a_client_from_our_document(call: Call) -> None:
    body = {"comment": {"text": "nasty"}, "requestedAttributes": {"TOXICITY": {}}}
    answer = call(client="googleapis", body=body)["answer"]
    assert answer["attributeScores"]["TOXICITY"]["summaryScore"]["value"] == 0.9
    refused = call(client="googleapis", body={"comment": {"text": ""}, "requestedAttributes": {"TOXICITY": {}}})
    assert (refused["status"], refused["error"]) == (400, "Comment must be non-empty")
