"""``sluice publish``."""

from __future__ import annotations

import json
import mimetypes
import uuid
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from sluice.cli.console import emit, make_console, make_progress, printable, say, wants_json
from sluice.cli.lines import count_lines, number_lines, open_lines
from sluice.cli.options import JsonOption, KafkaOption
from sluice.errors import InvalidPost, PublishError
from sluice.schema import MAX_POST_BYTES, Media, Post, decode_post, encode, read_id

if TYPE_CHECKING:
    from sluice.client import Publisher
    from sluice.config import KafkaConfig
    from sluice.connection import Connection

Lines = Iterable[tuple[int, bytes]]
Sent = Iterator[tuple[int, PublishError | None]]
"""The numbers of the lines that are done, each with what went wrong."""

OUTCOME_S = 60.0
"""If no outcome has come for so long, none will."""

PICTURES = frozenset({"JPEG", "PNG", "GIF", "WebP", "BMP", "TIFF", "AVIF", "HEIC"})
CLIPS = frozenset(
    {"WAV", "FLAC", "Ogg", "MP3", "M4A", "MP4", "3GP", "QuickTime", "WebM", "AMR", "AAC", "CAF", "AIFF", "AU"}
)
"""What a worker reads, some of it with the extra ``media``; by their first bytes, whatever the file is called."""

_ANY = Media("data:")
"""In place of a file's content where only the shape of the post is checked."""


def publish(
    file: Annotated[str | None, typer.Argument(metavar="FILE|-", help="Posts, one JSON object a line.")] = None,
    text: Annotated[str | None, typer.Option(help="Build one post with this text.")] = None,
    image: Annotated[list[Path] | None, typer.Option(help="Add this picture (repeatable).")] = None,
    audio: Annotated[list[Path] | None, typer.Option(help="Add this clip (repeatable).")] = None,
    post_id: Annotated[str | None, typer.Option("--id", help="The post's id; if not given, one is made up.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the outcome of each post, and show it.")] = False,
    high: Annotated[bool, typer.Option("--high", help="To the topic of posts that come first.")] = False,
    as_json: JsonOption = False,
    kafka: KafkaOption = None,
) -> None:
    """Publish posts; media above 64 KiB go to the media store and travel by reference.

    Without --kafka and SLUICE_KAFKA, to the stack of `sluice up`. What is no post is refused and named by its line; the
    others are published.

    Example: sluice publish posts.jsonl

    Example: sluice publish --wait --text 'Look at this' --image cat.jpg --audio purr.ogg
    """
    from sluice.connection import find_connection

    one = [(1, build_post(text, image or [], audio or [], post_id))] if text or image or audio else None
    if (file is None) == (one is None):
        raise typer.BadParameter("give either FILE (or - for standard input), or --text, --image, --audio")
    to, work = find_connection(kafka), wait_for_outcomes if wait else publish_lines
    to = replace(to, kafka=to.kafka.for_high()) if high else to
    if one is not None:
        n_refused = work(to, one, 1, wants_json(as_json))
        if not (wait or n_refused):
            _say_id(one[0][1], wants_json(as_json))
    else:
        with open_lines(file or "") as opened:
            n_refused = work(to, number_lines(opened), count_lines(file or ""), wants_json(as_json))
    raise typer.Exit(1 if n_refused else 0)


def build_post(text: str | None, images: list[Path], audio: list[Path], post_id: str | None) -> bytes:
    """A post's message from local files, media inline; what makes no valid post is a mistake of usage."""
    post = Post(
        id=post_id or f"p-{uuid.uuid4()}",
        text=text,
        images=_inline(images, PICTURES, "picture"),
        audio=_inline(audio, CLIPS, "clip"),
    )
    outline = msgspec.structs.replace(post, images=(_ANY,) * len(images), audio=(_ANY,) * len(audio))
    try:
        decode_post(encode(outline))
    except InvalidPost as error:
        raise typer.BadParameter(error.detail) from error
    return encode(post)


def _inline(paths: list[Path], kinds: frozenset[str], wanted: str) -> tuple[Media, ...]:
    return tuple(Media(_read_inline(path, kinds, wanted)) for path in paths)


def _read_inline(path: Path, kinds: frozenset[str], wanted: str) -> str:
    from sluice.client.inline_media import encode_inline
    from sluice.features.sniffing import name_of, strip_leading

    try:
        content = path.read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"cannot read {path}: {error.strerror}") from error
    name = name_of(strip_leading(content))
    if name not in kinds:
        raise typer.BadParameter(f"{path} is no {wanted} that is read: it is {name or 'of no known kind'}")
    return encode_inline(content, mimetypes.guess_type(path.name)[0] or "application/octet-stream")


def _say_id(post: bytes, as_json: bool) -> None:
    """Whoever wants to know what became of a post needs its id."""
    identifier = read_id(post) or ""
    if as_json:
        emit(json.dumps({"id": identifier}).encode())
    else:
        say(printable(f"post {identifier}"))


class Refusals:
    """Leaves out the lines that are no posts, and says why.

    Attributes
    ----------
    lines : list of str
        One for each.
    """

    def __init__(self) -> None:
        self.lines: list[str] = []

    def check(self, lines: Lines) -> Iterator[tuple[int, bytes]]:
        """The lines that are posts. Those over the limit pass: their media may yet leave them."""
        for number, line in lines:
            try:
                if len(line) <= MAX_POST_BYTES:
                    decode_post(line)
            except InvalidPost as error:
                self.lines.append(f"line {number}: {error}")
            else:
                yield number, line


def publish_lines(to: Connection, lines: Lines, n_lines: int | None, as_json: bool) -> int:
    """Publish lines as they are, with a progress bar; returns how many could not be."""
    from sluice.client import Publisher

    to, refusals, n_done, n_failed = to.recognised(), Refusals(), 0, 0
    send = send_in_window if to.kafka.embedded else send_all
    with Publisher(to.kafka, to.open_store()) as publisher, make_progress(make_console()) as progress:
        task = progress.add_task("publishing", total=n_lines)
        for number, error in send(to.kafka, publisher, refusals.check(lines)):
            n_done += 1
            n_failed += error is not None
            refusals.lines += [f"line {number}: {error}"] if error else []
            progress.update(task, completed=n_done + len(refusals.lines) - n_failed)
    for line in refusals.lines:
        say(printable(line))
    say(f"{n_done - n_failed} posts published to {to.kafka.topics.posts} at {to.kafka.bootstrap}")
    return len(refusals.lines)


def wait_for_outcomes(to: Connection, lines: Lines, n_lines: int | None, as_json: bool) -> int:
    """Publish lines and show what becomes of each, in their order; returns how many were refused or have no outcome."""
    from sluice.cli.sending import Source, make_table, send
    from sluice.client import Outcomes, Publisher, WindowedPublisher

    to, refusals = to.recognised(), Refusals()
    source = Source(refusals.check(lines), n_lines)
    with Outcomes(to.kafka, timeout_s=to.timeout_s) as outcomes, Publisher(to.kafka, to.open_store()) as publisher:
        exchange = WindowedPublisher(publisher, outcomes, stall_timeout_s=OUTCOME_S)
        results = send(exchange, source, as_json, "waiting for outcomes")
    if results.found and not as_json:
        make_console().print(make_table(results, source))
    missing = [f"line {line}: no outcome" for line in results.find_missing()]
    for line in (*refusals.lines, *missing, *results.problems):
        say(printable(line))
    return len(refusals.lines) + len(missing) + len(results.problems)


def send_all(_config: KafkaConfig, publisher: Publisher, lines: Lines) -> Sent:
    """Publish as fast as the broker acknowledges."""
    from sluice.client import read_key

    done: deque[tuple[int, PublishError | None]] = deque()
    for number, line in lines:
        try:
            publisher.publish_bytes(line, read_key(line), on_delivery=partial(_note, done, number))
        except PublishError as error:
            _note(done, number, error)
        yield from _drain(done)
    publisher.flush()
    yield from _drain(done)


def _note(done: deque[tuple[int, PublishError | None]], number: int, error: PublishError | None) -> None:
    done.append((number, error))


def _drain(done: deque[tuple[int, PublishError | None]]) -> Sent:
    while done:
        yield done.popleft()


def send_in_window(config: KafkaConfig, publisher: Publisher, lines: Lines) -> Sent:
    """Publish no further ahead of the verdicts than a broker in memory keeps."""
    from sluice.client import Outcomes, WindowedPublisher

    numbers: list[int] = []

    def pass_on() -> Iterator[bytes]:
        for number, line in lines:
            numbers.append(number)
            yield line

    with Outcomes(config) as outcomes:
        for settled in WindowedPublisher(publisher, outcomes).exchange(pass_on()):
            if not settled.repeated:
                yield numbers[settled.index], settled.error
