"""Addresses in texts, and entries that name a site or a path of it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from urllib.parse import unquote

import idna

from sluice.errors import ListError

_DOT = "(?:[.\u3002\uff0e\uff61]|%2e)"
"""As browsers take it in a host."""
_BYTE = "%(?!2e)[0-9a-f]{2}"
_LABEL = rf"(?:[\w-]|{_BYTE})+"
_LINK = re.compile(
    rf"(?:https?:[/\\]{{2}}(?:[^\s/\\@?#]*@)?|(?<![\w@.%-]))((?:{_LABEL}{_DOT})+(?:[^\W\d_]|{_BYTE})(?:[\w-]|{_BYTE})*)"
    rf"{_DOT}?(?::\d+)?([/\\][^\s<>\"']*)?",
    re.IGNORECASE,
)
"""A host with a dot in it, with or without a scheme, and its path; no e-mail address."""
_NO_TAG = re.compile(r"(?P<tag><[^<>]*>)|[^<]+|<")
_MAX_HOST, _MAX_LABEL = 253, 63
"""RFC 1035, 2.3.4."""


def find_links(text: str) -> Iterator[tuple[str, str, int, int]]:
    """Host, path, start and end of each address in a text that is `Seen.plain`."""
    for match in _LINK.finditer(text):
        if len(match[1]) <= _MAX_HOST:
            yield plain_host(match[1]), plain_path(match[2] or "/"), match.start(), match.end()


def plain_host(host: str) -> str:
    """A host by which it is compared: letters as browsers map them (UTS 46), and Punycode undone.

    Not in Punycode, as the DNS has it: writing that takes a time that grows with the square of a label, and a text may
    hold ten thousand links.
    """
    if host.isascii() and "%" not in host and "xn--" not in host.lower():
        return host.rstrip(".").lower()
    host = re.sub("[\u3002\uff0e\uff61]", ".", unquote(host)).rstrip(".")
    return ".".join(map(_plain_label, host.split(".")))


def _plain_label(label: str) -> str:
    if not label.isascii():
        return unicodedata.normalize("NFC", "".join(map(_map_letter, label)))
    label = label.lower()
    return _undo_punycode(label) if label.startswith("xn--") and len(label) <= _MAX_LABEL else label


@lru_cache(maxsize=16_384)
def _map_letter(letter: str) -> str:
    try:
        return idna.uts46_remap(letter)
    except idna.IDNAError:  # no host may have it
        return letter.lower()


@lru_cache(maxsize=4096)
def _undo_punycode(label: str) -> str:
    try:
        return label.removeprefix("xn--").encode().decode("punycode")
    except UnicodeError:
        return label


def plain_path(path: str) -> str:
    """A path as a server takes it: letters for their numbers, and no steps back, on the spot or twice."""
    if path == "/":
        return path
    end = next((place for place, character in enumerate(path) if character in "?#"), len(path))
    steps: list[str] = []
    for step in unquote(path[:end]).replace("\\", "/").split("/"):
        if step == "..":
            steps = steps[:-1]
        elif step not in ("", "."):
            steps.append(step)
    return "/" + "/".join(steps) + path[end:]


def parse_site(value: str, has_path: bool) -> tuple[str, str]:
    """Host and path that an entry names; the path of a domain is ``/``.

    Raises
    ------
    ListError
        It is no host with a dot, or a path is there where none belongs or missing where one does.
    """
    match = _LINK.fullmatch(value.strip())
    if match is None or len(match[1]) > _MAX_HOST:
        raise ListError("it is not a site such as example.org")
    path = plain_path(match[2] or "/").rstrip("/") or "/"
    if has_path != (path != "/"):
        raise ListError(
            "a url has a path, such as example.org/shop" if has_path else "a domain has no path: make it a url"
        )
    return plain_host(match[1]), path


def keep_tags(text: str) -> str:
    """A text of the same length with nothing in it but what stands in tags of HTML."""
    return _NO_TAG.sub(lambda found: " " * len(found[0]) if found.lastgroup is None else found[0], text)


@lru_cache(maxsize=4096)
def narrowness(value: str, has_path: bool) -> int:
    """How long the host and path are that an entry names: of two that hold the same link the longer is the narrower."""
    return sum(map(len, parse_site(value, has_path)))


class Sites:
    """Many sites and paths, as `parse_site` returns them."""

    def __init__(self, sites: Sequence[tuple[str, str]]) -> None:
        self._by_host: dict[str, list[tuple[str, int]]] = {}
        for index, (host, path) in enumerate(sites):
            self._by_host.setdefault(host, []).append((path, index))

    def find(self, text: str) -> Iterator[tuple[int, int, int]]:
        """Which are linked to in a text that is `Seen.plain`: index, start and end of each place."""
        for host, path, start, end in find_links(text):
            for above in _self_and_above(host):
                yield from (
                    (index, start, end) for below, index in self._by_host.get(above, ()) if is_below(path, below)
                )


def is_below(path: str, prefix: str) -> bool:
    """Whether a path is another, or lies below it: ``/shop/x`` and ``/shop?x`` below ``/shop``, ``/shopping`` not."""
    return prefix == "/" or (path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in ("", "/", "?", "#"))


def _self_and_above(host: str) -> Iterator[str]:
    while host:
        yield host
        host = host.partition(".")[2]
