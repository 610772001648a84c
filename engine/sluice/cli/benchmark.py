"""``sluice benchmark``."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sluice.benchmark.names import SetName
from sluice.cli.console import emit, ending_like_ctrl_c, make_console, say, wants_json
from sluice.cli.options import JsonOption, TritonOption
from sluice.cli.score import ScoringJob, offline_settings, score_all, with_triton
from sluice.errors import BenchmarkError

if TYPE_CHECKING:
    from sluice.benchmark.report import Line
    from sluice.benchmark.rows import Row
    from sluice.cli.scoring import Scored
    from sluice.schema import Verdict

NAME_HELP = f"Which set: {', '.join(SetName)}."


def benchmark(
    name: Annotated[SetName, typer.Argument(help=NAME_HELP, metavar="NAME")],
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="The set's files, as its authors publish them.")],
    as_json: JsonOption = False,
    triton: TritonOption = None,
    policy: Annotated[Path | None, typer.Option(help="Decide by this policy file.")] = None,
) -> None:
    """Score a public test set and print its usual figures, with 95 % intervals, beside published ones.

    Scores as `sluice score` does. A text counts as flagged if a label reaches its threshold.

    Example: sluice benchmark hatecheck test_suite_cases.csv
    """
    from sluice.benchmark.report import compare
    from sluice.benchmark.sets import SETS, read_set
    from sluice.cli.scoring import take_all
    from sluice.cli.stacks import open_triton

    rows, settings = read_set(name, files), offline_settings(policy)
    with ExitStack() as cleanup:
        cleanup.enter_context(ending_like_ctrl_c())
        posts = cleanup.enter_context(_as_posts(rows))
        settings = with_triton(settings, cleanup.enter_context(open_triton(triton)))
        outcomes: list[Scored] = []
        asyncio.run(score_all(settings, ScoringJob(posts, len(rows), take_all, outcomes.append)))
    verdicts = _require_all(outcomes)
    known = SETS[name]
    _show(name, list(compare(known.measure(rows, verdicts), known.published)), wants_json(as_json))
    _say_unread(verdicts)


@contextmanager
def _as_posts(rows: Sequence[Row]) -> Iterator[FileIO]:
    """The texts as lines of posts, as the scoring path reads them."""
    with tempfile.TemporaryDirectory(prefix="sluice-benchmark-") as folder:
        file = Path(folder) / "posts.jsonl"
        lines = (json.dumps({"id": str(number), "text": row.text}) for number, row in enumerate(rows))
        file.write_text("".join(f"{line}\n" for line in lines), "utf-8")
        with FileIO(file) as opened:
            yield opened


def _require_all(outcomes: Sequence[Scored]) -> list[Verdict]:
    """The verdicts, in order; a text without one would shift every figure."""
    for number, scored in enumerate(outcomes, 1):
        if scored.verdict is None:
            raise BenchmarkError(f"text {number} of the set cannot be scored: {scored.reason}")
    return [scored.verdict for scored in outcomes if scored.verdict is not None]


def _show(name: SetName, lines: Sequence[Line], as_json: bool) -> None:
    from rich.table import Table

    from sluice.benchmark.report import describe_published, to_json

    if as_json:
        for line in lines:
            emit(json.dumps({"set": name, **to_json(line)}, ensure_ascii=False).encode())
        return
    table = Table("figure", "of", "n", "value [95 %]", "published", title=name, title_justify="left")
    for line in lines:
        found = line.measured
        table.add_row(found.measure, found.subject, str(found.n_texts), str(found.figure), describe_published(line))
    make_console().print(table)
    for source in dict.fromkeys(published.source for line in lines for published in line.published):
        say(f"published: {source}")


def _say_unread(verdicts: Sequence[Verdict]) -> None:
    """A language that the models were not measured on makes every figure doubtful."""
    n_unread = sum("not read" in verdict.modalities.get("text", "") for verdict in verdicts)
    if n_unread:
        say(f"{n_unread} of {len(verdicts)} texts are in a language that the models do not read")
