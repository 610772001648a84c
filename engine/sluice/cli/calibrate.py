"""``sluice calibrate``."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sluice.cli.console import emit, make_console, say
from sluice.cli.lines import STDIN, open_lines
from sluice.cli.options import KafkaOption
from sluice.cli.report import save_page

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sluice.cli.labelled import Joined
    from sluice.verdict.calibration import Calibrated
    from sluice.verdict.policy import Policy

VERDICTS_NAME, DECISIONS_NAME = "the topic of verdicts", "the topic of decisions"
VERSION_HELP = "The new policy's version; default: one more than the base policy's."


def calibrate(
    verdicts: Annotated[
        str | None, typer.Argument(metavar="VERDICTS.jsonl|-", help="What score or verdicts --json print.")
    ] = None,
    labels: Annotated[
        str | None, typer.Option(help='One {"post_id": "p-1", "labels": {"threat": 1, "spam": 0}} a line.')
    ] = None,
    from_topics: Annotated[
        bool, typer.Option("--from-topics", help="Take both from Kafka: verdicts, and what people decided.")
    ] = False,
    since: Annotated[str, typer.Option(help="With --from-topics: those of the last 30m, 12h, 7d, 4w.")] = "4w",
    kafka: KafkaOption = None,
    review_risk: Annotated[float, typer.Option(help="Share of benign posts that may be reviewed or blocked.")] = 0.05,
    block_risk: Annotated[float, typer.Option(help="Share of benign posts that may be blocked.")] = 0.005,
    name: Annotated[str | None, typer.Option(help="The new policy's name; default: the base policy's.")] = None,
    version: Annotated[int | None, typer.Option(min=1, help=VERSION_HELP)] = None,
    policy: Annotated[Path | None, typer.Option(help="The base policy; default: the shipped one.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Policy and figures as JSON instead of YAML.")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write the policy's YAML to this file as well.")
    ] = None,
) -> None:
    """Print a policy whose thresholds keep stated risks on your own labelled posts.

    A label that a line leaves out is not annotated. A post is benign if it is annotated 0 for every label it is
    annotated for; the risks are shares of benign posts, as an average, for posts like those labelled. Few posts are
    enough to begin: what cannot be computed from them stays as the base policy has it, and is named.

    Example: sluice score posts.jsonl > verdicts.jsonl && sluice calibrate verdicts.jsonl --labels labels.jsonl

    Example: sluice calibrate --from-topics --since 4w > mine.yaml
    """
    from sluice.cli.labelled import join, read_truths, read_verdicts
    from sluice.verdict.calibration import Risks, calibrate_policy
    from sluice.verdict.calibration_report import figures_json, write_policy

    risks = Risks(_check_risk(review_risk, "--review-risk"), _check_risk(block_risk, "--block-risk"))
    base = _load_base(policy)
    names = (VERDICTS_NAME, DECISIONS_NAME) if from_topics else _check_files(verdicts, labels)
    contents = _read_topics(kafka, since) if from_topics else (_read_bytes(names[0]), _read_bytes(names[1]))
    joined = join(read_verdicts(contents[0], names[0]), read_truths(contents[1], names[1]))
    calibrated = calibrate_policy(base, joined.posts, risks, _name(name, base), version or base.version + 1)
    _show(calibrated, joined)
    provenance = _describe(names, contents, joined.models)
    written = write_policy(calibrated, provenance)
    if out is not None:
        save_page(written, out)
    if as_json:
        emit(json.dumps({**figures_json(calibrated), "provenance": provenance}).encode())
    else:
        emit(written.rstrip("\n").encode())


def _check_files(verdicts: str | None, labels: str | None) -> tuple[str, str]:
    if verdicts is None or labels is None:
        raise typer.BadParameter("give verdicts and --labels, or --from-topics", param_hint="--labels")
    if verdicts == labels == STDIN:
        raise typer.BadParameter("only one of the two files can be standard input", param_hint="--labels")
    return verdicts, labels


def _read_topics(kafka: str | None, since: str) -> tuple[bytes, bytes]:
    """Verdicts on the posts that people decided, and their labels, as lines of the two files."""
    from sluice.cli.decisions import encode_labels, read_labels
    from sluice.schema import encode

    found = read_labels(kafka, since)
    return b"\n".join(encode(each.judged.verdict) for each in found), b"\n".join(map(encode_labels, found))


def _check_risk(risk: float, option: str) -> float:
    if not 0 < risk < 1:
        raise typer.BadParameter(f"a share between 0 and 1 is wanted, not {risk:g}", param_hint=option)
    return risk


def _name(name: str | None, base: Policy) -> str:
    if name == "":
        raise typer.BadParameter("a policy needs a name", param_hint="--name")
    return name or base.name


def _load_base(policy: Path | None) -> Policy:
    from sluice.resources import default_policy
    from sluice.verdict.documents import load_policy

    return load_policy(policy or default_policy())


def _show(calibrated: Calibrated, joined: Joined) -> None:
    """The figures, for people."""
    from rich.table import Table

    from sluice.verdict.calibration_report import (
        HEADINGS,
        describe_missing_benign,
        describe_missing_positives,
        describe_reached,
        tabulate,
    )

    table = Table(*HEADINGS, title="on the labelled posts", title_justify="left")
    for cells in tabulate(calibrated):
        table.add_row(*cells)
    make_console().print(table)
    for line in _describe_doubts(joined):
        say(line)
    for describe in (describe_missing_positives, describe_missing_benign):
        for line in describe(calibrated):
            say(line)
    say(describe_reached(calibrated))


def _describe_doubts(joined: Joined) -> Iterator[str]:
    for n_lines, what in (
        (joined.n_unlabelled, "verdicts without labels"),
        (joined.n_unscored, "labelled posts without a verdict"),
        (joined.n_dead_letters, "dead letters"),
    ):
        if n_lines:
            yield f"left out: {n_lines} {what}"
    if joined.n_cleared:
        yield f"{joined.n_cleared} posts have scores that the first stage expects: lower thresholds may be off"


def _describe(names: tuple[str, str], contents: tuple[bytes, bytes], models: list[str]) -> list[str]:
    """Where the thresholds come from; no date, so the same files give the same policy."""
    files = [
        f"{json.dumps(Path(name).name)} (sha256 {hashlib.sha256(raw).hexdigest()[:16]})"
        for name, raw in zip(names, contents, strict=True)
    ]
    return [f"Scores of {files[0]}, labels of {files[1]}.", f"Models: {', '.join(models)}."]


def _read_bytes(name: str) -> bytes:
    with open_lines(name) as file:
        return file.readall()
