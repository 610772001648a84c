import os

import pytest
import typer

from sluice.cli.lines import count_lines, number_lines, open_lines, read_batches


def test_lines_keep_their_numbers_and_bytes(tmp_path):
    path = tmp_path / "posts.jsonl"
    path.write_bytes(b'{"id": 1}\n\n  \n\xff bad\r\n  {"id": 2} \nlast')
    with open_lines(str(path)) as file:
        assert list(number_lines(file)) == [(1, b'{"id": 1}'), (4, b"\xff bad"), (5, b'  {"id": 2} '), (6, b"last")]
    assert count_lines(str(path)) == 4


def test_a_byte_order_mark_belongs_to_the_file_not_to_its_first_line(tmp_path):
    path = tmp_path / "posts.jsonl"
    path.write_bytes(b"\xef\xbb\xbfone\r\n\xef\xbb\xbftwo\r\n")
    with open_lines(str(path)) as file:
        assert list(number_lines(file)) == [(1, b"one"), (2, b"\xef\xbb\xbftwo")]


def test_a_line_longer_than_a_chunk_is_one_line(tmp_path):
    path = tmp_path / "posts.jsonl"
    path.write_bytes(b"a" * 1_000_000 + b"\n" + b"b" * 600_000 + b"\n")
    with open_lines(str(path)) as file:
        assert [(number, len(line)) for number, line in number_lines(file)] == [(1, 1_000_000), (2, 600_000)]


def test_an_empty_file_has_no_lines(tmp_path):
    path = tmp_path / "empty"
    path.touch()
    assert count_lines(str(path)) == 0


def test_lines_of_a_pipe_come_when_they_are_there():
    receive, send = os.pipe()
    with open(receive, "rb", buffering=0) as file, open(send, "wb", buffering=0) as out:
        out.write(b"one\ntwo\nth")
        batches = read_batches(file)
        assert next(batches) == [(1, b"one"), (2, b"two")]
        out.write(b"ree\n")
        assert next(batches) == [(3, b"three")]


def test_a_file_that_is_not_there_is_wrong_usage():
    with pytest.raises(typer.BadParameter, match="cannot read /nowhere/x: No such file"), open_lines("/nowhere/x"):
        pass
    assert count_lines("-") is None


def test_a_pipe_is_not_read_to_be_counted(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert count_lines(str(tmp_path / "pipe")) is None
