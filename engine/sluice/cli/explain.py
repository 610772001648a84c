"""``sluice explain``."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sluice.cli.console import emit, printable, say, wants_json
from sluice.cli.options import JsonOption, KafkaOption

if TYPE_CHECKING:
    from sluice.audit.explaining import Told


def explain(
    post_id: Annotated[str, typer.Argument(metavar="POST_ID")],
    audit: Annotated[
        str | None, typer.Option(metavar="DIR|URL", help="Look into this audit log instead of the topics.")
    ] = None,
    as_json: JsonOption = False,
    kafka: KafkaOption = None,
) -> None:
    """Say what was decided about a post, and why: policy, thresholds, rules and what they looked at, models, people.

    Reads the topics from their beginning: an audit log knows what Kafka has dropped. Exit code 1: nothing is known.

    Example: sluice explain p-1 --audit /var/lib/sluice/audit
    """
    import msgspec

    found = _from_log(audit, post_id) if audit else _from_topics(kafka, post_id)
    if wants_json(as_json):
        for told in found:
            emit(msgspec.json.encode(told))
    else:
        for line in (line for told in found for line in describe(told)):
            typer.echo(printable(line))
    if not found:
        say(f"nothing is known of {printable(post_id)}: it was not judged, or what was is gone")
        raise typer.Exit(1)


def _from_log(audit: str, post_id: str) -> list[Told]:
    from sluice.audit.explaining import explain_from_log
    from sluice.cli.audit import open_log

    return explain_from_log(open_log(audit), post_id)


def _from_topics(kafka: str | None, post_id: str) -> list[Told]:
    from sluice.audit.explaining import explain_from_topics
    from sluice.connection import find_connection

    to = find_connection(kafka).recognised()
    return explain_from_topics(to.kafka, post_id, to.timeout_s)


RULE_ASKS = ("decision", "urgency", "queue", "tags", "rate_limit", "webhook")


def describe(told: Told) -> Iterator[str]:
    """Lines for people."""
    when = datetime.fromtimestamp(told.at_s, UTC).isoformat(timespec="milliseconds") if told.at_s else "at some time"
    yield f"{told.kind.replace('_', ' ')}, {when} ({told.place})"
    says = told.says
    if told.kind == "verdict":
        yield from (f"  {line}" for line in _describe_verdict(says))
    else:
        yield from (f"  {name}: {value}" for name, value in says.items() if value not in (None, {}, []))


def _describe_verdict(says: dict[str, Any]) -> Iterator[str]:
    policy = says["policy"]
    yield f"{says['decision']}, by policy {policy['name']} {policy['version']} (SHA-256 {policy['sha256'][:16] or '?'})"
    for reason in says["reasons"]:
        yield f"{reason['label']} {reason['score']:.3f} reached the threshold {reason['threshold']:.3f}"
        yield f"  contributions: {_pairs(reason['contributions'])}"
    for rule in says["rules"]:
        asked = {name: rule[name] for name in RULE_ASKS if rule.get(name)}
        became = f"failed: {rule['failed']}" if rule.get("failed") else f"was true: {_pairs(asked)}"
        yield f"rule {rule['rule']} {became}"
        yield f"  looked at: {_pairs(rule['inputs'])}"
    for match in (*says.get("lists", ()), *says.get("hashes", ())):
        yield f"known from {_pairs(match)}"
    if author := (says.get("basis") or {}).get("author"):
        yield f"author before: {_pairs(author)}"
    yield f"parts: {_pairs(says['modalities'])}"
    yield f"models: {_pairs(says['models'])}"
    yield f"milliseconds: {_pairs(says['latency_ms'])}"


def _pairs(fields: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in fields.items() if value is not None) or "nothing"
