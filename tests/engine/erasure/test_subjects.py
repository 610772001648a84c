"""How a message is told to be somebody's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sluice.erasure.histories import make_erasure
from sluice.erasure.media import find_stored, open_stored
from sluice.erasure.subjects import Subject, Traces, read_traces
from sluice.history.erasures import name_author, name_post
from sluice.history.subjects import Naming
from sluice.media.store import open_store

OURS = {"id": "p-1", "author_id": "ann", "tenant": "shop", "text": "hello there", "images": [{"uri": "file:///a"}]}


def traces_of(fields: object, key: bytes | None = None):
    return read_traces(key, json.dumps(fields).encode(), ())


@pytest.mark.parametrize(
    ("fields", "is_theirs"),
    [
        (OURS, True),
        ({"post_id": "p-1", "decision": "allow"}, True),
        ({"post_id": "p-1", "author_id": "bob", "tenant": "shop"}, False),
        ({"post_id": "p-1", "tenant": "other"}, False),
        ({"id": "p-2", "author_id": "ann", "tenant": "other"}, False),
        ({"id": "p-2", "author_id": "bob", "text": "hello there"}, False),
        ({"comment": {"text": "hello there"}}, True),
        ({"comment": {"text": "hello"}}, False),
        ({"id": "r-1", "author_id": "bob", "tenant": "shop", "reporter_id": "ann"}, True),
        ({"id": "r-1", "author_id": "bob", "tenant": "other", "reporter_id": "ann"}, False),
    ],
)
def test_what_belongs_to_an_author_of_a_tenant(fields: dict, is_theirs: bool) -> None:
    subject = Subject(author="ann", tenant="shop")
    subject.learn(traces_of(OURS))
    assert subject.is_in(traces_of(fields), b"") is is_theirs


def test_what_cannot_be_read_is_searched() -> None:
    torn = b'{"id": "x", "author_id": "ann-1", "text": "'
    assert Subject(author="ann-1").is_in(read_traces(None, torn, ()), torn)
    assert not Subject(author="ann-2").is_in(read_traces(None, torn, ()), torn)
    assert not Subject(author="ann").is_in(read_traces(None, torn, ()), torn), "a short one has to stand alone"
    assert not Subject(author="ann").is_in(read_traces(b"p", None, ()), None)


def test_a_key_names_a_post() -> None:
    assert Subject(post_id="p-9").owns(read_traces(b"p-9", None, ()))


@pytest.mark.parametrize("url", ["{}/media", "memory://erasure-test"])
def test_only_what_a_store_put_there_is_deleted(tmp_path: Path, url: str) -> None:
    url = url.format(tmp_path)
    store, stored = open_store(url), open_stored(url)
    kept, gone = store.put(b"shared", ".png"), store.put(b"own")
    other = tmp_path / "media" / "notes.txt"
    if other.parent.exists():
        other.write_text("not ours")
    assert find_stored(stored, {kept, gone, other.as_uri(), "https://example.org/a"}, {kept}) == [gone]
    stored.delete(gone)
    stored.delete(other.as_uri())
    assert [stored.has(uri) for uri in (kept, gone)] == [True, False]
    assert other.exists() == other.parent.exists()


@pytest.mark.parametrize("name", ["müller-9", 'a"b-long', "team/9-x", "back\\slash", "smile-😀"])
@pytest.mark.parametrize("encoding", ["ascii", "utf-8", "utf-16-le", "utf-16-be"])
def test_a_name_is_found_in_what_was_cut_however_it_was_written(name: str, encoding: str) -> None:
    written = json.dumps({"id": "p", "author_id": name}, ensure_ascii=encoding == "ascii").replace("/", "\\/")
    torn = written[:-1].encode(encoding)
    assert Subject(author=name).is_in(read_traces(None, torn, ()), torn)
    assert not Subject(author="other-9").is_in(read_traces(None, torn, ()), torn)


def test_a_name_in_latin_1_is_found() -> None:
    torn = '{"author_id": "müller-9'.encode("latin-1")
    assert Subject(author="müller-9").is_in(read_traces(None, torn, ()), torn)


@pytest.mark.parametrize("value", [b"\xff garbage", None, b'{"text": "without an author"}'])
def test_a_message_that_is_keyed_by_the_author_is_theirs(value: bytes | None) -> None:
    traces = read_traces("müller-9".encode(), value, ())
    assert Subject(author="müller-9").is_in(traces, value)
    assert not Subject(author="other-9").is_in(traces, value)


def test_numbers_are_ids_too() -> None:
    value = b'{"id": 5, "author_id": 42, "text": "hello"}'
    subject = Subject(author="42")
    subject.learn(read_traces(None, value, ()))
    assert subject.post_ids == {"5"}
    assert subject.is_in(read_traces(b"5", b'{"post_id": "5", "decision": "allow"}', ()), b"")


def test_histories_are_told_of_each_tenant_where_they_posted_or_reported_and_of_no_other() -> None:
    subject = Subject("u-9")
    for traces in (
        Traces("p-1", "u-9", "shop", is_counted=True),
        Traces("p-2", "u-1", "news"),
        Traces("r-1", "u-1", "forum", reporter="u-9"),
        Traces("r-2", "u-9", "wall", reporter="u-1"),
    ):
        subject.learn_report(traces)
    assert (subject.posted_in, subject.reported_in) == ({"shop", "wall"}, {"forum"})
    assert subject.was_counted
    naming = Naming(b"secret")
    told = make_erasure(naming, subject, 5)
    wanted = name_author(naming, "u-9", {None, "shop", "wall"}, {None, "forum"})
    assert (set(told.names), told.until_ms) == ({name.hex() for name in wanted}, 5)


def test_of_one_post_histories_are_told_its_id_and_whose_texts_to_count_anew() -> None:
    subject, naming = Subject(post_id="p-1"), Naming(b"secret")
    subject.learn(Traces("p-1", "u-9", "shop"))
    told = make_erasure(naming, subject, 5)
    assert set(told.names) == {name.hex() for name in name_post(naming, "p-1", {None, "shop"})}
    assert told.recounted == (naming.subject("posts", "shop", "u-9").hex(),)
