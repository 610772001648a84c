"""What came of every post: the count that a chaos run is judged by."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from sluice.client import Outcome, Outcomes
from sluice.config import KafkaConfig
from sluice.errors import PartLate
from sluice.local.processes import RunningInside
from sluice.schema import Verdict

_OF_THE_MOMENT = {"latency_ms", "scored_at", "cached"}
_ENCODER = msgspec.json.Encoder(order="sorted")


@dataclass(slots=True)
class Tally:
    """Outcomes so far, by post id.

    Attributes
    ----------
    n_outcomes : Counter of str
        Verdicts and dead letters of each post.
    digests : dict of str to dict of str to bytes
        Of each post's first verdict a digest per field; times are left out, and what was scored for an earlier post.
        A verdict with a late part, or with one that was read late, is not looked at: what a deadline cut off depends
        on the clock.
    different : dict of str to set of str
        Posts whose verdicts differ, and the fields in which they do.
    late : set of str
        Posts with a verdict in which a part was late.
    dead : dict of str to str
        Dead letters: their reason.
    """

    n_outcomes: Counter[str] = field(default_factory=Counter)
    digests: dict[str, dict[str, bytes]] = field(default_factory=dict)
    different: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    late: set[str] = field(default_factory=set)
    dead: dict[str, str] = field(default_factory=dict)

    def take(self, outcome: Outcome) -> None:
        """Count one outcome."""
        post_id = (outcome.key or b"").decode("utf-8", "replace")
        self.n_outcomes[post_id] += 1
        if outcome.kind == "dead_letter":
            self.dead[post_id] = outcome.dead_letter()["reason"] or ""
            return
        verdict = outcome.verdict()
        if any(PartLate.BEGINNING in status for status in verdict.modalities.values()):
            self.late.add(post_id)
        else:
            self._compare(post_id, digest(verdict))

    def _compare(self, post_id: str, found: dict[str, bytes]) -> None:
        first = self.digests.setdefault(post_id, found)
        if unlike := {name for name in found if found[name] != first[name]}:
            self.different[post_id] |= unlike

    def missing(self, post_ids: Iterable[str]) -> list[str]:
        """Posts without an outcome."""
        return [post_id for post_id in post_ids if not self.n_outcomes[post_id]]

    @property
    def n_duplicates(self) -> int:
        """Outcomes beyond the first of each post."""
        return sum(count - 1 for count in self.n_outcomes.values() if count)


def digest(verdict: Verdict) -> dict[str, bytes]:
    """Hashes of a verdict's fields without its times and without what is said of repeats: equal for equal verdicts."""
    if verdict.basis is not None:  # what the author did meanwhile is of the moment too
        verdict = msgspec.structs.replace(verdict, basis=msgspec.structs.replace(verdict.basis, author=None))
    fields = {name: getattr(verdict, name) for name in verdict.__struct_fields__ if name not in _OF_THE_MOMENT}
    return {name: hashlib.blake2b(_ENCODER.encode(value), digest_size=8).digest() for name, value in fields.items()}


class Auditor(RunningInside):
    """Reads outcomes on a thread of its own, from the beginning of the topics.

    Raises
    ------
    KafkaUnavailable
        On starting: Kafka does not answer, or lacks a topic.
    """

    def __init__(self, kafka: KafkaConfig) -> None:
        self._kafka = kafka
        self._tally = Tally()
        self._changed = threading.Condition()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._read, name="chaos-audit", daemon=True)
        self._outcomes: Outcomes | None = None
        self._failure: Exception | None = None

    def start(self) -> None:
        """Connect and begin to read."""
        self._outcomes = Outcomes(self._kafka, start="beginning")
        self._thread.start()

    def stop(self) -> None:
        """End reading."""
        self._ended.set()
        self._thread.join()
        if self._outcomes:
            self._outcomes.close()

    def _read(self) -> None:
        try:
            while not self._ended.is_set() and self._outcomes:
                found = self._outcomes.poll(0.2)
                with self._changed:
                    for outcome in found:
                        self._tally.take(outcome)
                    self._changed.notify_all()
        except Exception as error:
            with self._changed:
                self._failure = error
                self._changed.notify_all()

    def wait_for(self, post_ids: list[str], timeout_s: float) -> bool:
        """Whether every post has an outcome before `timeout_s`; returns as soon as they have.

        Raises
        ------
        Exception
            What ended the reading, if something did.
        """
        waiting = list(post_ids)

        def is_complete() -> bool:
            nonlocal waiting
            waiting = self._tally.missing(waiting)
            return not waiting or self._failure is not None

        with self._changed:
            self._changed.wait_for(is_complete, timeout_s)
            if self._failure:
                raise self._failure
            return not waiting

    @property
    def tally(self) -> Tally:
        """What has been read; complete once the reading has stopped."""
        return self._tally
