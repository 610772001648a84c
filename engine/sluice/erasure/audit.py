"""The audit log: private parts go, the chain stays and says that they went."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

from sluice.audit.log import ERASURES, AuditLog, Entry, read_body
from sluice.audit.records import Body, Private
from sluice.client.messages import Place
from sluice.erasure.subjects import Subject, Traces

Hits = dict[tuple[Place, str], set[int]]
"""Offsets, by place and file."""


def learn_from_log(log: AuditLog, subject: Subject) -> None:
    """Find out which posts are theirs, those included that Kafka has dropped since."""
    for _, _, _, traces in _everything(log):
        subject.learn(traces)


def find_in_log(log: AuditLog, subject: Subject) -> Hits:
    """Where the log says something of them."""
    hits: Hits = {}
    for place, name, private, traces in _everything(log):
        if subject.owns(traces):
            hits.setdefault((place, name), set()).add(private.offset)
    return hits


def _everything(log: AuditLog) -> Iterator[tuple[Place, str, Private, Traces]]:
    for place in log.places():
        for name in log.files(place):
            bodies = (read_body(line, name) for line in log.read_file(name))
            tenants = {body.offset: body.says.get("tenant") for body in bodies}
            for private in log.read_private(name).values():
                holds = private.read()
                key, tenant = holds.get("key"), tenants.get(private.offset)
                traces = Traces(holds.get("post_id") or key, holds.get("author_id"), tenant, key=key)
                yield place, name, private, traces


def erase_from_log(log: AuditLog, hits: Hits) -> int:
    """Take private parts away, after the log says so; returns how many."""
    records = [[*place, offset] for (place, _), offsets in hits.items() for offset in sorted(offsets)]
    if not records:
        return 0
    place = (ERASURES, 0)
    head = log.head(place)
    body = Body(
        prev="", topic=ERASURES, partition=0, offset=head.offset + 1, at_ms=int(time.time() * 1000), kind="erasure",
        says={"records": records},
    )  # fmt: skip
    log.write(place, head, [Entry(body)], datetime.now(UTC).date().isoformat())
    for (_, name), offsets in hits.items():
        kept = [private for offset, private in log.read_private(name).items() if offset not in offsets]
        log.write_private(name, kept)
    return len(records)
