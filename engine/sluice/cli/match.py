"""``sluice match``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sluice.cli.console import emit, make_console, say
from sluice.cli.lines import number_lines, open_lines

if TYPE_CHECKING:
    from sluice.schema import Verdict
    from sluice.verdict.matching import Match

Row = tuple[str, float, "Match"]


def match(
    verdicts: Annotated[str, typer.Argument(metavar="VERDICTS.jsonl", help="Ours: what score --json prints.")],
    theirs: Annotated[
        str, typer.Argument(metavar="THEIRS.jsonl", help='One {"post_id": "p-1", "scores": {"TOXICITY": 0.8}} a line.')
    ],
    service: Annotated[str, typer.Option(help="Whose scores: perspective, openai or azure.")] = "perspective",
    at: Annotated[
        list[str] | None, typer.Option(metavar="NAME=THRESHOLD", help="Theirs; may be repeated. Default: common ones.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line per threshold.")] = False,
) -> None:
    """Say which thresholds of ours flag the same share of a stream as another service's did.

    Both files hold scores of the same posts, the more the better; their order does not matter.

    Example: sluice match verdicts.jsonl theirs.jsonl --at TOXICITY=0.8 --at THREAT=0.7
    """
    from sluice.api.equivalents import CUTS, SERVICES, equivalents_of

    if service not in SERVICES:
        raise typer.BadParameter(f"{service!r} is none of {', '.join(SERVICES)}", param_hint="--service")
    names = equivalents_of(service)
    wanted = [_read_cut(each, list(names)) for each in at or ()] or [(n, cut) for n in names for cut in CUTS[service]]
    ours = dict(_read_verdicts(verdicts))
    pairs = [(scores, ours[post_id]) for post_id, scores in _read_theirs(theirs) if post_id in ours]
    if not pairs:
        raise typer.BadParameter("no post stands in both files", param_hint="THEIRS.jsonl")
    rows = list(_match_all(wanted, pairs, names))
    _show(rows, as_json)
    say(f"{len(pairs)} posts stand in both files")


def _read_cut(option: str, names: list[str]) -> tuple[str, float]:
    name, _, value = option.partition("=")
    if name not in names:
        raise typer.BadParameter(f"{name!r} is none of {', '.join(names)}", param_hint="--at")
    try:
        return name, float(value)
    except ValueError as error:
        raise typer.BadParameter(f"NAME=THRESHOLD is wanted, not {option!r}", param_hint="--at") from error


def _read_verdicts(source: str) -> Iterator[tuple[str, Verdict]]:
    """Verdicts by post id; dead letters are passed over."""
    import msgspec

    from sluice.schema import decode_verdict

    with open_lines(source) as file:
        for number, line in number_lines(file):
            if line.startswith(b'{"dead_letter"'):
                continue
            try:
                verdict = decode_verdict(line)
            except msgspec.DecodeError as error:
                raise typer.BadParameter(f"{source}:{number} is no verdict: {error}") from error
            yield verdict.post_id, verdict


def _read_theirs(source: str) -> Iterator[tuple[str, dict[str, float]]]:
    import msgspec

    decoder = msgspec.json.Decoder(msgspec.defstruct("Scored", [("post_id", str), ("scores", dict[str, float])]))
    with open_lines(source) as file:
        for number, line in number_lines(file):
            try:
                scored: Any = decoder.decode(line)
            except msgspec.DecodeError as error:
                raise typer.BadParameter(f"{source}:{number} holds no scores: {error}") from error
            yield scored.post_id, scored.scores


def _match_all(
    wanted: list[tuple[str, float]], pairs: list[tuple[dict[str, float], Verdict]], names: Any
) -> Iterator[Row]:
    """A row for each name and threshold; names that their scores lack are left out."""
    from sluice.verdict.matching import match_threshold

    for name, cut in wanted:
        both = [(scores[name], names[name](verdict)) for scores, verdict in pairs if name in scores]
        if both:
            theirs, ours = zip(*both, strict=True)
            yield name, cut, match_threshold(theirs, ours, cut)


def _show(rows: list[Row], as_json: bool) -> None:
    import msgspec

    if as_json:
        for name, cut, found in rows:
            emit(msgspec.json.encode({"name": name, "their_threshold": cut, **msgspec.to_builtins(found)}))
        return
    from rich.table import Table

    table = Table("theirs", "at", "flags", "ours at", "flags", "of theirs, ours flags too")
    for name, cut, found in rows:
        shown = "too few posts" if found.threshold is None else f"{found.threshold:.3f}"
        shares = (_percent(found.our_share), _percent(found.agreement))
        table.add_row(name, f"{cut:g}", _percent(found.their_share), shown, *shares)
    make_console().print(table)


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f} %"
