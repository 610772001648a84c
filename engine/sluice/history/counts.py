"""What an author's entries come to at one moment."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from sluice.features.simhash import NEAR, distances
from sluice.history.entries import Entries
from sluice.schema import DECISIONS, AuthorHistory

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS


@dataclass(frozen=True, slots=True)
class Sets:
    """The sets of one author; of a text, who else wrote it."""

    posts: Entries
    strikes: Entries
    reports: Entries  # their `text` is who reported
    copies: Entries


@dataclass(frozen=True, slots=True)
class Moment:
    """For when, and for which post, something is counted.

    Attributes
    ----------
    at_ms : int
        Later entries are not seen.
    own_id : int or None
        Of the post itself, which does not count.
    text : int
        SimHash of its text, 0 without one.
    """

    at_ms: int
    own_id: int | None = None
    text: int = 0


def count(sets: Sets, moment: Moment, half_life_ms: float, strikes_ms: float) -> AuthorHistory:
    """The counts; the same entries give the same to the last digit, in whatever order they came."""
    posts = _within(sets.posts, moment, DAY_MS)
    return AuthorHistory(
        counted_at=moment.at_ms / 1000,
        text_hash=f"{moment.text:016x}" if moment.text else None,
        posts_1m=len(_within(posts, moment, MINUTE_MS)),
        posts_1h=len(_within(posts, moment, HOUR_MS)),
        posts_24h=len(posts),
        reviews_24h=_decided(posts, "review"),
        blocks_24h=_decided(posts, "block"),
        repeats_24h=_near(posts, moment.text),
        copies_24h=len(_within(sets.copies, Moment(moment.at_ms), DAY_MS)),
        strikes=_decayed(_within(sets.strikes, moment, strikes_ms), moment, half_life_ms),
        reports_24h=len(np.unique(_within(sets.reports, moment, DAY_MS)["text"])),
    )


def _within(entries: Entries, moment: Moment, span_ms: float) -> Entries:
    at = entries["at"]
    inside = (at > moment.at_ms - span_ms) & (at <= moment.at_ms)
    return entries[inside if moment.own_id is None else inside & (entries["id"] != moment.own_id)]


def _decided(posts: Entries, decision: Any) -> int:
    return int((posts["decision"] == DECISIONS.index(decision)).sum())


def _near(posts: Entries, text: int) -> int:
    """How many have a text that is nearly this one."""
    hashes = posts["text"][posts["text"] != 0]
    return int((distances(hashes, text) <= NEAR).sum()) if text and len(hashes) else 0


def _decayed(strikes: Entries, moment: Moment, half_life_ms: float) -> float:
    """`math.fsum` is exact, so the order does not matter."""
    ages_ms = (moment.at_ms - strikes["at"]).tolist()
    return round(math.fsum(0.5 ** (age_ms / half_life_ms) for age_ms in ages_ms), 4)
