"""The message: what a person decided about a post."""

from __future__ import annotations

from typing import Literal

import msgspec

from sluice.errors import SluiceError
from sluice.schema import LABELS, Id
from sluice.strict_json import read_json

Occasion = Literal["review", "appeal", "sample"]


class DecisionError(SluiceError):
    """A message that is no person's decision; says what is wrong with it, not what it holds."""


class HumanDecision(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a person decided about a post, on ``moderation.decisions``; the key is the post's id.

    Attributes
    ----------
    labels : dict of str to int
        1 for what the post is, 0 for what it is not; a label that is missing was not looked at.
    occasion : {"review", "appeal", "sample"}
        Why somebody looked: the verdict asked for it, the author did, or the post was picked at random.
    decided_by : str or None
        Who, in your own words: a team, or an id that means nothing elsewhere.
    decided_at : str or None
        RFC 3339.
    """

    post_id: Id
    decision: Literal["allow", "block"]
    labels: dict[str, Literal[0, 1]] = {}
    occasion: Occasion = "review"
    tenant: str | None = None
    decided_by: str | None = None
    decided_at: str | None = None


_DECODER = msgspec.json.Decoder(HumanDecision)


def read_decision(raw: bytes | None) -> HumanDecision:
    """Decode a message; raises `DecisionError`."""
    try:
        decision = read_json(_DECODER.decode, raw or b"")
    except msgspec.DecodeError as error:
        raise DecisionError(str(error)) from error
    if any(label not in LABELS for label in decision.labels):
        raise DecisionError("it has a label that Sluice does not know")
    return decision


def labels_of(decision: HumanDecision) -> dict[str, Literal[0, 1]] | None:
    """What it says of each label: allowed posts have none. None for a block that names no label: it may be any."""
    if decision.labels:
        return decision.labels
    return dict.fromkeys(LABELS, 0) if decision.decision == "allow" else None
