"""Policies of two tenants, changed under load: on a real Kafka, with two workers of one group."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from confluent_kafka import Producer
from prometheus_client.parser import text_string_to_metric_families

from sluice.client import Outcomes
from sluice.config import KafkaConfig, Topics
from sluice.kafka import ensure_topics
from sluice.local.kafka import NativeKafka
from sluice.local.processes import python_path
from sluice.local.stack import Stack, StackConfig
from sluice.local.triton import TritonServer
from sluice.policies.records import InForce, Version
from sluice.policies.topic import read_topic, write
from sluice.resources import triton_repository
from sluice.schema import Verdict
from tests.components import wait_for

pytestmark = [pytest.mark.integration, pytest.mark.kafka]

TENANTS = ("a", "b")
POSTS_PER_S = 500
N_TEXTS = 20

POLICY = """\
tenant: {tenant}
version: {version}
extends: default
labels:
  spam: {{as: spam-{version}}}
rules:
- {{name: rule-{version}, when: "tenant == '{tenant}'", queue: queue-{version}, tags: ["{tenant}-{version}"]}}
cases:
- {{name: tagged, scores: {{}}, expect: {{decision: allow, rules: [rule-{version}]}}}}
"""


class Shop:
    """Topics of the test, two workers, and a publisher that goes on until it is stopped."""

    def __init__(self, kafka: KafkaConfig, triton: str, folder: Path) -> None:
        names = ("posts", "verdicts", "reviews", "dead-letters", "policies")
        self.kafka = KafkaConfig(kafka.bootstrap, topics=Topics(*(f"policies.{name}" for name in names)))
        self.folder, self.triton = folder, triton
        self.workers: list[Stack] = []
        self.sent: list[str] = []
        self._stop = threading.Event()
        ensure_topics(self.kafka)

    def command(self, *arguments: str | Path) -> list[dict[str, object]]:
        """What `sluice policy` says, as JSON."""
        environment = {
            **os.environ, **python_path(), "SLUICE_KAFKA": self.kafka.bootstrap,
            "SLUICE_TOPIC_POLICIES": self.kafka.topics.policies,
        }  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-m", "sluice.cli", "policy", *map(str, arguments), "--json"],
            env=environment, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def push(self, tenant: str, version: int) -> str:
        """Push a version of a tenant's policy; returns its hash."""
        path = self.folder / f"{tenant}.yaml"
        path.write_text(POLICY.format(tenant=tenant, version=version))
        (pushed,) = self.command("push", path)
        return str(pushed["sha256"])

    @contextmanager
    def open(self) -> Iterator[None]:
        with ExitStack() as stacks:
            for n in range(2):
                config = StackConfig(
                    self.folder / f"worker-{n}", triton_repository(), kafka=self.kafka, triton=self.triton,
                    worker_environment={"SLUICE_GROUP": "policies"},
                )  # fmt: skip
                self.workers.append(stacks.enter_context(Stack(config)))
            yield

    def publish(self) -> None:
        """So many posts a second, of both tenants in turn, until stopped."""
        producer, began = Producer(self.kafka.librdkafka()), time.monotonic()
        while not self._stop.wait(0.02):
            while len(self.sent) < (time.monotonic() - began) * POSTS_PER_S:
                n = len(self.sent)
                self.sent.append(f"p-{n}")
                post = {
                    "id": f"p-{n}",
                    "text": f"See you at lunch, number {n // 2 % N_TEXTS}",
                    "tenant": TENANTS[n % 2],
                }
                producer.produce(self.kafka.topics.posts, json.dumps(post), f"p-{n}")
            producer.poll(0)
        self.rate = len(self.sent) / (time.monotonic() - began)
        assert producer.flush(30) == 0

    @contextmanager
    def load(self) -> Iterator[None]:
        publishing = threading.Thread(target=self.publish)
        publishing.start()
        try:
            yield
        finally:
            self._stop.set()
            publishing.join()

    def in_force(self, tenant: str, version: int) -> bool:
        """Whether both workers say so."""
        return all(read_info(worker).get(tenant) == version for worker in self.workers)

    def wait_until_in_force(self, tenant: str, version: int) -> float:
        """Seconds until both workers say so."""
        start = time.monotonic()
        wait_for(lambda: self.in_force(tenant, version), f"{tenant}@{version} in force on both workers")
        return time.monotonic() - start

    def verdicts(self) -> list[Verdict]:
        """One for each post that was sent, once all are there."""
        found: list[Verdict] = []
        with Outcomes(self.kafka, start="beginning", kinds=("verdict",)) as outcomes:
            wanted = set(self.sent)
            while wanted:
                for outcome in outcomes.poll(1.0):
                    found.append(outcome.verdict())
                    wanted.discard(found[-1].post_id)
                for worker in self.workers:
                    worker.check()
        return found


def read_series(worker: Stack) -> str:
    with urllib.request.urlopen(f"{worker.addresses.metrics}/metrics") as answer:
        return str(answer.read().decode())


def read_info(worker: Stack) -> dict[str, int]:
    families = text_string_to_metric_families(read_series(worker))
    samples = (sample for family in families if family.name == "sluice_policy_info" for sample in family.samples)
    return {sample.labels["name"]: int(sample.labels["version"]) for sample in samples}


def test_two_tenants_policies_change_under_load(
    kafka_broker: NativeKafka, triton_server: TritonServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = Shop(kafka_broker.kafka, triton_server.address, tmp_path)
    hashes = {(tenant, 1): shop.push(tenant, 1) for tenant in TENANTS}
    seconds = {}
    with shop.open():
        assert all(shop.in_force(tenant, 1) for tenant in TENANTS)  # read before the first post
        with shop.load():
            wait_for(lambda: len(shop.sent) > POSTS_PER_S, "the load")
            hashes["a", 2] = shop.push("a", 2)
            seconds["push"] = shop.wait_until_in_force("a", 2)
            write_broken(shop.kafka, "b")
            wait_for(lambda: all(was_refused(worker) for worker in shop.workers), "refused on both workers")
            assert shop.in_force("b", 1)
            wait_for(lambda: len(shop.sent) > 3 * POSTS_PER_S, "the load")
            assert [row["version"] for row in shop.command("rollback", "a")] == [1]
            seconds["rollback"] = shop.wait_until_in_force("a", 1)
            n_before_end = len(shop.sent)
            wait_for(lambda: len(shop.sent) > n_before_end + POSTS_PER_S, "the load")
        verdicts = shop.verdicts()
    judged = Counter((verdict.tenant, verdict.policy.version) for verdict in verdicts)
    with capsys.disabled():
        print(f"\n{shop.rate:.0f} posts/s, in force on both workers after {seconds} s; judged: {dict(judged)}")
    assert {verdict.post_id for verdict in verdicts} == set(shop.sent)
    assert set(judged) == {("a", 1), ("a", 2), ("b", 1)}
    assert [verdict.post_id for verdict in verdicts if is_mixed(verdict, hashes)] == []
    assert [row["action"] for row in shop.command("history", "a")] == ["rollback", "push", "push"]


def is_mixed(verdict: Verdict, hashes: dict[tuple[str, int], str]) -> bool:
    """Whether a verdict is by more than the one policy that it names."""
    tenant, version = str(verdict.tenant), verdict.policy.version
    by_rules = ([rule.rule for rule in verdict.rules], verdict.queue, verdict.tags)
    expected = ([f"rule-{version}"], f"queue-{version}", (f"{tenant}-{version}",))
    return (verdict.policy.name, verdict.policy.sha256, by_rules) != (tenant, hashes[tenant, version], expected)


def write_broken(kafka: KafkaConfig, name: str) -> None:
    """Put a policy on the topic that no command would let pass."""
    text = f"tenant: {name}\nversion: 9\nextends: default\nlabels:\n  thread: {{review: 0.5}}\n"
    in_force = read_topic(kafka).in_force[name]
    changes = InForce(9, in_force.changes)
    write(kafka, [(name, 9, Version(text, "", ""))], [(name, changes)])


def was_refused(worker: Stack) -> bool:
    log = (worker.config.state_dir / "worker.log").read_text()
    return "a policy is refused" in log and "policies.policies b@9:5: unknown label 'thread'" in log
