"""Messages in Avro and Protobuf: nothing is lost on the way, and bytes that are none are told apart."""

from __future__ import annotations

import json
import sys
import tracemalloc
from importlib.resources import files
from typing import Any

import msgspec
import pytest
from google.protobuf import descriptor_pb2
from hypothesis import given
from hypothesis import strategies as st

from sluice import formats
from sluice.client import Outcome
from sluice.errors import InvalidPost, SettingsError
from sluice.formats import (
    CONTENT_TYPES,
    FORMATS,
    Format,
    decode_post,
    decode_verdict,
    encode_as,
    headers_for,
    read_schema,
)
from sluice.schema import (
    DECISIONS,
    MAX_LISTED,
    MAX_POST_BYTES,
    AudioEvidence,
    AuthorHistory,
    Basis,
    DetectedLanguage,
    HashMatch,
    ImageEvidence,
    ListMatch,
    Media,
    PolicyRef,
    Post,
    Reason,
    RuleReason,
    TextEvidence,
    Verdict,
    encode,
)
from sluice.settings import load_settings
from sluice.verdict.facts import AUTHOR_COUNTS

OTHERS = [form for form in FORMATS if form != "json"]
WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
SHARES = st.floats(0, 1)
COUNTS = st.integers(0, 2**31 - 1)
SCORES = st.dictionaries(WORDS, SHARES, max_size=4)
CARRIED = {name: st.none() | WORDS for name in ("author_id", "surface", "tenant", "market")}
MEDIA = st.lists(st.builds(Media, WORDS.filter(bool)), max_size=3).map(tuple)
POSTS = st.builds(
    Post,
    id=WORDS.filter(bool),
    text=WORDS.filter(bool),
    images=MEDIA,
    audio=MEDIA,
    created_at=st.none() | WORDS,
    author_standing=st.none() | WORDS,
    deadline_ms=st.none() | st.integers(1, 600_000),
    **CARRIED,
)
EVIDENCE = (
    st.builds(TextEvidence, COUNTS, COUNTS)
    | st.builds(ImageEvidence, COUNTS, st.tuples(SHARES, SHARES, SHARES, SHARES))
    | st.builds(AudioEvidence, COUNTS, SHARES, SHARES)
)
REASONS = st.builds(Reason, WORDS, SHARES, SHARES, SCORES, st.lists(EVIDENCE, max_size=4).map(tuple), st.none() | WORDS)
TAGS = st.lists(WORDS, max_size=3).map(tuple)
INPUTS = WORDS | st.integers(-(2**53), 2**53) | SHARES | st.booleans()
RULES = st.builds(
    RuleReason,
    rule=WORDS,
    decision=st.none() | st.sampled_from(DECISIONS),
    urgency=st.sampled_from([None, "none", "concern", "urgent"]),
    queue=st.none() | WORDS,
    tags=TAGS,
    inputs=st.dictionaries(WORDS, INPUTS | st.dictionaries(WORDS, WORDS, max_size=2) | st.lists(WORDS, max_size=2)),
    failed=st.none() | WORDS,
    webhook=st.none() | WORDS,
    rate_limit=st.none() | WORDS,
)
AUTHORS = st.builds(
    AuthorHistory,
    counted_at=st.floats(0, 1e11),
    text_hash=st.none() | st.integers(0, 2**64 - 1).map("{:016x}".format),
    strikes=SHARES,
    **dict.fromkeys(AUTHOR_COUNTS, COUNTS),
)
BASES = st.builds(
    Basis,
    pictured=TAGS,
    all_scored=st.booleans(),
    all_understood=st.booleans(),
    author_standing=st.none() | WORDS,
    created_at=st.none() | WORDS,
    text_chars=COUNTS,
    n_images=COUNTS,
    n_clips=COUNTS,
    author=st.none() | AUTHORS,
)
LISTED = st.builds(
    ListMatch,
    list=WORDS,
    kind=WORDS,
    value=WORDS,
    action=st.sampled_from(["block", "allow"]),
    start=st.none() | COUNTS,
    end=st.none() | COUNTS,
    owner=st.none() | WORDS,
    note=st.none() | WORDS,
)
HASHED = st.builds(
    HashMatch,
    bank=WORDS,
    part=WORDS,
    kind=WORDS,
    value=WORDS,
    distance=st.integers(0, 31),
    id=st.none() | WORDS,
    owner=st.none() | WORDS,
    note=st.none() | WORDS,
)
VERDICTS = st.builds(
    Verdict,
    post_id=WORDS,
    decision=st.sampled_from(DECISIONS),
    scores=SCORES,
    severity=SCORES,
    reasons=st.lists(REASONS, max_size=3).map(tuple),
    modalities=st.dictionaries(WORDS, WORDS, max_size=3),
    policy=st.builds(PolicyRef, WORDS, st.integers(1, 2**63 - 1), WORDS),
    models=st.dictionaries(WORDS, WORDS, max_size=3),
    latency_ms=SCORES,
    scored_at=WORDS,
    language=st.none() | st.builds(DetectedLanguage, WORDS, SHARES),
    urgency=st.sampled_from(["none", "concern", "urgent"]),
    cached=st.lists(WORDS, max_size=3).map(tuple),
    rules=st.lists(RULES, max_size=2).map(tuple),
    queue=st.none() | WORDS,
    tags=TAGS,
    basis=st.none() | BASES,
    lists=st.lists(LISTED, max_size=2).map(tuple),
    hashes=st.lists(HASHED, max_size=2).map(tuple),
    **CARRIED,
)


def headers(form: Format) -> list[tuple[str, bytes | None]]:
    return [("mine", None), ("content-type", CONTENT_TYPES[form].encode())]


@pytest.mark.parametrize("form", FORMATS)
@given(post=POSTS)
def test_a_post_comes_back_as_it_was(form: Format, post: Post) -> None:
    assert decode_post(encode_as(post, form), headers(form)) == post


@pytest.mark.parametrize("form", FORMATS)
@given(verdict=VERDICTS)
def test_a_verdict_comes_back_as_it_was(form: Format, verdict: Verdict) -> None:
    assert decode_verdict(encode_as(verdict, form), headers(form)) == verdict


@pytest.mark.parametrize("form", OTHERS)
@given(raw=st.binary(max_size=64), n_kept=st.integers(0, 40))
def test_bytes_that_are_no_post_are_told_apart_without_their_content(form: Format, raw: bytes, n_kept: int) -> None:
    whole = encode_as(Post(id="p-1", text="a secret"), form)
    for bad in (raw, whole[:n_kept] + raw, whole + raw):
        try:
            decode_post(bad, headers(form))
        except InvalidPost as error:
            assert error.reason in (f"not_{form}", "invalid")
            assert "secret" not in str(error)


def test_avro_is_known_by_its_marker_and_the_rest_by_its_header() -> None:
    post = Post(id="p-1", text="hello")
    assert decode_post(encode_as(post, "avro")) == post
    named = [("Content-Type", b"application/x-protobuf; messageType=sluice.v1.Post")]
    assert decode_post(encode_as(post, "protobuf"), named) == post
    assert decode_post(encode(post), [("content-type", b"text/plain")]) == post


@pytest.mark.parametrize(
    ("form", "given_type", "expected"),
    [
        ("json", None, [("a", b"1")]),
        ("json", b"text/plain", [("a", b"1"), ("content-type", b"text/plain")]),
        ("json", b"application/avro", [("a", b"1"), ("content-type", b"application/json")]),
        ("avro", None, [("a", b"1"), ("content-type", b"application/avro")]),
        ("protobuf", b"application/json", [("a", b"1"), ("content-type", b"application/protobuf")]),
    ],
)
def test_a_verdicts_headers_name_its_own_form(form: Format, given_type: bytes | None, expected: Any) -> None:
    came = [("a", b"1"), *([("content-type", given_type)] if given_type else [])]
    assert list(headers_for(form, came)) == expected


@pytest.mark.parametrize("form", OTHERS)
@pytest.mark.parametrize(
    ("post", "detail"),
    [
        (Post(id="p"), "has no text, no images and no audio"),
        (Post(id="", text="hi"), "id"),
        (Post(id="p", images=(Media("x"),) * (MAX_LISTED + 1)), str(MAX_LISTED)),
        (Post(id="p", text="x" * MAX_POST_BYTES), "the limit is"),
    ],
)
def test_limits_are_those_of_json(form: Format, post: Post, detail: str) -> None:
    with pytest.raises(InvalidPost, match=detail):
        decode_post(encode_as(post, form), headers(form))


@pytest.mark.parametrize("form", OTHERS)
def test_millions_of_media_in_a_small_message_cost_little(form: Format) -> None:
    one = encode_as(Post(id="p", images=(Media(""),)), form)
    two = encode_as(Post(id="p", images=(Media(""),) * 2), form)
    if form == "protobuf":
        bomb = one + (two[len(one) :]) * 300_000
    else:
        at = len(one) - 6  # a block of one image with an empty address, its end, no clips, no deadline, no standing
        bomb = one[:at] + b"\x80\x89\x7a" + b"\0" * 1_000_000
    tracemalloc.start()
    with pytest.raises(InvalidPost):
        decode_post(bomb, headers(form))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 30 * 2**20


def test_a_tombstone_is_one_in_any_form() -> None:
    with pytest.raises(InvalidPost, match="tombstone"):
        decode_post(None, headers("avro"))


@pytest.mark.parametrize("form", OTHERS)
def test_an_outcome_in_any_form_is_a_verdict_and_has_its_json(form: Format) -> None:
    verdict = Verdict(
        post_id="p", decision="allow", scores={"threat": 0.5}, severity={}, reasons=(), modalities={"text": "ok"},
        policy=PolicyRef("mine", 3), models={}, latency_ms={}, scored_at="2026-01-01T00:00:00.000Z",
    )  # fmt: skip
    outcome = Outcome("verdict", b"p", encode_as(verdict, form), tuple(headers(form)), 0, 0, None)
    assert outcome.verdict() == verdict
    assert outcome.verdict_json() == encode(verdict)
    broken = Outcome("verdict", b"p", b"\xff", tuple(headers(form)), 0, 0, None)
    with pytest.raises(msgspec.DecodeError):
        broken.verdict()


@pytest.mark.parametrize(("module", "form"), [("fastavro", "avro"), ("google.protobuf", "protobuf")])
def test_a_form_without_its_extra_is_named(module: str, form: Format, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delitem(sys.modules, f"sluice.formats.{form}", raising=False)
    monkeypatch.delattr(formats, form, raising=False)
    with pytest.raises(SettingsError, match=rf"need the extra \[{form}\]"):
        load_settings({"SLUICE_VERDICT_FORMAT": form})
    with pytest.raises(InvalidPost, match=f"not_{form}: .* need the extra"):
        decode_post(b"any", headers(form))


def test_the_form_of_verdicts_is_a_setting() -> None:
    assert load_settings({}).verdict_format == "json"
    assert load_settings({"SLUICE_VERDICT_FORMAT": "Avro"}).verdict_format == "avro"
    with pytest.raises(SettingsError, match="'XML' is none of JSON, AVRO, PROTOBUF"):
        load_settings({"SLUICE_VERDICT_FORMAT": "xml"})


@pytest.mark.parametrize(("name", "message"), [("post", Post), ("verdict", Verdict)])
def test_the_schemas_have_the_messages_fields(name: Any, message: type[msgspec.Struct]) -> None:
    wanted = {field.encode_name for field in msgspec.structs.fields(message)}
    avro = json.loads(read_schema(name, "avro"))
    assert {field["name"] for field in avro["fields"]} == wanted
    found = descriptor_pb2.FileDescriptorSet.FromString((files("sluice.formats") / "sluice.binpb").read_bytes()).file[0]
    (described,) = (each for each in found.message_type if each.name == message.__name__)
    assert {field.name for field in described.field} == wanted


def test_the_descriptors_are_those_of_the_proto_file(tmp_path: Any) -> None:
    protoc = pytest.importorskip("grpc_tools.protoc")
    made, folder = tmp_path / "made.binpb", files("sluice.formats")
    assert protoc.main(["protoc", f"-I{folder}", f"--descriptor_set_out={made}", "sluice.proto"]) == 0
    read = descriptor_pb2.FileDescriptorSet.FromString
    assert read(made.read_bytes()) == read((folder / "sluice.binpb").read_bytes())
