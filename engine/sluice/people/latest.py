"""Of several decisions on one post, the one that counts: the last that was made, in whatever order they come."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec

from sluice.human_decision import HumanDecision
from sluice.schema import PostKey


class LatestDecisions:
    """The decision on each post. One that names no tenant is on every tenant's post of that id."""

    def __init__(self) -> None:
        self._found: dict[PostKey, tuple[float, HumanDecision]] = {}

    def note(self, decision: HumanDecision, written_s: float) -> None:
        """Take one; `written_s` is when its message was written, in seconds since 1970."""
        key, made_s = (decision.tenant, decision.post_id), when_made(decision, written_s)
        known = self._found.get(key)
        if known is None or made_s >= known[0]:
            self._found[key] = made_s, decision

    def on(self, tenant: str | None, post_id: str) -> HumanDecision | None:
        """The one on a post; None if nobody made one."""
        known = [found for key in {(tenant, post_id), (None, post_id)} if (found := self._found.get(key))]
        return max(known, key=lambda found: (found[0], found[1].tenant is not None))[1] if known else None

    def keys_on(self, tenant: str | None, post_id: str) -> Iterator[PostKey]:
        """Under what there is something on a post."""
        return (key for key in {(tenant, post_id), (None, post_id)} if key in self._found)

    def __len__(self) -> int:
        return len(self._found)


def when_made(decision: HumanDecision, written_s: float) -> float:
    """Seconds since 1970: as the decision says, but not after its message was written."""
    try:
        said = msgspec.convert(decision.decided_at, datetime)
    except msgspec.ValidationError:  # it says nothing, or something else
        return written_s
    return min(written_s, (said if said.tzinfo else said.replace(tzinfo=UTC)).timestamp())
