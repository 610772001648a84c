"""What may be asked for: the options of our commands, without names of files, for those are the server's own."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from sluice import ages
from sluice.audit.verifying import KnownHead
from sluice.jobs.order import PAGE, KindName, Order, OrderRefused
from sluice.schema import Post, encode, require_part
from sluice.verdict.documents import parse_policy, read_document
from sluice.verdict.policy_set import SetBuilder

MAX_SHADOW_S = 86_400.0
CALIBRATION = "calibration.json"
POLICIES, POSTS, AGAINST = "policies", "posts.jsonl", "against.json"

Age = Annotated[
    str, msgspec.Meta(pattern=ages.PATTERN, description="Such as 30m, 12h, 7d or 4w.", examples=["7d"], max_length=8)
]
Yaml = Annotated[str, msgspec.Meta(min_length=1, max_length=1_000_000)]
Policies = Annotated[Sequence[Yaml], msgspec.Meta(max_length=64, description="Policies as YAML.")]
Guards = Annotated[
    Sequence[Annotated[str, msgspec.Meta(pattern=r"^(allow|review|block|changed)=[+-]?[0-9]{1,9}(\.[0-9]{1,9})?%$")]],
    msgspec.Meta(max_length=32, description="What must not be, such as review=+1% or changed=2%."),
]
Topic = Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9._-]{1,249}$", max_length=249)]
Id = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
Share = Annotated[float, msgspec.Meta(gt=0, lt=1)]
LogNumber = Annotated[int, msgspec.Meta(ge=1, le=1000)]
Line = Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]


@dataclasses.dataclass(frozen=True, slots=True)
class Places:
    """Files of the server that jobs use, as its operator named them.

    Attributes
    ----------
    audit_logs : tuple of str
        Folders or URLs.
    puid_key : Path or None
        The secret that hides post ids in statements of reasons.
    triton : str
        Where posts are scored, as host and port.
    """

    audit_logs: tuple[str, ...] = ()
    puid_key: Path | None = None
    triton: str = ""


NO_PLACES = Places()


class JobRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a body may say."""

    def check(self) -> None:
        """Raise `PolicyError` or `InvalidPost` for a policy or a post that is wrong; may take a while."""

    def media(self) -> Iterator[tuple[str, str]]:
        """Addresses that are to be read, each with the place in the body where it stands."""
        return iter(())

    def order(self, places: Places) -> Order:
        """The run of the command; raises `OrderRefused`."""
        raise NotImplementedError


class BacktestRequest(JobRequest, frozen=True, kw_only=True):
    """See `sluice backtest`: `policies` are tried on the verdicts of the time `since`.

    The page shows what `posts` say, and with `rescore` these alone are tried, scored anew.
    """

    policies: Policies
    since: Age = "7d"
    guards: Guards = ()
    posts: Annotated[Sequence[Post], msgspec.Meta(max_length=1000)] = ()
    rescore: bool = False

    def check(self) -> None:
        """See `JobRequest.check`."""
        check_policies(self.policies)
        for post in self.posts:
            require_part(post)

    def media(self) -> Iterator[tuple[str, str]]:
        """See `JobRequest.media`."""
        for number, post in enumerate(self.posts):
            yield from ((f"posts[{number}]", each.uri) for each in (*post.images, *post.audio))

    def order(self, places: Places) -> Order:
        """See `JobRequest.order`."""
        if self.rescore and not self.posts:
            raise OrderRefused("rescore: give the posts")
        options = ["--json", f"--since={self.since}", *_guards(self.guards)]
        options += ["--rescore", f"--triton={places.triton}"] if self.rescore else []
        order = Order("backtest", ("backtest",), tuple(options), {"--out": PAGE}, page=PAGE)
        return _with_policies(_with_posts(order, self.posts) if self.posts else order, self.policies)


class ShadowRequest(JobRequest, frozen=True, kw_only=True, rename={"for_": "for"}):
    """See `sluice shadow`: either `policies`, or the `verdicts_topic` of a second worker; it ends after `for`."""

    policies: Policies = ()
    verdicts_topic: Topic | None = None
    since: Age | None = None
    for_: Age
    guards: Guards = ()

    def check(self) -> None:
        """Raise `PolicyError`."""
        if self.policies:
            check_policies(self.policies)

    def order(self, places: Places) -> Order:
        """See `JobRequest.order`."""
        if bool(self.policies) == (self.verdicts_topic is not None):
            raise OrderRefused("give either policies, or the verdicts_topic that a second worker writes")
        more_s = _seconds(self.for_)
        if more_s > MAX_SHADOW_S:
            raise OrderRefused(f"for: {MAX_SHADOW_S / 3600:.0f}h at most")
        options = ["--json", f"--for={self.for_}", *_guards(self.guards), *_given(since=self.since)]
        options += _given(verdicts_topic=self.verdicts_topic)
        order = Order("shadow", ("shadow",), tuple(options), {"--out": PAGE}, page=PAGE, more_s=more_s)
        return _with_policies(order, self.policies) if self.policies else order


class DriftRequest(JobRequest, frozen=True, kw_only=True):
    """See `sluice drift`: the posts of the `last` days are held `against` those before."""

    last: Age = "7d"
    against: Age = "4w"
    limit: Annotated[float, msgspec.Meta(ge=0, le=1000)] | None = None

    def order(self, places: Places) -> Order:
        """See `JobRequest.order`."""
        options = ("--json", *_given(last=self.last, against=self.against, limit=self.limit))
        return Order("drift", ("drift",), options, {"--out": PAGE}, page=PAGE)


class DecisionReportRequest(JobRequest, frozen=True, kw_only=True):
    """See `sluice decisions report`: how often people overrule verdicts."""

    since: Age = "4w"
    limit: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None

    def order(self, places: Places) -> Order:
        """See `JobRequest.order`."""
        options = ("--json", *_given(since=self.since, limit=self.limit))
        return Order("decision-report", ("decisions", "report"), options, {"--out": PAGE}, page=PAGE)


class LabelExportRequest(JobRequest, frozen=True, kw_only=True):
    """See `sluice decisions labels`: what people decided, as labels for training; a file."""

    since: Age = "4w"
    overruled: bool = False

    def order(self, places: Places) -> Order:
        """See `JobRequest.order`."""
        options = (f"--since={self.since}", *(["--overruled"] if self.overruled else []))
        return Order("label-export", ("decisions", "labels"), options, prints="labels.jsonl", file="labels.jsonl")


class CalibrationRequest(JobRequest, frozen=True, kw_only=True):
    """See `sluice calibrate --from-topics`: thresholds by what people decided; the file is a policy."""

    since: Age = "4w"
    review_risk: Share = 0.05
    block_risk: Share = 0.005
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=128)] | None = None
    version: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)] | None = None
    policy: Yaml | None = None

    def check(self) -> None:
        """Raise `PolicyError`."""
        if self.policy is not None:
            parse_policy(self.policy)

    def order(self, places: Places) -> Order:
        """See `JobRequest.order`."""
        given = _given(
            since=self.since, review_risk=self.review_risk, block_risk=self.block_risk, name=self.name,
            version=self.version,
        )  # fmt: skip
        paths, inputs = {"--out": "policy.yaml"}, {}
        if self.policy is not None:
            paths["--policy"], inputs["base.yaml"] = "base.yaml", self.policy
        options = ("--from-topics", "--json", *given)
        return Order("calibration", ("calibrate",), options, paths, inputs, file="policy.yaml")


class AuditCheckRequest(JobRequest, frozen=True, kw_only=True):
    """See `sluice audit verify`: `log` counts the server's logs, from 1; `against` are heads of an earlier check.

    With `topic` those that Kafka holds count too.
    """

    log: LogNumber = 1
    topic: bool = False
    against: Annotated[Sequence[KnownHead], msgspec.Meta(max_length=10_000)] = ()

    def order(self, places: Places) -> Order:
        """See `JobRequest.order`."""
        heads = msgspec.json.encode(self.against).decode()
        paths, inputs = ({"--against": AGAINST}, {AGAINST: heads}) if self.against else ({}, {})
        where = _log(self.log, places)
        options = ("--json", "--topic") if self.topic else ("--json",)
        return Order("audit-check", ("audit", "verify"), options, paths, inputs, operand=where)


class AuditStatusRequest(JobRequest, frozen=True, kw_only=True):
    """See `sluice audit status`: how far a log is; `log` counts the server's logs, from 1."""

    log: LogNumber = 1

    def order(self, places: Places) -> Order:
        """See `JobRequest.order`."""
        return Order("audit-status", ("audit", "status"), ("--json",), operand=_log(self.log, places))


class ErasureRequest(JobRequest, frozen=True, kw_only=True):
    """See `sluice erase`: either an `author` or a `post`. It needs `confirm`, unless it is a `preview`."""

    author: Id | None = None
    post: Id | None = None
    tenant: Id | None = None
    topics: Annotated[Sequence[Topic], msgspec.Meta(max_length=32)] = ()
    preview: bool = False
    confirm: bool = False

    def order(self, places: Places) -> Order:
        """See `JobRequest.order`."""
        if (self.author is None) == (self.post is None):
            raise OrderRefused("give either author or post")
        if self.preview == self.confirm:
            raise OrderRefused("give either preview, or confirm: it cannot be undone")
        options = ["--json", "--preview" if self.preview else "--yes"]
        options += _given(author=self.author, post=self.post, tenant=self.tenant)
        options += [f"--topic={topic}" for topic in self.topics]
        options += [f"--audit={where}" for where in places.audit_logs]
        return Order("erasure", ("erase",), tuple(options))


class TransparencyRequest(JobRequest, frozen=True, kw_only=True):
    """See `sluice transparency`: the figures, and with a `format` the statements of reasons as a file.

    `calibration` is the result of one, whose rates of error are added.
    """

    since: Age = "26w"
    format: Literal["csv", "jsonl"] | None = None
    calibration: dict[str, Any] | None = None
    ground: Line | None = None
    explanation: Line | None = None

    def order(self, places: Places) -> Order:
        """See `JobRequest.order`."""
        options = _given(since=self.since, ground=self.ground, explanation=self.explanation)
        paths, inputs = {}, {}
        if self.calibration is not None:
            paths["--calibration"] = CALIBRATION
            inputs[CALIBRATION] = msgspec.json.encode(self.calibration).decode()
        if self.format is None:
            return Order("transparency-export", ("transparency",), tuple(options), paths, inputs)
        if places.puid_key is None:
            raise OrderRefused("format: statements need a secret of the server's: see --puid-key")
        file = f"statements.{self.format}"
        options = [*options, f"--key-file={places.puid_key}"]
        return Order(
            "transparency-export", ("transparency",), tuple(options), {**paths, "--out": file}, inputs, file=file
        )


REQUESTS: Mapping[KindName, type[JobRequest]] = {
    "backtest": BacktestRequest,
    "shadow": ShadowRequest,
    "drift": DriftRequest,
    "decision-report": DecisionReportRequest,
    "label-export": LabelExportRequest,
    "calibration": CalibrationRequest,
    "audit-check": AuditCheckRequest,
    "audit-status": AuditStatusRequest,
    "erasure": ErasureRequest,
    "transparency-export": TransparencyRequest,
}


def check_policies(texts: Sequence[str]) -> None:
    """Raise `PolicyError` with number and line for what is no set of policies, `OrderRefused` for none."""
    if not texts:
        raise OrderRefused("policies: at least one")
    SetBuilder().build([read_document(text, f"policies[{number}]") for number, text in enumerate(texts)])


def _with_policies(order: Order, texts: Sequence[str]) -> Order:
    inputs = {f"{POLICIES}/{number:03}.yaml": text for number, text in enumerate(texts)}
    paths = {**order.paths, "--policy": POLICIES}
    return dataclasses.replace(order, paths=paths, inputs={**order.inputs, **inputs})


def _with_posts(order: Order, posts: Sequence[Post]) -> Order:
    lines = "\n".join(encode(post).decode() for post in posts)
    return dataclasses.replace(order, paths={**order.paths, "--posts": POSTS}, inputs={POSTS: lines})


def _log(number: int, places: Places) -> str:
    if number > len(places.audit_logs):
        raise OrderRefused(f"log: this server knows {len(places.audit_logs)} audit logs: see --audit")
    return places.audit_logs[number - 1]


def _guards(guards: Sequence[str]) -> Iterator[str]:
    return (f"--guard={guard}" for guard in guards)


def _given(**options: object) -> list[str]:
    """Options that have a value."""
    return [f"--{name.replace('_', '-')}={value}" for name, value in options.items() if value is not None]


def _seconds(age: str) -> float:
    try:
        return ages.parse_age(age)
    except ValueError as error:
        raise OrderRefused(str(error)) from error
