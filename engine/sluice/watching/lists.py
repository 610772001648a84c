"""Lists as they lie on their topic: JSON lines, some hundreds in a chunk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from sluice.config import KafkaConfig
from sluice.errors import ListError
from sluice.lists.entries import Entry
from sluice.lists.files import check_entry, limit_patterns
from sluice.watching.desk import Desk
from sluice.watching.records import deal

N_TOGETHER = 512

_DECODER, _ENCODER = msgspec.json.Decoder(Entry), msgspec.json.Encoder()


class ListCodec:
    """See `Codec`."""

    what = "list"

    def empty(self) -> Sequence[Entry]:
        """See `Codec`."""
        return ()

    def pack(self, content: Sequence[Entry]) -> list[bytes]:
        """See `Codec`."""
        shares = deal(content, len(content), N_TOGETHER, _key)
        return [_ENCODER.encode_lines(sorted(share, key=_key)) for share in shares]

    def unpack(self, chunks: Sequence[bytes]) -> Sequence[Entry]:
        """See `Codec`."""
        try:
            return [entry for chunk in chunks for entry in _DECODER.decode_lines(chunk)]
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise ListError(f"an entry on the topic is none: {type(error).__name__}") from error

    def size(self, content: Sequence[Entry]) -> int:
        """See `Codec`."""
        return len(content)

    def compare(self, before: Sequence[Entry], after: Sequence[Entry]) -> tuple[int, int]:
        """See `Codec`."""
        old, new = set(before), set(after)
        return len(new - old), len(old - new)

    def check(self, contents: Mapping[str, Sequence[Entry]], changed: str) -> None:
        """Raise `ListError` for a changed list with an entry that cannot be looked for, and for too many patterns."""
        for number, entry in enumerate(contents[changed], 1):
            try:
                check_entry(entry)
            except ListError as error:
                raise ListError(f"{changed}, entry {number}: {error}") from error
        limit_patterns("all lists", [entry for entries in contents.values() for entry in entries])


LISTS = ListCodec()


ListDesk = Desk[Sequence[Entry]]


def open_desk(kafka: KafkaConfig, timeout_s: float) -> ListDesk:
    """The lists of a cluster."""
    return Desk(kafka, kafka.topics.lists, LISTS, LISTS.check, timeout_s)


def with_entries(there: Sequence[Entry], new: Sequence[Entry]) -> Sequence[Entry]:
    """A list with entries in place of those of the same kind and value."""
    return list({(entry.kind, entry.value): entry for entry in (*there, *new)}.values())


def without_values(there: Sequence[Entry], values: Sequence[str]) -> Sequence[Entry]:
    """A list without the entries of these values; raises `ListError` for a value that is not there."""
    gone = set(values)
    missing = gone - {entry.value for entry in there}
    if missing:
        raise ListError(f"it has no entry {', '.join(map(repr, sorted(missing)))}")
    return [entry for entry in there if entry.value not in gone]


def _key(entry: Entry) -> bytes:
    return f"{entry.kind}\0{entry.value}".encode("utf-8", "surrogatepass")
