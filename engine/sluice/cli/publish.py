"""``sluice publish``."""

from __future__ import annotations

import mimetypes
import uuid
from collections import deque
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from sluice.cli.console import make_console, make_progress, say
from sluice.cli.lines import count_lines, number_lines, open_lines
from sluice.cli.options import Connection, KafkaOption, resolve_connection
from sluice.errors import InvalidPost, PublishError
from sluice.schema import Media, Post, decode_post, encode

if TYPE_CHECKING:
    from sluice.client import Publisher
    from sluice.config import KafkaConfig

Lines = Iterable[tuple[int, bytes]]
Sent = Iterator[tuple[int, PublishError | None]]
"""The numbers of the lines that are done, each with what went wrong."""

_ANY = Media("data:")
"""In place of a file's content where only the shape of the post is checked."""


def publish(
    file: Annotated[str | None, typer.Argument(metavar="FILE|-", help="Posts, one JSON object a line.")] = None,
    text: Annotated[str | None, typer.Option(help="Build one post with this text.")] = None,
    image: Annotated[list[Path] | None, typer.Option(help="Add this picture (repeatable).")] = None,
    audio: Annotated[list[Path] | None, typer.Option(help="Add this clip (repeatable).")] = None,
    post_id: Annotated[str | None, typer.Option("--id", help="The post's id; made up if not given.")] = None,
    kafka: KafkaOption = None,
) -> None:
    """Publish posts; media above 64 KiB go to the media store and travel by reference.

    Example: sluice publish posts.jsonl

    Example: sluice publish --text 'Look at this' --image cat.jpg --audio purr.ogg
    """
    one = [(1, build_post(text, image or [], audio or [], post_id))] if text or image or audio else None
    if (file is None) == (one is None):
        raise typer.BadParameter("give either FILE (or - for standard input), or --text, --image, --audio")
    to = resolve_connection(kafka)
    if one is not None:
        n_refused = publish_lines(to, one, 1)
    else:
        with open_lines(file or "") as opened:
            n_refused = publish_lines(to, number_lines(opened), count_lines(file or ""))
    raise typer.Exit(1 if n_refused else 0)


def build_post(text: str | None, images: list[Path], audio: list[Path], post_id: str | None) -> bytes:
    """A post's message from local files, media inline; what makes no valid post is a mistake of usage."""
    post = Post(id=post_id or f"p-{uuid.uuid4()}", text=text, images=_inline(images), audio=_inline(audio))
    outline = msgspec.structs.replace(post, images=(_ANY,) * len(images), audio=(_ANY,) * len(audio))
    try:
        decode_post(encode(outline))
    except InvalidPost as error:
        raise typer.BadParameter(error.detail) from error
    return encode(post)


def _inline(paths: list[Path]) -> tuple[Media, ...]:
    return tuple(Media(_read_inline(path)) for path in paths)


def _read_inline(path: Path) -> str:
    from sluice.client.inline_media import encode_inline

    try:
        content = path.read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"cannot read {path}: {error.strerror}") from error
    return encode_inline(content, mimetypes.guess_type(path.name)[0] or "application/octet-stream")


def publish_lines(to: Connection, lines: Lines, n_lines: int | None) -> int:
    """Publish lines as they are, with a progress bar; returns how many could not be."""
    from sluice.client import Publisher

    to = to.recognised()
    send = send_in_window if to.kafka.embedded else send_all
    n_done, refused = 0, []
    with Publisher(to.kafka, to.open_store()) as publisher, make_progress(make_console()) as progress:
        task = progress.add_task("publishing", total=n_lines)
        for number, error in send(to.kafka, publisher, lines):
            n_done += 1
            refused += [f"line {number}: {error}"] if error else []
            progress.update(task, completed=n_done)
    for line in refused:
        say(line)
    say(f"{n_done - len(refused)} posts published to {to.kafka.topics.posts} at {to.kafka.bootstrap}")
    return len(refused)


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
