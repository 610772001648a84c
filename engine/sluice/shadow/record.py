"""What is published of a post that was judged twice."""

from __future__ import annotations

import msgspec

from sluice.backtest.changes import Said, read_said
from sluice.schema import Decision, Verdict


class Side(msgspec.Struct, frozen=True):
    """What one side says of a post.

    Attributes
    ----------
    policy : str
        Name and version.
    labels, rules : tuple of str
        Those over a threshold, and those that were true.
    """

    decision: Decision
    policy: str
    labels: tuple[str, ...]
    rules: tuple[str, ...]


class ShadowRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A message of the shadow topic; its key is the post's id.

    Attributes
    ----------
    scored_at : str
        Of the live verdict (RFC 3339, UTC).
    agrees : bool
        Whether both decide the same.
    """

    post_id: str
    scored_at: str
    agrees: bool
    live: Side
    shadow: Side
    tenant: str | None = None
    language: str | None = None


def make_record(verdict: Verdict, said: Said) -> ShadowRecord:
    """A live verdict beside what the shadow says."""
    return ShadowRecord(
        post_id=verdict.post_id,
        scored_at=verdict.scored_at,
        agrees=verdict.decision == said.decision,
        live=_side(read_said(verdict)),
        shadow=_side(said),
        tenant=verdict.tenant,
        language=verdict.language.code if verdict.language else None,
    )


def _side(said: Said) -> Side:
    return Side(said.decision, said.policy, said.labels, said.rules)
