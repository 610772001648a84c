"""``sluice hashes``."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sluice.cli.console import emit
from sluice.cli.options import JsonOption, KafkaOption
from sluice.cli.tables import ByOption, NoteOption, who
from sluice.cli.tables import show as show_rows

if TYPE_CHECKING:
    from sluice.hashes.bank import Bank
    from sluice.watching.hashes import BankDesk

app = typer.Typer(no_args_is_help=True, help="Banks of hashes of known pictures and clips.")
BanksArgument = Annotated[
    list[Path], typer.Argument(metavar="BANK...", help="CSV, or what ThreatExchange and HMA exchange.")
]
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="A bank's name.")]
KindOption = Annotated[str, typer.Option(help="Of hashes in files that do not say: pdq, sha256 or md5.")]
FormOption = Annotated[str, typer.Option("--format", help="csv, threatexchange or hma.")]


@app.command("of")
def hash_files(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Pictures and clips.")],
    case: Annotated[str | None, typer.Option("--id", help="Of the case: it goes with each hash.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Print what files are known by: SHA-256 and MD5, and the PDQ hash and quality of pictures.

    Nothing leaves the machine: whoever may not pass a picture on can so pass on its hash. The lines of --json are a
    bank, as `sluice hashes push` takes it.

    Example: sluice hashes of picture.jpg --id case-7 --json > own.jsonl
    """
    named = {} if case is None else {"id": case}
    show_rows([{**row, **named} for file in files for row in _describe(file)], as_json)


def _describe(file: Path) -> list[dict[str, Any]]:
    from sluice.hashes.finder import digests_of

    content = _content_of(file)
    digests = [{"file": file.name, "kind": kind, "value": value.hex()} for kind, value in digests_of(content).items()]
    prints = [{"file": file.name, "kind": "pdq", "value": bits.hex(), "quality": q} for bits, q in _prints_of(content)]
    return [*({**each, "quality": None} for each in digests), *prints]


def _content_of(file: Path) -> bytes:
    from sluice.errors import HashError

    try:
        return file.read_bytes()
    except OSError as error:
        raise HashError(f"{file}: cannot be read: {error.strerror}") from error


def _prints_of(content: bytes) -> list[tuple[bytes, int]]:
    """None of what is no picture."""
    from sluice.errors import MediaInvalid
    from sluice.features.image import extract_image_and_prints

    try:
        return [(each.bits, each.quality) for each in extract_image_and_prints(content).prints]
    except MediaInvalid:
        return []


@app.command()
def check(banks: BanksArgument, kind: KindOption = "pdq", as_json: JsonOption = False) -> None:
    """Say whether every line of the banks is a hash, and how many there are of each kind.

    Exit code 1: one is none; the message names file and line.

    Example: sluice hashes check known.csv
    """
    show_rows([_count(name, bank) for name, bank in _read(banks, kind).items()], as_json)


def _count(name: str, bank: Bank) -> dict[str, Any]:
    kinds = {kind: len(bank.hashes.get(kind, ())) for kind in ("pdq", "sha256", "md5")}
    settings = bank.settings
    return {
        "bank": name, **kinds, "negative": settings.is_negative, "distance": settings.distance,
        "quality": settings.quality,
    }  # fmt: skip


@app.command()
def match(
    banks: BanksArgument,
    file: Annotated[list[Path], typer.Option("--file", metavar="FILE", help="A picture or clip; may be repeated.")],
    kind: KindOption = "pdq",
    as_json: JsonOption = False,
) -> None:
    """Say which banks hold files, by which hash and at which distance.

    Example: sluice hashes match known.csv --file picture.jpg
    """
    from sluice.features import Print
    from sluice.hashes.finder import BankFinder, KnownFile, digests_of

    finder, rows = BankFinder(_read(banks, kind)), []
    for path in file:
        content = _content_of(path)
        prints = [Print(*each) for each in _prints_of(content)]
        rows += finder.find(KnownFile(path.name, digests_of(content), prints))
    show_rows(rows, as_json)


@app.command()
def push(
    banks: BanksArgument,
    kind: KindOption = "pdq",
    add: Annotated[bool, typer.Option("--add", help="Keep what is there, and add these hashes.")] = False,
    negative: Annotated[bool | None, typer.Option("--negative/--positive", help="Matches nothing.")] = None,
    distance: Annotated[int | None, typer.Option(min=0, max=31, help="Bits in which PDQ hashes may differ.")] = None,
    quality: Annotated[int | None, typer.Option(min=0, max=100, help="The least of a picture's PDQ hash.")] = None,
    note: NoteOption = "",
    by: ByOption = None,
    as_json: JsonOption = False,
    kafka: KafkaOption = None,
) -> None:
    """Have every worker look for the hashes of banks; a bank has the name of its file.

    Without a setting here, those of the file count; with --add, those of the bank that is there.

    Example: sluice hashes push known.csv --note "from the hotline"
    """
    settings = {"is_negative": negative, "distance": distance, "quality": quality}
    desk = _open_desk(kafka)
    edits: list[tuple[str, Callable[[Bank], Bank]]] = [
        (name, partial(_edited, add, bank, settings)) for name, bank in _read(banks, kind).items()
    ]
    show_rows([desk.change(name, "add" if add else "push", edit, who(by), note) for name, edit in edits], as_json)


def _edited(adds: bool, bank: Bank, settings: dict[str, Any], there: Bank) -> Bank:
    from sluice.hashes.files import with_settings

    return with_settings(bank.added_to(there) if adds else bank, settings)


@app.command()
def show(as_json: JsonOption = False, kafka: KafkaOption = None) -> None:
    """List the banks that workers share.

    Example: sluice hashes show
    """
    show_rows(_open_desk(kafka).rows(), as_json)


@app.command("export")
def export_bank(name: NameArgument, form: FormOption = "csv", kafka: KafkaOption = None) -> None:
    """Write a shared bank to standard output: as CSV, or as ThreatExchange or HMA exchange it.

    Example: sluice hashes export known --format threatexchange > known.json
    """
    _write(_open_desk(kafka).show(name), form)


@app.command("import")
def import_bank(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What ThreatExchange or HMA exchange, or CSV.")],
    kind: KindOption = "pdq",
    form: FormOption = "csv",
) -> None:
    """Write a file of hashes in another form to standard output; `push` takes all of them as they are.

    Example: sluice hashes import threat_updates.json > known.csv
    """
    _write(next(iter(_read([file], kind).values())), form)


def _write(bank: Bank, form: str) -> None:
    from sluice.hashes.files import FORMS, write_bank

    if form not in FORMS:
        raise typer.BadParameter(f"{form!r} is none of {', '.join(FORMS)}", param_hint="--format")
    for line in write_bank(bank, form):
        emit(line)


@app.command()
def remove(
    name: NameArgument,
    values: Annotated[list[str] | None, typer.Argument(metavar="[HASH]...", help="Which hashes; default: all.")] = None,
    note: NoteOption = "",
    by: ByOption = None,
    as_json: JsonOption = False,
    kafka: KafkaOption = None,
) -> None:
    """Take hashes from a shared bank, or the whole bank away. They leave the topic.

    Example: sluice hashes remove known d8f8f0cce0f4a84f0e370a22028f67f0b36e2ed596621e1d33e6b39c4e9c9b22
    """
    desk = _open_desk(kafka)
    if values:
        show_rows([desk.change(name, "take", partial(_taken, values), who(by), note)], as_json)
    else:
        show_rows([desk.remove(name, who(by), note)], as_json)


def _taken(values: list[str], there: Bank) -> Bank:
    from sluice.hashes.bank import without

    return without(there, values)


@app.command()
def history(name: NameArgument, as_json: JsonOption = False, kafka: KafkaOption = None) -> None:
    """List what was done to a shared bank when, and by whom, the last first. It goes back 100 changes.

    Example: sluice hashes history known --json
    """
    show_rows(_open_desk(kafka).history(name), as_json)


def _read(files: list[Path], kind: str) -> dict[str, Bank]:
    from sluice.hashes.bank import KINDS
    from sluice.hashes.files import read_banks

    if kind not in KINDS:
        raise typer.BadParameter(f"{kind!r} is none of {', '.join(KINDS)}", param_hint="--kind")
    return read_banks(files, kind)


def _open_desk(kafka: str | None) -> BankDesk:
    from sluice.connection import find_connection
    from sluice.watching.hashes import open_desk

    to = find_connection(kafka).recognised()
    return open_desk(to.kafka, to.timeout_s)
