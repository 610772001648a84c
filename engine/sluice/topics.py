"""The names of the topics, and for how long each keeps its messages."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sluice.environment import Reader
from sluice.errors import SettingsError

UNIT_MS = {"m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
FOREVER_MS = -1
"""As Kafka writes it."""

_AGE = re.compile(r"([1-9][0-9]{0,5})([mhdw])")


WEBHOOK_DEAD_LETTERS = "moderation.webhook-dead-letters"
"""Verdicts that a receiver of webhooks did not take."""


@dataclass(frozen=True)
class Topics:
    """The names of the topics."""

    posts: str = "moderation.posts"
    verdicts: str = "moderation.verdicts"
    reviews: str = "moderation.reviews"
    dead_letters: str = "moderation.dead-letters"
    policies: str = "moderation.policies"
    feedback: str = "moderation.feedback"
    shadow: str = "moderation.shadow"
    decisions: str = "moderation.decisions"
    lists: str = "moderation.lists"
    hashes: str = "moderation.hashes"
    reports: str = "moderation.reports"
    posts_high: str = "moderation.posts.high"
    erasures: str = "moderation.erasures"
    audit: str = "moderation.audit"

    def of_posts(self) -> tuple[str, ...]:
        """Those of posts and outcomes, the input first."""
        return (self.posts, self.verdicts, self.reviews, self.dead_letters)

    def all(self) -> tuple[str, ...]:
        """Every topic of the worker, the input first; what is suggested over HTTP goes to another."""
        return (*self.of_posts(), *self.compacted())

    def compacted(self) -> tuple[str, ...]:
        """Those of which the last record of each key is kept: what workers decide by."""
        return (self.policies, self.lists, self.hashes)

    def keepers(self) -> dict[str, str]:
        """By what settings call them, the names of the topics that keep messages for a time."""
        return {
            "posts": self.posts,
            "posts-high": self.posts_high,
            "verdicts": self.verdicts,
            "reviews": self.reviews,
            "dead-letters": self.dead_letters,
            "feedback": self.feedback,
            "shadow": self.shadow,
            "decisions": self.decisions,
            "reports": self.reports,
            "erasures": self.erasures,
            "audit": self.audit,
            "webhook-dead-letters": WEBHOOK_DEAD_LETTERS,
        }


def read_topics(read: Reader) -> Topics:
    """What the environment says of topics; raises `SettingsError`."""
    topics = Topics(
        posts=read.text("SLUICE_TOPIC_POSTS", Topics.posts),
        verdicts=read.text("SLUICE_TOPIC_VERDICTS", Topics.verdicts),
        reviews=read.text("SLUICE_TOPIC_REVIEWS", Topics.reviews),
        dead_letters=read.text("SLUICE_TOPIC_DEAD_LETTERS", Topics.dead_letters),
        policies=read.text("SLUICE_TOPIC_POLICIES", Topics.policies),
        feedback=read.text("SLUICE_TOPIC_FEEDBACK", Topics.feedback),
        shadow=read.text("SLUICE_TOPIC_SHADOW", Topics.shadow),
        decisions=read.text("SLUICE_TOPIC_DECISIONS", Topics.decisions),
        lists=read.text("SLUICE_TOPIC_LISTS", Topics.lists),
        hashes=read.text("SLUICE_TOPIC_HASHES", Topics.hashes),
        reports=read.text("SLUICE_TOPIC_REPORTS", Topics.reports),
        posts_high=read.text("SLUICE_TOPIC_POSTS_HIGH", Topics.posts_high),
        erasures=read.text("SLUICE_TOPIC_ERASURES", Topics.erasures),
        audit=read.text("SLUICE_TOPIC_AUDIT", Topics.audit),
    )
    names = (
        *topics.all(), topics.feedback, topics.shadow, topics.decisions, topics.reports, topics.erasures, topics.audit,
    )  # fmt: skip
    if len(set(names)) < len(names) or topics.posts_high in names[1:]:
        raise SettingsError("SLUICE_TOPIC_…: two topics have one name, and the worker would read what it writes")
    return topics


RETENTION = "SLUICE_RETENTION"


def read_retention(read: Reader, topics: Topics) -> tuple[tuple[str, int], ...]:
    """``posts=3d,verdicts=90d`` in milliseconds, by the topics' names; raises `SettingsError`."""
    pairs = [pair.strip().partition("=") for pair in read.text(RETENTION, "").split(",") if pair.strip()]
    return tuple((_find_topic(name.strip(), topics), _read_age(age.strip())) for name, _, age in pairs)


def _find_topic(name: str, topics: Topics) -> str:
    known = topics.keepers()
    if name not in known:
        raise SettingsError(f"{RETENTION}: {name!r} is none of {', '.join(known)}")
    return known[name]


def _read_age(text: str) -> int:
    found = _AGE.fullmatch(text)
    if found is None and text != "forever":
        raise SettingsError(f"{RETENTION}: {text!r} is none of 30m, 12h, 7d, 4w and the like, nor forever")
    return FOREVER_MS if found is None else int(found[1]) * UNIT_MS[found[2]]
