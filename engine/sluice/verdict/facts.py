"""What is known of a post when it is decided, and what of it a policy's rules may look at, each under a name."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from sluice.modalities.scored import ScoredPart, statuses_of
from sluice.schema import LABELS, AuthorHistory, Basis, Decision, DetectedLanguage, Media, Post, Verdict
from sluice.verdict.fusion import Scores
from sluice.verdict.known import NOTHING_KNOWN, Known

MAX_CHARS = 256
"""Of a field as rules see it: what is longer is cut, so that no post makes a rule slow."""

_NOTHING = (Media("data:,"),)

Kind = Literal["double", "int", "string", "strings", "string map"]


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a post before it is decided.

    Attributes
    ----------
    scores, severity : mapping of str to float
        Per label, in [0, 1].
    pictured : collection of str
        Labels of which an image says most.
    parts : mapping of str to str
        Per part: ``ok``, ``partial: …`` or ``failed: …``.
    all_scored, all_understood : bool
        Whether every part was read as a whole, and in a language that is read.
    language : str
        As `DetectedLanguage.code` has it; empty without a text that was read.
    known : Known
        What of it lists and banks of hashes hold.
    author : AuthorHistory or None
        None where no history is kept, or the post has no author.
    """

    post: Post
    scores: Mapping[str, float]
    severity: Mapping[str, float] = field(default_factory=dict)
    pictured: Collection[str] = ()
    parts: Mapping[str, str] = field(default_factory=dict)
    all_scored: bool = True
    all_understood: bool = True
    language: str = ""
    language_probability: float = 0.0
    known: Known = NOTHING_KNOWN
    author: AuthorHistory | None = None


def facts_of(
    post: Post,
    scored: Sequence[ScoredPart],
    scores: Scores,
    language: DetectedLanguage | None,
    known: Known = NOTHING_KNOWN,
    author: AuthorHistory | None = None,
) -> Facts:
    """What the scored parts of a post say of it; `language` is `language_of` them."""
    return Facts(
        post=post,
        scores=scores.probability,
        severity=scores.severity,
        pictured=scores.pictured,
        parts=statuses_of(scored),
        all_scored=all(part.complete for part in scored),
        all_understood=all(part.understood for part in scored),
        language=language.code if language else "",
        language_probability=language.probability if language else 0.0,
        known=known,
        author=author,
    )


def language_of(scored: Sequence[ScoredPart]) -> DetectedLanguage | None:
    """The language of the first part in which there is one."""
    found = next((part.languages.main for part in scored if part.languages), None)
    return None if found is None else DetectedLanguage(found.code, min(1.0, round(found.probability, 4)))


def rebase(basis: Basis | None, post: Post, author: AuthorHistory | None = None) -> Basis | None:
    """For a post that says the same as the one before, in its own words about its author and time."""
    if basis is None:
        return None
    return msgspec.structs.replace(
        basis, author_standing=post.author_standing, created_at=post.created_at, author=author
    )


def basis_of(facts: Facts) -> Basis:
    """What of the facts a verdict keeps beside what else it says."""
    post = facts.post
    return Basis(
        pictured=tuple(sorted(facts.pictured)),
        all_scored=facts.all_scored,
        all_understood=facts.all_understood,
        author_standing=post.author_standing,
        created_at=post.created_at,
        text_chars=len(post.text or ""),
        n_images=len(post.images),
        n_clips=len(post.audio),
        author=facts.author,
    )


def recall(verdict: Verdict) -> Facts:
    """The facts that a verdict was decided on; its post has the size of the one that was, and says nothing.

    A verdict without `Basis` counts as one whose parts were all read, as far as its `modalities` say so.
    """
    basis = verdict.basis or Basis(all_scored=all(status == "ok" for status in verdict.modalities.values()))
    return Facts(
        post=_stand_in(verdict, basis),
        scores=verdict.scores,
        severity=verdict.severity,
        pictured=basis.pictured,
        parts=verdict.modalities,
        all_scored=basis.all_scored,
        all_understood=basis.all_understood,
        language=verdict.language.code if verdict.language else "",
        language_probability=verdict.language.probability if verdict.language else 0.0,
        known=Known(verdict.lists, verdict.hashes),
        author=basis.author,
    )


def _stand_in(verdict: Verdict, basis: Basis) -> Post:
    return Post(
        id=verdict.post_id,
        text=" " * basis.text_chars or None,
        images=_NOTHING * basis.n_images,
        audio=_NOTHING * basis.n_clips,
        author_id=verdict.author_id,
        surface=verdict.surface,
        tenant=verdict.tenant,
        market=verdict.market,
        author_standing=basis.author_standing,
        created_at=basis.created_at,
    )


@dataclass(frozen=True, slots=True)
class Question:
    """A post whose thresholds have spoken.

    Attributes
    ----------
    decision : str
        What scores and unread parts ask for.
    labels : tuple of str
        Those over a threshold.
    """

    facts: Facts
    decision: Decision
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Input:
    """One name that a rule may use.

    Attributes
    ----------
    post_field : str or None
        The field of the post that it is, beside text and media: two posts that differ in it may be decided otherwise.
    author_field : str or None
        The field of `AuthorHistory` that it is, for which the same holds.
    """

    kind: Kind
    read: Callable[[Question], Any]
    post_field: str | None = None
    author_field: str | None = None


def _of_post(name: str) -> Input:
    return Input("string", lambda asked: (getattr(asked.facts.post, name) or "")[:MAX_CHARS], name)


def _per_label(name: str) -> dict[str, Input]:
    def read(label: str) -> Callable[[Question], float]:
        return lambda asked: float(getattr(asked.facts, name).get(label, 0.0))

    return {f"{name}.{label}": Input("double", read(label)) for label in LABELS}


_NO_HISTORY = AuthorHistory()


def _of_author(name: str, kind: Kind) -> Input:
    return Input(kind, lambda asked: getattr(asked.facts.author or _NO_HISTORY, name), author_field=name)


AUTHOR_COUNTS = (
    "posts_1m", "posts_1h", "posts_24h", "reviews_24h", "blocks_24h", "repeats_24h", "copies_24h", "reports_24h",
)  # fmt: skip

POST_FIELDS = ("tenant", "surface", "market", "author_id", "author_standing", "created_at")

INPUTS: dict[str, Input] = {
    **_per_label("scores"),
    **_per_label("severity"),
    **{name: _of_post(name) for name in POST_FIELDS},
    **{f"author.{name}": _of_author(name, "int") for name in AUTHOR_COUNTS},
    "author.strikes": _of_author("strikes", "double"),
    "language": Input("string", lambda asked: asked.facts.language),
    "language_probability": Input("double", lambda asked: asked.facts.language_probability),
    "parts": Input("string map", lambda asked: dict(asked.facts.parts)),
    "text_chars": Input("int", lambda asked: len(asked.facts.post.text or "")),
    "n_images": Input("int", lambda asked: len(asked.facts.post.images)),
    "n_clips": Input("int", lambda asked: len(asked.facts.post.audio)),
    "decision": Input("string", lambda asked: asked.decision),
    "labels": Input("strings", lambda asked: list(asked.labels)),
    "lists": Input("strings", lambda asked: asked.facts.known.lists_by("block")),
    "lists_allowed": Input("strings", lambda asked: asked.facts.known.lists_by("allow")),
    "list_owners": Input("strings", lambda asked: asked.facts.known.owners),
    "hashes": Input("strings", lambda asked: asked.facts.known.banks),
}
"""By name."""
