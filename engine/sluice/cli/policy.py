"""``sluice policy``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sluice.cli.console import emit, say
from sluice.cli.options import JsonOption, KafkaOption
from sluice.cli.report import save_page
from sluice.cli.tables import ByOption, NoteOption, who
from sluice.cli.tables import show as show_rows

if TYPE_CHECKING:
    from sluice.policies.changes import Checked
    from sluice.policies.desk import PolicyDesk
    from sluice.policies.records import TopicState
    from sluice.verdict.policy import Policy

app = typer.Typer(no_args_is_help=True, help="Policies: check them, put them in force everywhere, and take them back.")

Paths = Annotated[list[Path], typer.Argument(metavar="PATH…", help="Policy files, or folders of them.")]
PageOption = Annotated[
    Path | None, typer.Option("--out", "-o", help="Write an HTML page: for whom each is, its thresholds and rules.")
]
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="A policy's name.")]


@app.command("check")
def check(paths: Paths, out: PageOption = None, as_json: JsonOption = False) -> None:
    """Read policies, compile their rules and run their cases; no Kafka is needed.

    What a policy extends has to be among them, or the shipped `default`. The first mistake is named with its line.

    Example: sluice policy check policies/ -o policies.html
    """
    from sluice.policies.changes import check, read_all
    from sluice.policies.desk import describe

    checked = check(read_all(paths))
    if out is not None:
        _write_page(checked, out)
    show_rows(describe(checked, checked.documents), as_json)


def _write_page(checked: Checked, out: Path) -> None:
    from sluice.report.policies import write_policies

    save_page(write_policies([checked.policy(document.name) for document in checked.documents]), out)
    say(f"the page: {out}")


@app.command("push")
def push(
    paths: Paths, note: NoteOption = "", by: ByOption = None, as_json: JsonOption = False, kafka: KafkaOption = None
) -> None:
    """Check policies beside those in force, and put them in force on every worker within 5 s.

    The cases of all policies are run, also of those that extend a pushed one. A version that is there already may be
    pushed again only as it is. Those of SLUICE_POLICY count as in force, as they are for the workers.

    Example: sluice policy push forum-a.yaml --note "fewer false alarms on slang"
    """
    from sluice.policies.changes import read_all

    show_rows(_open_desk(kafka).push(read_all(paths), who(by), note), as_json)


@app.command("rollback")
def rollback(
    name: NameArgument,
    to_version: Annotated[int | None, typer.Option("--to", help="Which version; default: the one before.")] = None,
    note: NoteOption = "",
    by: ByOption = None,
    as_json: JsonOption = False,
    kafka: KafkaOption = None,
) -> None:
    """Put an earlier version in force again on every worker. It is built beside the others first; cases are not run.

    Example: sluice policy rollback forum-a
    """
    document = _open_desk(kafka).roll_back(name, to_version, who(by), note)
    show_rows([{"name": name, "version": document.version, "document_sha256": document.sha256}], as_json)


@app.command("show")
def show(
    name: Annotated[str | None, typer.Argument(metavar="[NAME[@VERSION]]", help="Which; default: a list.")] = None,
    out: PageOption = None,
    as_json: JsonOption = False,
    kafka: KafkaOption = None,
) -> None:
    """List the policies in force; or write one, as it was pushed, to standard output.

    Example: sluice policy show forum-a@3 > forum-a.yaml

    Example: sluice policy show -o policies.html
    """
    from sluice.policies.changes import read_version

    desk = _open_desk(kafka)
    if out is not None:
        _write_page(desk.check(), out)
    if name is None:
        show_rows(desk.rows(), as_json)
    else:
        emit(read_version(desk.read(), *_split(name)).text.rstrip("\n").encode())


@app.command("history")
def history(name: NameArgument, as_json: JsonOption = False, kafka: KafkaOption = None) -> None:
    """List what was put in force when, and by whom, the last first. It goes back 100 changes.

    Example: sluice policy history forum-a --json
    """
    show_rows(_open_desk(kafka).history(name), as_json)


@app.command("diff")
def diff(
    before: Annotated[str, typer.Argument(metavar="BEFORE", help="A file, NAME (in force) or NAME@VERSION.")],
    after: Annotated[str, typer.Argument(metavar="AFTER", help="The same.")],
    as_json: JsonOption = False,
    kafka: KafkaOption = None,
) -> None:
    """List the fields in which two policies differ, what they inherit included.

    Both are put beside the policies in force, since they may extend one of those.

    Example: sluice policy diff forum-a forum-a.yaml
    """
    from sluice.policies.differences import find_differences

    desk = _open_desk(kafka)
    state = desk.read()
    show_rows(find_differences(_resolve(before, desk, state), _resolve(after, desk, state)), as_json)


def _resolve(what: str, desk: PolicyDesk, state: TopicState) -> Policy:
    """A policy with what it inherits."""
    from sluice.policies.changes import read_version
    from sluice.verdict.documents import read_document, read_text

    path = Path(what)
    document = read_document(read_text(path), what) if path.is_file() else read_version(state, *_split(what))
    return desk.complete(document, state)


def _split(name: str) -> tuple[str, int | None]:
    from sluice.policies.records import MAX_DIGITS

    before, _, version = name.rpartition("@")
    return (before, int(version)) if before and version.isdecimal() and len(version) <= MAX_DIGITS else (name, None)


def _open_desk(kafka: str | None) -> PolicyDesk:
    from sluice.connection import find_connection
    from sluice.policies.desk import PolicyDesk
    from sluice.settings import load_settings

    to = find_connection(kafka).recognised()
    return PolicyDesk(to.kafka, load_settings().policy_path, to.timeout_s)
