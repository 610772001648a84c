"""``sluice publish`` around its publisher: one post from files, and what is reported of each line."""

from __future__ import annotations

from collections import deque
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from sluice.cli import app
from sluice.cli.publish import Refusals, _drain, _note, build_post, send_all, send_in_window
from sluice.client import MAX_MESSAGE_BYTES, Publisher
from sluice.client.inline_media import decode_inline
from sluice.config import KafkaConfig
from sluice.errors import PostTooLarge, PublishError
from sluice.schema import MAX_LISTED, decode_post

PNG = b"\x89PNG\r\n\x1a\n"


def write(folder: Path, name: str, content: bytes = PNG) -> Path:
    (folder / name).write_bytes(content)
    return folder / name


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.png", "image/png"), ("a.JPG", "image/jpeg"), ("a.unheardof", "application/octet-stream"), ("a", None)],
)
def test_a_files_kind_is_told_by_its_name(tmp_path: Path, name: str, kind: str | None) -> None:
    post = decode_post(build_post(None, [write(tmp_path, name)], [], "p-1"))
    (image,) = post.images
    assert image.uri.startswith(f"data:{kind or 'application/octet-stream'};base64,")
    assert decode_inline(image.uri)[0] == PNG


def test_text_pictures_and_clips_are_one_post_in_their_order(tmp_path: Path) -> None:
    pictures = [write(tmp_path, f"{n}.png", PNG + b"%d" % n) for n in range(3)]
    post = decode_post(build_post("look", pictures, [write(tmp_path, "a.ogg", b"OggS")], "p-7"))
    assert (post.id, post.text, len(post.images), len(post.audio)) == ("p-7", "look", 3, 1)
    assert len({image.uri for image in post.images}) == 3


def test_an_id_is_made_up_and_another_each_time() -> None:
    ids = {decode_post(build_post("hi", [], [], None)).id for _ in range(20)}
    assert len(ids) == 20
    assert all(one.startswith("p-") for one in ids)


@pytest.mark.parametrize(("text", "post_id"), [("", "p-1"), ("hi", "x" * 300), ("\ud800", "p-1")])
def test_what_makes_no_valid_post_is_wrong_usage(text: str, post_id: str) -> None:
    with pytest.raises((typer.BadParameter, UnicodeEncodeError)):
        build_post(text, [], [], post_id)


def test_more_pictures_than_a_post_has_are_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(typer.BadParameter, match="images"):
        build_post(None, [write(tmp_path, "a.png")] * (MAX_LISTED + 1), [], None)


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"%PDF-1.7", "PDF"), (b"hello", "of no known kind"), (b"", "of no known kind"), (b"OggS", "Ogg")],
)
def test_a_file_that_is_no_picture_is_refused_whatever_it_is_called(tmp_path: Path, content: bytes, said: str) -> None:
    with pytest.raises(typer.BadParameter, match=rf"a.png is no picture that is read: it is {said}"):
        build_post(None, [write(tmp_path, "a.png", content)], [], None)


def test_a_file_that_is_no_clip_is_refused(tmp_path: Path) -> None:
    with pytest.raises(typer.BadParameter, match=r"a.ogg is no clip that is read: it is PNG"):
        build_post(None, [], [write(tmp_path, "a.ogg", PNG)], None)


def test_what_is_no_post_is_left_out_and_named() -> None:
    refusals = Refusals()
    lines = [(1, b'{"id": "a", "text": "hi"}'), (2, b"{"), (3, b'{"id": "a"}'), (4, b"\xff"), (7, b"x" * 3_000_000)]
    assert [number for number, _ in refusals.check(lines)] == [1, 7]
    assert [line.partition(":")[0] for line in refusals.lines] == ["line 2", "line 3", "line 4"]
    assert "no text, no images and no audio" in refusals.lines[1]


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(typer.BadParameter, match=f"cannot read {tmp_path / 'none.png'}: No such file"):
        build_post(None, [tmp_path / "none.png"], [], None)


def test_a_large_picture_is_checked_by_its_shape_and_not_by_its_size(tmp_path: Path) -> None:
    """It leaves the message for the media store before it is sent."""
    message = build_post(None, [write(tmp_path, "a.png", PNG + bytes(MAX_MESSAGE_BYTES))], [], "p-1")
    assert len(message) > MAX_MESSAGE_BYTES


LINES = [(1, b'{"id": "a"}'), (2, b"x" * (MAX_MESSAGE_BYTES + 1)), (5, b"anything")]


def test_each_line_is_reported_once_by_its_number(kafka: KafkaConfig) -> None:
    with Publisher(kafka) as publisher:
        sent = list(send_all(kafka, publisher, LINES))
    assert sorted(number for number, _ in sent) == [1, 2, 5]
    assert {number: type(error) for number, error in sent if error} == {2: PostTooLarge}


def test_in_a_window_a_second_outcome_is_not_reported_again(kafka: KafkaConfig, start_worker) -> None:
    start_worker(lambda message: [(kafka.topics.verdicts, message.value(), [])] * 2)
    with Publisher(kafka) as publisher:
        sent = list(send_in_window(kafka, publisher, LINES))
    assert sorted(number for number, _ in sent) == [1, 2, 5]
    assert {number for number, error in sent if error} == {2}


def test_what_is_done_is_handed_on_in_order_and_once() -> None:
    done: deque[tuple[int, PublishError | None]] = deque()
    error = PublishError("no")
    _note(done, 3, None)
    _note(done, 1, error)
    assert list(_drain(done)) == [(3, None), (1, error)]
    assert list(_drain(done)) == []


@pytest.mark.parametrize("arguments", [[], ["posts.jsonl", "--text", "hi"], ["-", "--image", "a.png"]])
def test_a_file_or_one_post_has_to_be_said(arguments: list[str], tmp_path: Path) -> None:
    write(tmp_path, "a.png")
    arguments = [str(tmp_path / one) if one.endswith(".png") else one for one in arguments]
    result = CliRunner().invoke(app, ["publish", *arguments])
    assert (result.exit_code, result.stdout) == (2, "")
