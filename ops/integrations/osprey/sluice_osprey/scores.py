"""Asks ``sluice serve`` for the verdict on a text; no Osprey in it."""

from __future__ import annotations

import json
import os
import urllib.request
from functools import lru_cache
from typing import Any

URL_VARIABLE, KEY_VARIABLE = "OSPREY_SLUICE_URL", "OSPREY_SLUICE_KEY"
TIMEOUT_S = 5.0
N_KEPT = 4096
"""Rules ask for several labels of one text."""


def read_score(text: str, label: str) -> float:
    """The calibrated probability of a label, in [0, 1].

    Raises `KeyError` for a label that Sluice does not know, and `OSError` where it does not answer: Osprey then counts
    the feature as failed, and rules that need it do not fire.
    """
    return float(read_verdict(text)["scores"][label])


def read_decision(text: str) -> str:
    """``allow``, ``review`` or ``block``, by Sluice's policy; raises `OSError` where it does not answer."""
    return str(read_verdict(text)["decision"])


@lru_cache(N_KEPT)
def read_verdict(text: str) -> dict[str, Any]:
    """The verdict on a text, as JSON has it; raises `OSError` where nobody answers with one."""
    headers = {"Content-Type": "application/json"}
    if key := os.environ.get(KEY_VARIABLE):
        headers["Authorization"] = f"Bearer {key}"
    address = os.environ.get(URL_VARIABLE, "http://127.0.0.1:8080")
    body = json.dumps({"text": text}).encode()
    request = urllib.request.Request(f"{address}/v1/posts?in_full=true", body, headers)
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
        verdict: dict[str, Any] = json.load(answer)
        return verdict
