"""A run goes on behind what an previous one has written."""

import json

import pytest
import typer

from sluice.cli.resume import open_previous


def verdict(post_id):
    return json.dumps({"post_id": post_id, "decision": "allow", "scores": {}}).encode() + b"\n"


def letter(line):
    return json.dumps({"dead_letter": {"reason": "not_json", "line": line}}).encode() + b"\n"


def post(post_id):
    return json.dumps({"id": post_id, "text": "hello"}).encode()


def opened(path, content):
    path.write_bytes(content)
    file, previous = open_previous(path)
    file.close()
    return previous


def test_a_file_that_is_not_there_is_an_empty_one(tmp_path):
    file, previous = open_previous(tmp_path / "out")
    with file:
        file.write(verdict("a"))
    assert not previous.has(1, post("a"))
    assert (tmp_path / "out").read_bytes() == verdict("a")


def test_what_has_its_outcome_is_known_by_post_or_by_line(tmp_path):
    previous = opened(tmp_path / "out", verdict("a") + letter(2) + verdict("c"))
    lines = [post("a"), b"not json", post("c"), post("d"), b"not json"]
    assert [previous.has(number, line) for number, line in enumerate(lines, 1)] == [True, True, True, False, False]
    assert (previous.n_lines, previous.n_known) == (3, 3)


def test_an_id_that_two_lines_share_counts_once_an_outcome(tmp_path):
    previous = opened(tmp_path / "out", verdict("a"))
    assert [previous.has(number, post("a")) for number in (1, 2)] == [True, False]


def test_a_second_outcome_is_nobody_elses(tmp_path):
    previous = opened(tmp_path / "out", verdict("a") + verdict("a") + verdict("b"))
    assert [previous.has(1, post("a")), previous.has(2, post("b")), previous.has(3, post("c"))] == [True, True, False]
    assert previous.n_lines - previous.n_known == 1


@pytest.mark.parametrize("cut", [b'{"post_id": "b", "dec', b'{"post_id": "b", "decision": "allow"}', b"{", b"\0\0"])
def test_a_line_that_was_cut_off_is_written_again(tmp_path, cut):
    (tmp_path / "out").write_bytes(verdict("a") + cut)
    file, previous = open_previous(tmp_path / "out")
    with file:
        assert [previous.has(1, post("a")), previous.has(2, post("b"))] == [True, False]
        file.write(verdict("b"))
    assert (tmp_path / "out").read_bytes() == verdict("a") + verdict("b")


def test_a_line_longer_than_what_is_read_at_once_is_one(tmp_path, monkeypatch):
    monkeypatch.setattr("sluice.cli.resume.CHUNK_BYTES", 7)
    previous = opened(tmp_path / "out", verdict("a") + b"\n" + letter(2))
    assert [previous.has(1, post("a")), previous.has(2, b"?")] == [True, True]


@pytest.mark.parametrize("content", [b"my diary, one line", b'{"id": "a"}', b"\xff"])
def test_a_file_of_one_line_without_an_end_is_left_alone(tmp_path, content):
    (tmp_path / "out").write_bytes(content)
    with pytest.raises(typer.BadParameter, match="out:1 is no line"):
        open_previous(tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == content


@pytest.mark.parametrize("wrong", [b"hello", b"[]", b'{"id": "a", "text": "x"}', b'{"dead_letter": {"reason": "x"}}'])
def test_a_file_of_something_else_is_left_alone(tmp_path, wrong):
    content = verdict("a") + wrong + b"\n" + verdict("b")
    (tmp_path / "out").write_bytes(content)
    with pytest.raises(typer.BadParameter, match="out:2 is no line"):
        open_previous(tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == content


def test_a_place_that_cannot_be_written_is_a_mistake_of_usage(tmp_path):
    with pytest.raises(typer.BadParameter, match="cannot write"):
        open_previous(tmp_path / "missing" / "out")
