"""The examples for Osprey and Coop: what they ask of Sluice, and that they know its labels."""

from __future__ import annotations

import json
import re
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from sluice.contract import HARMS
from sluice.schema import encode
from tests.engine.cli.verdicts import make_verdict

INTEGRATIONS = Path(__file__).resolve().parents[2] / "ops" / "integrations"


class Sluice(BaseHTTPRequestHandler):
    """Answers as ``sluice serve`` does."""

    asked: ClassVar[list[tuple[str, str | None, object]]] = []

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append((self.path, self.headers["Authorization"], body))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(encode(make_verdict(decision="block", scores={"threat": 0.97})))

    def log_message(self, *_: object) -> None:
        """Not on the test's output."""


@pytest.fixture
def sluice(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Sluice]]:
    Sluice.asked = []
    with HTTPServer(("127.0.0.1", 0), Sluice) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("OSPREY_SLUICE_URL", f"http://127.0.0.1:{server.server_address[1]}")
        monkeypatch.setenv("OSPREY_SLUICE_KEY", "sk-made-up")
        monkeypatch.syspath_prepend(str(INTEGRATIONS / "osprey"))
        yield Sluice
        server.shutdown()
        thread.join()
    sys.modules.pop("sluice_osprey.scores", None)


def test_osprey_gets_scores_and_decisions_and_asks_once_for_a_text(sluice: type[Sluice]) -> None:
    from sluice_osprey import scores  # type: ignore[import-not-found]

    assert scores.read_score("hi", "threat") == 0.97
    assert scores.read_decision("hi") == "block"
    assert sluice.asked == [("/v1/posts?in_full=true", "Bearer sk-made-up", {"text": "hi"})]
    with pytest.raises(KeyError):
        scores.read_score("hi", "boredom")


def test_coop_has_a_signal_for_every_harm() -> None:
    source = (INTEGRATIONS / "coop" / "index.js").read_text("utf-8")
    block = re.search(r"const HARMS = \{(.*?)\};", source, re.DOTALL)
    assert block is not None
    assert re.findall(r"^  (\w+):", block[1], re.MULTILINE) == list(HARMS)
