"""Whose records are erased, and how a message is told to be one of theirs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from sluice.errors import InvalidPost, SettingsError
from sluice.formats import Headers, decode_post, decode_verdict, form_of
from sluice.loose_json import read_loosely
from sluice.strict_json import read_object

NAMES = ("id", "post_id", "author_id", "tenant", "reporter_id")

_ENCODINGS = ("utf-8", "latin-1", "utf-16-le", "utf-16-be")
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)")
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}

SHORTEST = 4
"""Of an id that is looked for in what cannot be read: a shorter one would be everywhere, so it has to stand alone."""


@dataclass(frozen=True, slots=True)
class Traces:
    """What a message says of whose it is.

    Attributes
    ----------
    reporter : str or None
        Who reported it.
    texts, uris : tuple of str
        What was posted, and the addresses of its media.
    key : str or None
        Of the message: a post's id, or whatever its publisher keys by, such as the author's.
    is_read : bool
        Whether it could be read; else its bytes are searched.
    is_counted : bool
        Whether it is a verdict that a history counts.
    """

    post_id: str | None = None
    author: str | None = None
    tenant: str | None = None
    reporter: str | None = None
    texts: tuple[str, ...] = ()
    uris: tuple[str, ...] = ()
    key: str | None = None
    is_read: bool = True
    is_counted: bool = False


def read_traces(key: bytes | None, value: bytes | None, headers: Headers) -> Traces:
    """What any message of ours says, whatever topic it is from and whatever form it is in."""
    name = None if key is None else key.decode("utf-8", "replace")
    fields = {} if value is None else _read_fields(value, headers)
    if fields is None:
        return Traces(name, key=name, is_read=False)
    post_id = _text(fields.get("post_id")) or _text(fields.get("id")) or name
    author, tenant = _text(fields.get("author_id")), _text(fields.get("tenant"))
    reporter = _text(fields.get("reporter_id"))
    texts, uris = tuple(_texts(fields)), tuple(_uris(fields))
    return Traces(post_id, author, tenant, reporter, texts, uris, name, is_counted=_is_counted(fields))


def _is_counted(fields: dict[str, Any]) -> bool:
    basis = fields.get("basis")
    return isinstance(basis, dict) and bool(basis.get("author"))


def _read_fields(value: bytes, headers: Headers) -> dict[str, Any] | None:
    if form_of(value, headers) != "json":
        return _read_other_form(value, headers)
    try:
        fields = read_object(value)
    except msgspec.DecodeError:
        return _read_loosely(value)
    if any(not isinstance(fields.get(name), str | None) for name in NAMES):  # numbers, which the worker takes, too
        return {**fields, **(_read_loosely(value) or {})}
    return fields


def _read_loosely(value: bytes) -> dict[str, Any] | None:
    try:
        return read_loosely(value)
    except InvalidPost:
        return None


def _read_other_form(value: bytes, headers: Headers) -> dict[str, Any] | None:
    """A verdict, or else a post: a verdict says more that a post has to have."""
    for decode in (decode_verdict, decode_post):
        try:
            return dict(msgspec.to_builtins(decode(value, headers)))
        except (msgspec.DecodeError, InvalidPost, SettingsError, UnicodeDecodeError):
            continue
    return None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _texts(fields: dict[str, Any]) -> Iterator[str]:
    """Of a post, or of a comment that somebody suggested scores for."""
    comment = fields.get("comment")
    for place in (fields, comment if isinstance(comment, dict) else {}):
        if text := _text(place.get("text")):
            yield text


def _uris(fields: dict[str, Any]) -> Iterator[str]:
    for name in ("images", "audio"):
        items = fields.get(name)
        for item in items if isinstance(items, list | tuple) else ():
            uri = item.get("uri") if isinstance(item, dict) else item
            if isinstance(uri, str):
                yield uri


@dataclass(slots=True)
class Subject:
    """An author, or one post; what is known of it grows while topics are read.

    Attributes
    ----------
    author, post_id : str or None
        One of them is given.
    tenant : str or None
        Whose author or post that is; None for that of any.
    post_ids, texts, uris : set of str
        Of their posts, as far as they were seen.
    posted_in, reported_in : set of str or None
        Of which tenants they posted or were reported, and reported others.
    written_by : set of (str or None, str)
        Tenants and authors of their posts.
    was_counted : bool
        Whether a history was kept of them.
    """

    author: str | None = None
    post_id: str | None = None
    tenant: str | None = None
    post_ids: set[str] = field(default_factory=set)
    texts: set[str] = field(default_factory=set)
    uris: set[str] = field(default_factory=set)
    posted_in: set[str | None] = field(default_factory=set)
    reported_in: set[str | None] = field(default_factory=set)
    written_by: set[tuple[str | None, str]] = field(default_factory=set)
    was_counted: bool = False

    def __post_init__(self) -> None:
        if self.post_id is not None:
            self.post_ids.add(self.post_id)

    def learn(self, traces: Traces) -> None:
        """Note the ids, the texts and the media of a post that is theirs, and whose."""
        if not self.owns(traces):
            return
        self._learn_where(traces)
        if traces.post_id:
            self.post_ids.add(traces.post_id)
        self.texts.update(traces.texts)
        self.uris.update(traces.uris)

    def _learn_where(self, traces: Traces) -> None:
        """A message without an author says of no tenant that they posted there."""
        self.was_counted |= traces.is_counted
        if traces.reporter is not None and traces.reporter == self.author:
            self.reported_in.add(traces.tenant)
        elif traces.author is not None:
            self.posted_in.add(traces.tenant)
            self.written_by.add((traces.tenant, traces.author))

    def learn_report(self, traces: Traces) -> None:
        """Note of whom and by whom a report is, if they are one of them: it says nothing of posts."""
        if self.owns(traces):
            self._learn_where(traces)

    def owns(self, traces: Traces) -> bool:
        """Whether a message that could be read is on them, or on a post of theirs."""
        if self.tenant is not None and traces.tenant not in (None, self.tenant):
            return False
        if self.author is not None and traces.reporter == self.author:
            return True
        if self.author is not None and traces.author is not None:
            return traces.author == self.author and (self.tenant is None or traces.tenant == self.tenant)
        return traces.post_id in self.post_ids or (self.author is not None and traces.key == self.author)

    def is_in(self, traces: Traces, value: bytes | None) -> bool:
        """Whether a message holds something of them, one that cannot be read included."""
        if self.owns(traces) or self._said(traces):
            return True
        return not traces.is_read and any(_holds(value or b"", name) for name in self.names())

    def _said(self, traces: Traces) -> bool:
        """Whether a message that names no post has the text of one of theirs."""
        return traces.post_id is None and traces.author is None and not self.texts.isdisjoint(traces.texts)

    def names(self) -> Iterator[str]:
        """What they are called: the author, and the posts."""
        if self.author is not None:
            yield self.author
        yield from self.post_ids


def _holds(value: bytes, name: str) -> bool:
    """Whether bytes hold a name, as it is or escaped as JSON has it, in any encoding that a client may have used."""
    return any(_finds(text, name) for text in (value.decode(form, "replace") for form in _ENCODINGS))


def _finds(text: str, name: str) -> bool:
    return any(_stands_in(form, name) for form in (text, _unescape(text)))


def _unescape(text: str) -> str:
    """Pairs of surrogates become the one character that they stand for."""
    plain = _ESCAPE.sub(_read_escape, text)
    return plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _read_escape(found: re.Match[str]) -> str:
    letter = found[1]
    return chr(int(letter[1:], 16)) if len(letter) > 1 else _ESCAPED.get(letter, letter)


def _stands_in(text: str, name: str) -> bool:
    if len(name) >= SHORTEST:
        return name in text
    return re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text) is not None
