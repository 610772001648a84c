"""Scores and a policy in; decision and reasons out. Pure: no clock, no network, no state."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec

from sluice.schema import DECISIONS, Decision, PolicyRef, Post

Threshold = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From which score on a label means review, and from which block; None means never."""

    review: Threshold | None = None
    block: Threshold | None = None


class Thresholds(Limits, frozen=True, forbid_unknown_fields=True):
    """Limits of a label.

    Attributes
    ----------
    image : Limits or None
        In place of the label's own where an image says most of it, by what it shows or by the words in it, and not
        below them; None for the same ones. Pictures are known less well than texts, and a receipt reads like an
        advertisement: more may be needed to believe them.
    alias : str or None
        ``as`` in the file: what the tenant calls the label; a reason carries it as ``name``.
    """

    image: Limits | None = None
    alias: Annotated[str, msgspec.Meta(min_length=1, max_length=128)] | None = msgspec.field(default=None, name="as")


class Selectors(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """To which of a tenant's posts a policy applies: each field that is given holds the post's own.

    Attributes
    ----------
    surface, market, author_standing : tuple of str
        As the post has them.
    language : tuple of str
        Codes as a verdict's `language` has them; empty text for a post without one.
    authors : str or None
        A share such as ``5%``: always the same authors, those of a smaller share among those of a larger one. Posts
        without an author are in none.
    """

    surface: tuple[str, ...] = ()
    market: tuple[str, ...] = ()
    author_standing: tuple[str, ...] = ()
    language: tuple[str, ...] = ()
    authors: Annotated[str, msgspec.Meta(pattern=r"^(100|[0-9]{1,2}(\.[0-9]{1,4})?)%\Z")] | None = None

    def match(self, post: Post, language: str) -> bool:
        """Whether they hold a post."""
        return (
            (not self.surface or post.surface in self.surface)
            and (not self.market or post.market in self.market)
            and (not self.author_standing or post.author_standing in self.author_standing)
            and (not self.language or language in self.language)
            and (self.authors is None or is_among(post, self.authors))
        )


def is_among(post: Post, share: str) -> bool:
    """Whether a post's author belongs to a share of all authors, such as ``5%``."""
    if post.author_id is None:
        return False
    place = hashlib.blake2b(f"{post.tenant or ''}\n{post.author_id}".encode(), digest_size=8).digest()
    return int.from_bytes(place, "big") < float(share[:-1]) / 100 * 2**64


Word = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is done with the posts for which an expression is true.

    Attributes
    ----------
    name : str
        Of letters, digits, ``.``, ``_`` and ``-``; a verdict names it.
    when : str
        In the Common Expression Language; see `sluice.verdict.rules`.
    decision, urgency : str or None
        The least that the verdict says.
    queue : str or None
        Where the review belongs.
    tags : tuple of str
    webhook : str or None
        Name of the webhook that is to be told; see `sluice webhooks --named`.
    rate_limit : str or None
        How much its author may post from now on, such as ``10/h``; whoever reads the verdict sees to it.
    """

    name: Annotated[str, msgspec.Meta(pattern=r"^[\w.-]{1,64}\Z")]
    when: str
    decision: Literal["review", "block"] | None = None
    urgency: Literal["concern", "urgent"] | None = None
    queue: Word | None = None
    tags: Annotated[tuple[Word, ...], msgspec.Meta(max_length=16)] = ()
    webhook: Word | None = None
    rate_limit: Annotated[str, msgspec.Meta(pattern=r"^(0|[1-9][0-9]{0,5})/[smhd]\Z")] | None = None


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a score means for a post.

    Attributes
    ----------
    name, version
        Repeated in every verdict.
    unscored_part : str
        The least decision for a post with a part that failed, came late or was read only partly.
    unread_language : str
        The least decision for a post with text in a language that the models were not measured on.
    urgent_self_harm : float
        The score of ``self_harm`` from which a post's `Urgency` is ``urgent``; from its review threshold on it is
        ``concern``.
    failed_rule : str
        The least decision for a post on which a rule could not be evaluated.
    tenant : str or None
        Whose posts it is for; None for everybody's.
    applies : Selectors or "never"
        For which of them; ``never`` for a policy that others only extend.
    labels : dict of str to Thresholds
        A label that is missing here never decides.
    rules : tuple of Rule
        In the order in which their queues count.
    """

    name: Annotated[str, msgspec.Meta(min_length=1)]
    version: Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
    tenant: Annotated[str, msgspec.Meta(min_length=1)] | None = None
    applies: Selectors | Literal["never"] = msgspec.field(default_factory=Selectors)
    unscored_part: Decision = "review"
    unread_language: Decision = "review"
    failed_rule: Decision = "review"
    urgent_self_harm: Threshold = 0.8
    labels: dict[str, Thresholds]
    rules: tuple[Rule, ...] = ()

    @property
    def ref(self) -> PolicyRef:
        """The policy's name, version and `sha256`, as a verdict carries them."""
        return PolicyRef(self.name, self.version, self.sha256)

    @property
    def sha256(self) -> str:
        """Of all that it says, what it inherited included: as JSON whose keys are sorted."""
        return hash_of(self)


def hash_of(value: object) -> str:
    """SHA-256, in hexadecimal, of a value's canonical form: JSON with sorted keys."""
    return hashlib.sha256(msgspec.json.encode(value, order="sorted")).hexdigest()


@dataclass(frozen=True, slots=True)
class Finding:
    """A label whose score reached a threshold: the decision that asks for, and the threshold."""

    label: str
    score: float
    threshold: float
    decision: Decision


def find(policy: Policy, scores: Mapping[str, float], pictured: Collection[str] = ()) -> tuple[Finding, ...]:
    """Labels over a threshold, the strictest decision first, then the highest score.

    Parameters
    ----------
    scores : mapping of str to float
        Calibrated probability per label, in [0, 1].
    pictured : collection of str
        Labels of which an image says most; see `sluice.verdict.fusion.Scores`.
    """
    found = [
        finding
        for label, score in scores.items()
        if (limits := limits_of(policy, label, label in pictured)) and (finding := _judge(limits, label, score))
    ]
    return tuple(sorted(found, key=lambda f: (-DECISIONS.index(f.decision), -f.score, f.label)))


def limits_of(policy: Policy, label: str, is_pictured: bool) -> Limits | None:
    """A label's limits where an image says most of it, or where not; None if it never decides."""
    thresholds = policy.labels.get(label)
    return thresholds.image if thresholds and is_pictured and thresholds.image else thresholds


def _judge(limits: Limits, label: str, score: float) -> Finding | None:
    if limits.block is not None and score >= limits.block:
        return Finding(label, score, limits.block, "block")
    if limits.review is not None and score >= limits.review:
        return Finding(label, score, limits.review, "review")
    return None


def decide(policy: Policy, findings: tuple[Finding, ...], all_parts_scored: bool, all_understood: bool) -> Decision:
    """The strictest decision that the findings, a part that was not scored, or an unread language ask for."""
    asked: list[Decision] = [finding.decision for finding in findings]
    if not all_parts_scored:
        asked.append(policy.unscored_part)
    if not all_understood:
        asked.append(policy.unread_language)
    return max(asked, key=DECISIONS.index, default="allow")
