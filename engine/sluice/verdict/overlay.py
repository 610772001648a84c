"""Policies from the topic over those from files: of each the newest that goes together with the others. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from sluice.errors import PolicyError
from sluice.verdict.documents import Document, read_document
from sluice.verdict.policy_set import PolicySet, SetBuilder


@dataclass(frozen=True, slots=True)
class Written:
    """A policy's text, and what it is called in errors."""

    source: str
    text: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be in force under one name: the text that is wanted, and behind it those that were in force before.

    Attributes
    ----------
    name : str
    texts : tuple of Written
        The newest first.
    """

    name: str
    texts: tuple[Written, ...]


@dataclass(frozen=True, slots=True)
class Overlaid:
    """A set, and what was refused on the way to it.

    Attributes
    ----------
    refused : tuple of str
        One line for each text that was wanted and is wrong, by itself or beside the others.
    """

    policies: PolicySet
    documents: tuple[Document, ...]
    refused: tuple[str, ...]


def lay_over(builder: SetBuilder, files: Sequence[Document], wanted: Sequence[Wanted]) -> Overlaid:
    """The set of files with what is wanted in place of files of the same name.

    A text that is wrong leaves the one before it in force. The outcome depends on the arguments alone: a worker that
    starts comes to the same set as one that saw every change.

    Parameters
    ----------
    wanted : sequence of Wanted
        In the order in which it was asked for.

    Raises
    ------
    PolicyError
        The files are wrong by themselves.
    """
    return _all_at_once(builder, files, wanted) or _one_by_one(builder, files, wanted)


def _all_at_once(builder: SetBuilder, files: Sequence[Document], wanted: Sequence[Wanted]) -> Overlaid | None:
    try:
        newest = [_read(each.texts[0]) for each in wanted]
        together = tuple(_replaced(files, newest))
        return Overlaid(builder.build(together), together, ())
    except PolicyError:
        return None


def _one_by_one(builder: SetBuilder, files: Sequence[Document], wanted: Sequence[Wanted]) -> Overlaid:
    """Each in turn; one that extends what comes later is tried again then."""
    documents = tuple(files)
    policies, waiting = builder.build(documents), list(wanted)
    refused: dict[str, list[str]] = {}
    while waiting:
        for each in waiting:
            found, refused[each.name] = _first_that_fits(builder, documents, each)
            if found is not None:
                documents, policies = found
                waiting.remove(each)
                break
        else:
            break
    lines = [line for each in wanted for line in refused[each.name]]
    return Overlaid(policies, documents, tuple(lines))


def _first_that_fits(
    builder: SetBuilder, documents: Sequence[Document], wanted: Wanted
) -> tuple[tuple[tuple[Document, ...], PolicySet] | None, list[str]]:
    """The documents with the first text that goes together with them, their set, and why those before it do not."""
    refused: list[str] = []
    for text in wanted.texts:
        try:
            together = tuple(_replaced(documents, [_read(text)]))
            return (together, builder.build(together)), refused
        except PolicyError as error:
            refused.append(str(error))
    return None, refused


@lru_cache(maxsize=4096)
def _read(written: Written) -> Document:
    """With every change all are wanted, and few of them are new."""
    return read_document(written.text, written.source)


def _replaced(documents: Sequence[Document], others: Sequence[Document]) -> Iterator[Document]:
    names = {other.name for other in others}
    yield from (document for document in documents if document.name not in names)
    yield from others
