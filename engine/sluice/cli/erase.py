"""``sluice erase``."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated

import typer

from sluice.cli.console import cell, emit, make_console, say, wants_json
from sluice.cli.options import JsonOption, KafkaOption

if TYPE_CHECKING:
    from sluice.erasure.report import Report
    from sluice.erasure.run import Erasure


def erase(
    author: Annotated[str | None, typer.Option(metavar="ID", help="An author, and all of their posts.")] = None,
    post: Annotated[str | None, typer.Option(metavar="ID", help="One post.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Whose; default: any tenant's.")] = None,
    audit: Annotated[
        list[str] | None, typer.Option(metavar="DIR|URL", help="An audit log; stop who follows it. May be repeated.")
    ] = None,
    topic: Annotated[
        list[str] | None, typer.Option(help="A further topic with messages like ours; may be repeated.")
    ] = None,
    preview: Annotated[bool, typer.Option("--preview", help="Only say what would be erased.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: JsonOption = False,
    kafka: KafkaOption = None,
) -> None:
    """Erase an author or a post: from every topic, the media store, lists, audit logs and the workers' histories.

    It cannot be undone. Workers that keep histories are asked, and answer: this needs their SLUICE_HISTORY_KEY.

    Then everything is looked through once more. Exit code 1: something is left, and the report says where.

    Example: sluice erase --author u-9 --tenant shop --audit /var/lib/sluice/audit --preview
    """
    if (author is None) == (post is None) or not (author or post):
        raise typer.BadParameter("give either --author or --post")
    with ExitStack() as cleanup:
        erasure = _prepare(author, post, tenant, audit or [], topic or [], kafka, cleanup)
        if preview:
            _show(erasure.preview(), as_json)
            return
        if not yes:
            typer.confirm("Erase for good?", abort=True, err=True)
        report = erasure.run()
    _show(report, as_json)
    if not report.is_clean:
        say("something is left")
        raise typer.Exit(1)


def _prepare(
    author: str | None, post: str | None, tenant: str | None, audit: list[str], topics: list[str], kafka: str | None,
    cleanup: ExitStack,
) -> Erasure:  # fmt: skip
    from sluice.cli.audit import writing
    from sluice.connection import find_connection
    from sluice.erasure.media import open_stored
    from sluice.erasure.run import Erasure, Places
    from sluice.erasure.subjects import Subject
    from sluice.settings import load_settings

    to = find_connection(kafka).recognised()
    logs = tuple((where, cleanup.enter_context(writing(where))) for where in audit)
    settings = load_settings()
    places = Places(
        to.kafka, settings.agent.group, open_stored(to.media_store), tuple(topics), logs, settings.history.key
    )
    return Erasure(places, Subject(author, post, tenant))


def _show(report: Report, as_json: bool) -> None:
    import msgspec

    if wants_json(as_json):
        emit(msgspec.json.encode(report))
        return
    from rich.table import Table

    when = f"erased at {report.erased_at}" if report.erased_at else "nothing is erased yet"
    names = ("kind", "where", "found", "erased", "copied", "dropped", "left", "note")
    table = Table(*names, title=f"{report.n_posts} posts; {when}")
    for row in report.rows:
        table.add_row(*(cell(str(getattr(row, name))) for name in names))
    make_console().print(table)
