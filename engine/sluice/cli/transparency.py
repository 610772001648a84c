"""``sluice transparency``."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sluice.cli.backtest import read_age
from sluice.cli.console import emit, say
from sluice.cli.options import KafkaOption
from sluice.errors import SettingsError

if TYPE_CHECKING:
    from sluice.connection import Connection
    from sluice.people.topic import Gathered
    from sluice.schema import PostKey, Verdict
    from sluice.transparency.statements import Platform, Statement
    from sluice.transparency.summary import Calibration, Counting


MIN_KEY_BYTES = 16


def transparency(
    since: Annotated[str, typer.Option(help="Of the last 12h, 7d, 26w.")] = "26w",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="Statements of reasons, as .csv or .jsonl.")
    ] = None,
    ground: Annotated[str, typer.Option(help="Which of your terms blocked content breaks.")] = "Community guidelines",
    explanation: Annotated[
        str, typer.Option(help="Why it does.")
    ] = "The content is of a kind that the community guidelines do not allow.",
    key_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The secret that hides post ids in puid; needed with --out.")
    ] = None,
    calibration: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="What `sluice calibrate --json` printed: rates of error."),
    ] = None,
    kafka: KafkaOption = None,
) -> None:
    """Export what the Digital Services Act asks for: statements of reasons, and figures on automated means.

    The figures go to standard output, as JSON: decisions, how many without a person, error rates from what people
    decided about posts that were drawn at random, with intervals, from appeals, and from a calibration.

    Example: sluice transparency --since 26w -o statements.csv --key-file puid.key > figures.json
    """
    import msgspec

    from sluice.connection import find_connection
    from sluice.people.topic import gather
    from sluice.transparency.summary import Counting

    if out is not None and out.suffix not in (".csv", ".jsonl"):
        raise typer.BadParameter(f"{out} is neither .csv nor .jsonl", param_hint="--out")
    measured = _read_calibration(calibration)
    platform = _platform(ground, explanation, key_file, is_needed=out is not None)
    to, since_s, counting = find_connection(kafka).recognised(), time.time() - read_age(since), Counting()
    _ensure(to)
    gathered = gather(to.kafka, since_s, to.timeout_s)
    statements = _state(to, since_s, gathered, platform, counting)
    n_written = _save(out, statements) if out else sum(1 for _ in statements)
    emit(msgspec.json.encode(counting.sum_up(gathered.judged, measured)))
    say(f"{n_written} statements of reasons" + (f" in {out}" if out else ""))


def _read_calibration(file: Path | None) -> Calibration | None:
    import msgspec

    from sluice.strict_json import read_json
    from sluice.transparency.summary import Calibration

    if file is None:
        return None
    try:
        return read_json(msgspec.json.Decoder(Calibration).decode, file.read_bytes())
    except OSError as error:
        raise SettingsError(f"--calibration: {file} cannot be read: {type(error).__name__}") from error
    except msgspec.DecodeError as error:
        raise SettingsError(f"--calibration: {file} is not what `sluice calibrate --json` prints: {error}") from error


def _platform(ground: str, explanation: str, key_file: Path | None, is_needed: bool) -> Platform:
    from sluice.transparency.statements import Platform

    if key_file is None and is_needed:
        raise typer.BadParameter("statements need a secret of your own, in a file", param_hint="--key-file")
    try:
        key = key_file.read_bytes().strip() if key_file else b"counted only"
    except OSError as error:
        raise SettingsError(f"--key-file: {key_file} cannot be read: {type(error).__name__}") from error
    if key_file is not None and len(key) < MIN_KEY_BYTES:
        raise SettingsError(f"--key-file: {key_file} holds {len(key)} bytes; ids can be guessed below {MIN_KEY_BYTES}")
    return Platform(key, ground, explanation)


def _ensure(to: Connection) -> None:
    from sluice.kafka import ensure_topics

    ensure_topics(to.kafka, to.timeout_s, (to.kafka.topics.verdicts, to.kafka.topics.decisions))


def _state(
    to: Connection, since_s: float, gathered: Gathered, platform: Platform, counting: Counting
) -> Iterator[Statement]:
    """The statements, one a post: of several verdicts the first counts."""
    from sluice.transparency.statements import make_statement

    seen: set[PostKey] = set()
    for verdict in _verdicts(to, since_s):
        if (verdict.tenant, verdict.post_id) in seen:
            continue
        seen.add((verdict.tenant, verdict.post_id))
        decision = gathered.decisions.on(verdict.tenant, verdict.post_id)
        statement = make_statement(verdict, decision, platform)
        counting.note(verdict.decision, statement)
        if statement is not None:
            yield statement


def _verdicts(to: Connection, since_s: float) -> Iterator[Verdict]:
    import msgspec

    from sluice.client import open_topic

    with open_topic(to.kafka, to.kafka.topics.verdicts, since_s, to.timeout_s) as outcomes:
        for outcome in outcomes.read_to_end():
            try:
                yield outcome.verdict()
            except msgspec.DecodeError:
                continue


def _save(file: Path, statements: Iterable[Statement]) -> int:
    try:
        return _write(file, statements)
    except OSError as error:
        raise SettingsError(f"--out: {file} cannot be written: {type(error).__name__}") from error


def _write(file: Path, statements: Iterable[Statement]) -> int:
    import msgspec

    from sluice.transparency.statements import Statement

    n_written = 0
    with file.open("w", encoding="utf-8", newline="") as opened:
        if file.suffix == ".csv":
            opened.write(_row(Statement.__struct_fields__))
        for statement in statements:
            fields = msgspec.structs.asdict(statement).values()
            line = _row(fields) if file.suffix == ".csv" else msgspec.json.encode(statement).decode() + "\n"
            opened.write(line)
            n_written += 1
    return n_written


def _row(values: Iterable[object]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow("|".join(value) if isinstance(value, tuple) else value for value in values)
    return line.getvalue()
