"""``sluice audit``."""

from __future__ import annotations

import fcntl
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sluice.cli.console import emit, say, wants_json
from sluice.cli.options import JsonOption, KafkaOption
from sluice.cli.worker_log import LogFormat, log_to_standard_error
from sluice.errors import AuditError

if TYPE_CHECKING:
    from sluice.audit.log import AuditLog, Form
    from sluice.audit.verifying import KnownHead
    from sluice.connection import Connection

app = typer.Typer(no_args_is_help=True, help="A log of every decision in which nothing can be changed unnoticed.")


class FileForm(StrEnum):
    """How the files of a log are written."""

    jsonl = "jsonl"
    parquet = "parquet"


_FORMS: dict[FileForm | None, Form | None] = {None: None, FileForm.jsonl: "jsonl", FileForm.parquet: "parquet"}

LOCK = ".lock"
"""The file in a log's folder that whoever writes to it holds."""

Where = Annotated[str, typer.Argument(metavar="DIR|URL", help="The log.")]


@app.command("follow")
def follow(
    out: Annotated[str, typer.Option("--out", "-o", metavar="DIR|URL", help="Where the log lies, such as s3://b/p.")],
    topic: Annotated[
        list[str] | None,
        typer.Option(help="May be repeated. Default: verdicts, and people's decisions and policies if there are."),
    ] = None,
    every_s: Annotated[float, typer.Option(min=0.1, help="Write after so many seconds at most.")] = 60.0,
    form: Annotated[
        FileForm | None, typer.Option("--format", help="Of new files; default: of those that are there, else jsonl.")
    ] = None,
    to_topic: Annotated[
        bool, typer.Option("--to-topic", help="Put every record on the topic moderation.audit too.")
    ] = False,
    once: Annotated[bool, typer.Option("--once", help="End when everything that is there is in the log.")] = False,
    kafka: KafkaOption = None,
) -> None:
    """Take every decision into the log, until SIGTERM or Ctrl-C.

    Each message is in it once, however often this ends, kill -9 included; the next one reads on from where the log
    ends. One log has one writer.

    In Parquet (extra `parquet`) what people ask a log for lies in columns beside each record: decision, tenant, policy,
    labels, scores and others. It is checked, explained and erased from like any other.

    With --to-topic each record is on a topic as well, without its private part, for `sluice audit verify --topic`.

    Example: sluice audit follow --out s3://bucket/audit --format parquet
    """
    from sluice.audit.following import AuditFollower
    from sluice.audit.mirror import Mirror
    from sluice.connection import find_connection

    log_to_standard_error(LogFormat.text)
    to = find_connection(kafka).recognised()
    with (
        writing(out, _FORMS[form]) as log,
        _until_told() as over,
        AuditFollower(
            to.kafka,
            log,
            topic or _default_topics(to),
            every_s,
            to.timeout_s,
            Mirror(to.kafka, log, to.timeout_s) if to_topic else None,
        ) as follower,
    ):
        if once:
            follower.catch_up()
        else:
            say(f"audit log of {to.kafka.bootstrap} in {out}; Ctrl-C ends it")
            follower.run(over.is_set)
    say(f"{follower.n_records} records written")


def _default_topics(to: Connection) -> list[str]:
    from sluice.kafka import TopicNames, ensure_topics

    topics = to.kafka.topics
    ensure_topics(to.kafka, to.timeout_s, (topics.verdicts,))
    there = TopicNames(to.kafka).read()
    return [topics.verdicts, *(name for name in (topics.decisions, topics.policies) if name in there)]


@contextmanager
def _until_told() -> Iterator[threading.Event]:
    """Set by SIGTERM and Ctrl-C: what was read is still written."""
    over = threading.Event()

    def end(_number: int, _frame: object) -> None:
        over.set()

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield over
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def writing(where: str, form: Form | None = None) -> Iterator[AuditLog]:
    """The log, to be written to by nobody else meanwhile; a store such as S3 knows no locks.

    Without a form its new files are like those that are there.

    Raises
    ------
    AuditError
        Somebody else writes to it.
    """
    from sluice.audit.archive import FolderArchive, open_archive
    from sluice.audit.log import AuditLog
    from sluice.media.store import local_folder

    archive, folder = open_archive(where), local_folder(where)
    if folder is None:
        yield AuditLog(archive, form)
        return
    with (folder / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AuditError(f"{where}: another process writes to this log; stop it first") from error
        if isinstance(archive, FolderArchive):
            archive.clear_unfinished()
        yield AuditLog(archive, form)


@app.command("status")
def show_status(where: Where, as_json: JsonOption = False, kafka: KafkaOption = None) -> None:
    """How far the log is: each chain's last record, what Kafka has beyond it, and whether somebody writes to it.

    Example: sluice audit status /var/lib/sluice/audit
    """
    import msgspec

    from sluice.audit.status import read_status
    from sluice.connection import find_connection

    log, to = open_log(where), find_connection(kafka).recognised()
    status = msgspec.structs.replace(
        read_status(to.kafka, log, _default_topics(to), to.timeout_s), has_writer=_has_writer(where)
    )
    if wants_json(as_json):
        emit(msgspec.json.encode(status))
        return
    for chain in status.chains:
        say(f"{chain.topic}/{chain.partition}: up to offset {chain.offset}, {chain.behind} behind")
    writer = {None: "not known", True: "yes", False: "no"}[status.has_writer]
    say(f"{status.behind} messages are not in the log yet; somebody writes to it: {writer}")


def _has_writer(where: str) -> bool | None:
    from sluice.media.store import local_folder

    folder = local_folder(where)
    if folder is None:
        return None
    try:
        with (folder / LOCK).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


@app.command("verify")
def verify_log(
    where: Where,
    against: Annotated[
        Path | None, typer.Option(metavar="FILE", help="What an earlier check printed: that much must be there.")
    ] = None,
    topic: Annotated[
        bool, typer.Option("--topic", help="What the topic moderation.audit holds must be there.")
    ] = False,
    kafka: KafkaOption = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="All findings as one JSON object, not the ends of the chains alone.")
    ] = False,
) -> None:
    """Check the log: names the first record of each chain that was changed, removed or moved. Exit code 1 then.

    The ends of the chains go to standard output, as JSON. Keep them elsewhere, for --against, or have the log on a
    topic too: nothing else tells that the newest records were taken off, or that the whole log was written anew.

    Example: sluice audit verify /var/lib/sluice/audit --against heads.json > new-heads.json

    Example: sluice audit verify /var/lib/sluice/audit --topic
    """
    import msgspec

    from sluice.audit.verifying import verify

    known = [*(_read_heads(against) if against else ()), *(_read_topic(kafka) if topic else ())]
    findings = verify(open_log(where), known)
    emit(msgspec.json.encode(findings if as_json else findings.heads))
    n_chains = len(findings.heads) + len(findings.wrong)
    say(f"{findings.n_records} records in {n_chains} chains, {findings.n_erased} of them erased")
    for line in findings.wrong:
        say(f"WRONG {line}")
    if findings.wrong:
        raise typer.Exit(1)
    say("every chain is whole")


def _read_heads(file: Path) -> list[KnownHead]:
    import msgspec

    from sluice.audit.verifying import KnownHead

    try:
        return msgspec.json.decode(file.read_bytes(), type=list[KnownHead])
    except (OSError, msgspec.DecodeError) as error:
        raise AuditError(f"{file}: not what sluice audit verify prints: {error}") from error


def _read_topic(kafka: str | None) -> list[KnownHead]:
    from sluice.audit.mirror import read_heads
    from sluice.connection import find_connection

    to = find_connection(kafka).recognised()
    return read_heads(to.kafka, to.timeout_s)


def open_log(where: str) -> AuditLog:
    """A log to read; raises `AuditError` for a folder that is not there: it is a mistake, and is not to be made."""
    from sluice.audit.archive import open_archive
    from sluice.audit.log import AuditLog
    from sluice.media.store import local_folder

    folder = local_folder(where)
    if not where or (folder is not None and not folder.is_dir()):
        raise AuditError(f"{where}: there is no such folder")
    return AuditLog(open_archive(where))
