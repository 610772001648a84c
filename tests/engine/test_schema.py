"""The messages: what is read, what is refused and how, what JSON Schema says of them."""

import json

import jsonschema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.errors import InvalidPost
from sluice.schema import (
    LABELS,
    MAX_LISTED,
    MAX_POST_BYTES,
    AudioEvidence,
    DetectedLanguage,
    ImageEvidence,
    Media,
    PolicyRef,
    Post,
    Reason,
    TextEvidence,
    Verdict,
    decode_post,
    decode_verdict,
    encode,
    json_schema,
)

VERDICT = Verdict(
    post_id="p-1",
    decision="review",
    scores=dict.fromkeys(LABELS, 0.5),
    severity=dict.fromkeys(LABELS, 0.25),
    reasons=(
        Reason(
            "threat",
            0.5,
            0.4,
            {"text": 0.4},
            (TextEvidence(0, 4), ImageEvidence(0, (0.1, 0.2, 0.5, 0.4)), AudioEvidence(1, 1.2, 2.0)),
        ),
    ),
    modalities={"text": "ok"},
    policy=PolicyRef("default", 3),
    models={"fusion": "1"},
    latency_ms={"total": 14.2},
    scored_at="2026-11-23T10:00:00.020Z",
    language=DetectedLanguage("en", 0.98),
    urgency="concern",
)


def test_a_verdict_from_before_there_were_languages_and_urgency_is_still_read() -> None:
    older = json.loads(encode(VERDICT))
    del older["language"], older["urgency"]
    expected = msgspec.structs.replace(VERDICT, language=None, urgency="none")
    assert decode_verdict(json.dumps(older).encode()) == expected
    jsonschema.validate(older, json_schema(Verdict))


def test_a_verdict_without_a_text_has_no_language() -> None:
    bare = json.loads(encode(msgspec.structs.replace(VERDICT, language=None)))
    assert bare["language"] is None
    jsonschema.validate(bare, json_schema(Verdict))


def test_a_post_needs_only_an_id_and_one_modality() -> None:
    assert decode_post(b'{"id": "p", "text": "hi"}') == Post(id="p", text="hi")
    assert decode_post(b'{"id": "p", "images": [{"uri": "s3://b/k"}]}').images == (Media("s3://b/k"),)


def test_unknown_fields_are_ignored() -> None:
    assert decode_post(b'{"id": "p", "text": "hi", "new": {"a": 1}}') == Post(id="p", text="hi")


BOM = "\ufeff"


@pytest.mark.parametrize(
    ("raw", "read"),
    [
        ('{"id": 7, "text": "hi"}', Post(id="7", text="hi")),
        ('{"id": 12345678901234567890123, "text": "hi"}', Post(id="12345678901234567890123", text="hi")),
        ('{"id": 1.50, "text": "hi"}', Post(id="1.50", text="hi")),
        ('{"id": "p", "text": "hi", "author_id": 9}', Post(id="p", text="hi", author_id="9")),
        ('{"id": "p", "text": "hi", "author_id": {"a": 1}, "surface": 7, "created_at": []}', Post(id="p", text="hi")),
        ('{"id": "p", "text": "hi", "surface": 7, "created_at": "now"}', Post(id="p", text="hi", created_at="now")),
        ('{"id": "p", "text": "hi", "images": null, "audio": null, "deadline_ms": null}', Post(id="p", text="hi")),
        ('{"id": "p", "text": null, "images": ["s3://b/k"]}', Post(id="p", images=(Media("s3://b/k"),))),
        (
            '{"id": "p", "audio": [{"uri": "s3://b/k"}, "s3://b/l"]}',
            Post(id="p", audio=(Media("s3://b/k"), Media("s3://b/l"))),
        ),
        ('{"id": "p", "images": [null, {"uri": "u", "alt": 7}]}', Post(id="p", images=(Media("u"),))),
        ('{"id": "p", "text": "hi", "surface": 7, "deadline_ms": 500.0}', Post(id="p", text="hi", deadline_ms=500)),
        (BOM + '{"id": "p", "text": "hi"}', Post(id="p", text="hi")),
        (f'{{{BOM}"id"{BOM}: "p", "text": "hi"}}{BOM}', Post(id="p", text="hi")),
        (f'{{"{BOM}id": "p", "{BOM}text": "hi"}}', Post(id="p", text="hi")),
        (f'{{"id": "p", "text": "a{BOM}b\\" {BOM}"}}', Post(id="p", text=f'a{BOM}b" {BOM}')),
        ('{"id": "p", "text": "\\ud800", "x": ' + "[" * 600 + "]" * 600 + "}", Post(id="p", text="\ufffd")),
        ('{"id": 7, "text": "hi", "x": 1' + "0" * 5000 + "}", Post(id="7", text="hi")),
        ('{"id": 7, "text": "hi", "x": 1e999}', Post(id="7", text="hi")),
    ],
)
def test_reading_is_lenient_where_nothing_is_at_stake(raw: str, read: Post) -> None:
    assert decode_post(raw.encode()) == read


def test_a_string_that_never_ends_is_refused_in_no_time() -> None:
    """Each quotation mark could begin one: as many scans to the end as there are marks would take hours."""
    raw = f'{BOM}{{"id": "p", "text": "' + '\\"' * 900_000
    with pytest.raises(InvalidPost):
        decode_post(raw.encode())


@pytest.mark.parametrize(
    ("raw", "reason", "detail"),
    [
        (b"\xff\xfe", "not_utf8", "byte 0"),
        (b'{"id": "p", "text": "\xe4"}', "not_utf8", "byte"),
        (b"hello", "not_json", "line 1"),
        (b"", "not_json", "line 1"),
        (b'{"id": "p", "text": "a"', "not_json", "line 1"),
        (b"[]", "invalid", "Expected `object`"),
        (b"null", "invalid", "Expected `object`"),
        (b'{"text": "hi"}', "invalid", "`id`"),
        (b'{"id": "", "text": "hi"}', "invalid", "$.id"),
        (b'{"id": true, "text": "hi"}', "invalid", "$.id"),
        (b'{"id": ["a"], "text": "hi"}', "invalid", "$.id"),
        (b'{"id": null, "text": "hi"}', "invalid", "`id`"),
        (b'{"id": "p", "text": 7}', "invalid", "$.text"),
        (b'{"id": "p", "text": "a", "deadline_ms": "soon"}', "invalid", "$.deadline_ms"),
        (b'{"id": "p", "text": "a", "deadline_ms": 1e400}', "invalid", "$.deadline_ms"),
        (b'{"id": "p", "images": "https://example.org/a.png"}', "invalid", "$.images"),
        (b'{"id": "p", "images": [7]}', "invalid", "$.images[0]"),
        (b'{"id": "p", "text": "a", "x": NaN}', "not_json", "NaN"),
        (b'{"id": "p", "text": "a", "x": -Infinity}', "not_json", "Infinity"),
        (None, "invalid", "tombstone"),
        (b'{"id": "p"}', "invalid", "no text, no images and no audio"),
        (b'{"id": "p", "text": ""}', "invalid", "no text"),
        (b'{"id": "p", "text": ["a"]}', "invalid", "$.text"),
        (b'{"id": "p", "images": [{"url": "x"}]}', "invalid", "$.images[0]"),
        (b'{"id": "p", "text": "a", "deadline_ms": 0}', "invalid", "$.deadline_ms"),
        (json.dumps({"id": "p", "images": [{"uri": "u"}] * (MAX_LISTED + 1)}).encode(), "invalid", "$.images"),
        (json.dumps({"id": "p", "audio": [{"uri": "u"}] * (MAX_LISTED + 1)}).encode(), "invalid", "$.audio"),
        (b" " * (MAX_POST_BYTES + 1), "too_large", str(MAX_POST_BYTES)),
        (b"[" * 100_000, "not_json", "nested"),
        (b"[7]", "invalid", "Expected `object`, got `array`"),
        (b'{"id": "p", "x": "\\ud800", "text": ' + b"[" * 100_000, "not_json", ""),
        (b'{"id": "p", "text": "a", "x": ' + b"[" * 5_000 + b"]" * 5_000 + b"}", "not_json", "nested"),
    ],
)
def test_what_is_not_a_post_is_refused_with_reason_and_place(raw: bytes | None, reason: str, detail: str) -> None:
    with pytest.raises(InvalidPost) as caught:
        decode_post(raw)
    assert caught.value.reason == reason
    assert detail in caught.value.detail


def test_lone_surrogates_are_read_as_replacement_characters() -> None:
    assert decode_post(b'{"id": "p", "text": "a\\ud800b"}').text == "a\ufffdb"


def test_wrong_types_beside_lone_surrogates_are_refused() -> None:
    with pytest.raises(InvalidPost, match="invalid"):
        decode_post(b'{"id": ["\\ud800"], "text": "a"}')


def test_surrogate_pairs_stay_what_they_are() -> None:
    assert decode_post(b'{"id": "p", "text": "\\ud83d\\ude00 \\ud800"}').text == "\U0001f600 \ufffd"


@given(st.binary(max_size=200))
def test_any_bytes_give_a_post_or_a_reason(raw: bytes) -> None:
    try:
        assert isinstance(decode_post(raw), Post)
    except InvalidPost as error:
        assert error.reason in InvalidPost.REASONS


@given(st.text(min_size=1, max_size=50), st.text(min_size=1))
def test_what_is_written_is_read_again(identifier: str, text: str) -> None:
    post = Post(id=identifier, text=text, audio=(Media("file:///a.wav"),), deadline_ms=500)
    assert decode_post(encode(post)) == post


def test_a_verdict_survives_json_and_fits_its_schema() -> None:
    assert decode_verdict(encode(VERDICT)) == VERDICT
    jsonschema.validate(json.loads(encode(VERDICT)), json_schema(Verdict))


def test_a_post_fits_its_schema_and_a_wrong_one_does_not() -> None:
    schema = json_schema(Post)
    jsonschema.validate(json.loads(encode(Post(id="p", text="hi"))), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"id": 3}, schema)


def test_a_wrong_verdict_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        decode_verdict(b'{"post_id": 1}')
