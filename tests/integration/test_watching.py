"""Lists and banks of hashes that a worker looks for: pushed while it runs, and still there when it starts anew."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from PIL import Image, ImageDraw
from prometheus_client.parser import text_string_to_metric_families

from sluice.client import Outcomes, Publisher
from sluice.config import KafkaConfig, Topics
from sluice.features.image import extract_image_and_prints
from sluice.local.kafka import NativeKafka
from sluice.local.processes import python_path
from sluice.local.stack import Stack, StackConfig, kafka_environment
from sluice.local.triton import TritonServer
from sluice.resources import triton_repository
from sluice.schema import Media, Post, Verdict
from tests.components import wait_for

pytestmark = [pytest.mark.integration, pytest.mark.kafka]

NAMES = ("posts", "verdicts", "reviews", "dead-letters", "policies", "feedback")
POLICY = """\
name: mine
version: 1
extends: default
rules:
- {name: listed, when: "'insults' in lists", decision: block}
- {name: known, when: "'known' in hashes", decision: block}
cases:
- {name: both, lists: [insults], hashes: [known], expect: {decision: block, rules: [listed, known]}}
"""


class Shop:
    """Topics of the test, and a worker on them."""

    def __init__(self, kafka: KafkaConfig, triton: str, folder: Path) -> None:
        names = {name.replace("-", "_"): f"watching.{name}" for name in NAMES}
        self.kafka = KafkaConfig(
            kafka.bootstrap, topics=Topics(**names, lists="watching.lists", hashes="watching.hashes")
        )
        (folder / "mine.yaml").write_text(POLICY)
        environment = {"SLUICE_GROUP": "watching", "SLUICE_POLICY": str(folder / "mine.yaml")}
        config = StackConfig(
            folder / "worker", triton_repository(), kafka=self.kafka, triton=triton, worker_environment=environment
        )
        self.stack = Stack(config)

    def command(self, *arguments: str | Path) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "sluice.cli", *map(str, arguments), "--json"],
            env={**os.environ, **python_path(), **kafka_environment(self.kafka)}, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    def score(self, **fields: object) -> Verdict:
        """A post's verdict."""
        with Outcomes(self.kafka, kinds=("verdict",)) as outcomes, Publisher(self.kafka) as publisher:
            publisher.publish(Post(id="p", deadline_ms=60_000, **fields))  # type: ignore[arg-type]
            publisher.flush()
            return next(iter(outcomes.follow())).verdict()

    def wait_until_watched(self, series: str) -> None:
        """Until the worker says that it looks for something."""
        wait_for(lambda: read_series(self.stack, series) == 1.0, f"{series} in force")


def read_series(stack: Stack, series: str) -> float | None:
    with urllib.request.urlopen(f"{stack.addresses.metrics}/metrics") as answer:
        families = text_string_to_metric_families(answer.read().decode())
    return next((sample.value for family in families for sample in family.samples if sample.name == series), None)


def draw(size: int, form: str) -> bytes:
    picture = Image.linear_gradient("L").convert("RGB").resize((600, 400))
    ImageDraw.Draw(picture).ellipse((100, 50, 350, 300), fill="red")
    ImageDraw.Draw(picture).polygon([(400, 380), (590, 350), (500, 100)], fill="blue")
    file = io.BytesIO()
    picture.resize((size, size * 2 // 3)).save(file, form)
    return file.getvalue()


def test_a_worker_looks_for_what_is_pushed_also_after_a_restart(
    kafka_broker: NativeKafka, triton_server: TritonServer, tmp_path: Path
) -> None:
    shop = Shop(kafka_broker.kafka, triton_server.address, tmp_path)
    insults, known = tmp_path / "insults.jsonl", tmp_path / "known.csv"
    insults.write_text('{"kind": "word", "value": "clanker", "owner": "ann"}\n')
    (seen,) = extract_image_and_prints(draw(600, "PNG")).prints
    known.write_text(f"kind,value,id\npdq,{seen.bits.hex()},case-7\n")
    copy = Media.inline(draw(300, "JPEG"), "image/jpeg")
    with shop.stack:
        assert shop.score(text="You clanker").lists == ()
        shop.command("lists", "push", insults)
        shop.command("hashes", "push", known)
        shop.wait_until_watched("sluice_list_entries")
        shop.wait_until_watched("sluice_bank_hashes")
        check(shop.score(text="You cl4nker", images=(copy,)))
        shop.stack.stop_worker()
        shop.stack.start_worker()
        check(shop.score(text="You cl4nker", images=(copy,)))
        shop.command("lists", "remove", "insults")
        wait_for(lambda: read_series(shop.stack, "sluice_list_entries") is None, "the list is gone")
        assert shop.score(text="You clanker").lists == ()


def check(verdict: Verdict) -> None:
    assert (verdict.decision, [rule.rule for rule in verdict.rules]) == ("block", ["listed", "known"])
    assert [(match.list, match.value, match.start, match.end, match.owner) for match in verdict.lists] == [
        ("insults", "clanker", 4, 11, "ann")
    ]
    assert [(match.bank, match.part, match.kind, match.id) for match in verdict.hashes] == [
        ("known", "image:0", "pdq", "case-7")
    ]
    assert verdict.hashes[0].distance <= 31
