"""What authors did before, on a real Kafka: rules see it, and neither kills nor rebalances change what is counted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from sluice.client import Outcomes, Publisher, Report, ReportPublisher
from sluice.config import KafkaConfig, Topics
from sluice.history.config import HistoryConfig
from sluice.history.follower import open_authors
from sluice.history.recount import Comparison, compare
from sluice.kafka import ensure_topics
from sluice.local.kafka import NativeKafka
from sluice.local.processes import python_path
from sluice.local.stack import Stack, StackConfig
from sluice.local.triton import TritonServer
from sluice.resources import triton_repository
from sluice.schema import Post, Verdict
from sluice.verdict.facts import recall
from sluice.verdict.policy_set import load_policies
from tests.components import wait_for

pytestmark = [pytest.mark.integration, pytest.mark.kafka]

SECRET = "secret"
CONFIG = HistoryConfig(SECRET.encode())
LONG = "See you at lunch tomorrow, the usual place, and bring the photographs of our summer holidays with you"
N_AUTHORS, N_POSTS = 12, 400

POLICY = """\
name: watchful
version: 1
extends: default
rules:
- {name: long, when: text_chars > 60, decision: block}
- {name: strikes, when: author.strikes > 2.5, decision: review, tags: [strikes]}
- {name: fast, when: author.posts_1h >= 4, tags: [fast]}
- {name: copies, when: author.repeats_24h >= 3, tags: [copies]}
- {name: reported, when: author.reports_24h >= 2, tags: [reported]}
cases:
- {name: known, author: {strikes: 3.0, posts_1h: 9}, scores: {}, expect: {decision: review, tags: [strikes, fast]}}
"""


class Town:
    """Topics of the test, its workers, and what was published."""

    def __init__(self, kafka: KafkaConfig, triton: str, folder: Path) -> None:
        names = ("posts", "verdicts", "reviews", "dead_letters", "policies", "feedback", "shadow", "reports")
        self.kafka = replace(kafka, topics=Topics(**{name: f"history.{name}" for name in names}))
        self.folder, self.triton = folder, triton
        self.policy = folder / "policy.yaml"
        self.policy.write_text(POLICY)
        self.workers: list[Stack] = []
        self.sent: list[str] = []
        self._stacks = ExitStack()
        ensure_topics(self.kafka)

    @contextmanager
    def open(self, n_workers: int) -> Iterator[None]:
        with self._stacks:
            for _ in range(n_workers):
                self.join()
            yield

    def join(self) -> None:
        """One worker more."""
        name = f"worker-{len(self.workers)}"
        environment = {
            "SLUICE_GROUP": "history", "SLUICE_POLICY": str(self.policy), "SLUICE_HISTORY_KEY": SECRET,
            "SLUICE_HISTORY_DIR": str(self.folder / name / "history"), "SLUICE_SESSION_TIMEOUT_S": "6",
            "SLUICE_MAX_DEADLINE_MS": "5000",
        }  # fmt: skip
        config = StackConfig(
            self.folder / name, triton_repository(), kafka=self.kafka, triton=self.triton,
            worker_environment=environment,
        )  # fmt: skip
        self.workers.append(self._stacks.enter_context(Stack(config)))

    def publish(self, posts: Sequence[Post]) -> None:
        with Publisher(self.kafka) as publisher:
            for post in posts:
                publisher.publish(post)
        self.sent += [post.id for post in posts]

    def verdicts(self) -> list[Verdict]:
        """All there are, once every post has one."""
        found: list[Verdict] = []
        with Outcomes(self.kafka, start="beginning", kinds=("verdict",)) as outcomes:
            wanted = set(self.sent)
            while wanted:
                found += [outcome.verdict() for outcome in outcomes.poll(1.0)]
                wanted -= {verdict.post_id for verdict in found}
                for worker in self.workers:
                    worker.check()
        return found

    def wait_for_verdicts(self, n_more: int) -> None:
        """Until so many more are there."""
        with Outcomes(self.kafka, kinds=("verdict",)) as outcomes:
            while n_more > 0:
                n_more -= len(outcomes.poll(0.1))

    def wait_until_counted(self, n_verdicts: int, n_reports: int) -> None:
        """Until every worker has counted so many messages."""
        wanted = {self.kafka.topics.verdicts: n_verdicts, self.kafka.topics.reports: n_reports}
        wait_for(lambda: all(read_counted(worker) == wanted for worker in self.workers), "counted on every worker")

    def comparisons(self) -> list[Comparison]:
        """Each worker's folder beside a recount."""
        found = []
        for worker in self.workers:
            worker.stop_worker()
            authors = open_authors(self.kafka, replace(CONFIG, folder=worker.config.state_dir / "history"), 30.0)
            found.append(compare(self.kafka, CONFIG, authors, 30.0))
            authors.close()
        return found


def read_counted(worker: Stack) -> dict[str, int]:
    with urllib.request.urlopen(f"{worker.addresses.metrics}/metrics") as answer:
        families = text_string_to_metric_families(answer.read().decode())
    samples = (sample for family in families for sample in family.samples)
    return {s.labels["topic"]: int(s.value) for s in samples if s.name == "sluice_history_messages_total"}


@pytest.fixture
def town(kafka_broker: NativeKafka, triton_server: TritonServer, tmp_path: Path) -> Town:
    return Town(kafka_broker.kafka, triton_server.address, tmp_path)


def test_rules_see_what_an_author_did_and_faults_change_no_count(
    town: Town, capsys: pytest.CaptureFixture[str]
) -> None:
    reports = ReportPublisher(town.kafka)
    with town.open(2):
        town.publish([Post(id=f"bad-{n}", author_id="u-bad", text=f"{LONG}, {n}") for n in range(4)])
        for who in ("a", "b", "b"):
            reports.publish(Report(author_id="u-bad", reporter_id=who))
        assert {verdict.decision for verdict in town.verdicts()} == {"block"}
        town.wait_until_counted(4, 3)
        town.publish(
            [Post(id="last", author_id="u-bad", text=f"{LONG}!"), Post(id="good", author_id="u-good", text="Hi")]
        )
        found = {verdict.post_id: verdict for verdict in town.verdicts()}
        assert found["last"].tags == ("strikes", "fast", "copies", "reported")
        assert found["good"].tags == ()

        make_trouble(town)
        verdicts = town.verdicts()
        n_duplicates = len(verdicts) - len(town.sent)
        assert shown(town, "u-bad")["posts_24h"] == 5
        found_by = town.comparisons()
    with capsys.disabled():
        print(f"\n{len(verdicts)} verdicts, {n_duplicates} of them second ones: {found_by}")
    assert [each.n_different for each in found_by] == [0, 0, 0]
    assert all(each.n_authors == N_AUTHORS + 2 for each in found_by)
    assert_backtest_agrees(town, verdicts)


def make_trouble(town: Town) -> None:
    """A worker is killed under load and comes back, and another one joins."""
    posts = [
        Post(id=f"p-{n}", author_id=f"u-{n % N_AUTHORS}", text=f"{LONG[: n % 90 + 5]} {n}") for n in range(N_POSTS)
    ]
    town.publish(posts[: N_POSTS // 2])
    town.wait_for_verdicts(50)  # which it has not committed all: they come again
    town.workers[0].kill_worker()
    town.publish(posts[N_POSTS // 2 :])
    town.join()
    town.workers[0].start_worker(60.0)


def assert_backtest_agrees(town: Town, verdicts: list[Verdict]) -> None:
    """Whoever decides anew from the verdicts alone comes to the same."""
    policies = load_policies(town.policy)
    for verdict in verdicts:
        facts = recall(verdict)
        said = policies.choose(facts.post, facts.language).judge(facts)
        assert (said.decision, said.rules, said.tags) == (verdict.decision, verdict.rules, verdict.tags)


def shown(town: Town, author: str) -> dict[str, float]:
    """What `sluice history show` says."""
    topics = town.kafka.topics
    environment = {
        **os.environ, **python_path(), "SLUICE_KAFKA": town.kafka.bootstrap, "SLUICE_TOPIC_VERDICTS": topics.verdicts,
        "SLUICE_TOPIC_REPORTS": topics.reports,
    }  # fmt: skip
    command = [sys.executable, "-m", "sluice.cli", "history", "show", "--author", author, "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))
