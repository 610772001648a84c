"""What is kept in RocksDB is there when the folder is opened again."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sluice.history.entries import ENTRY
from sluice.history.store import RocksStore


def entries(at_ms: int) -> bytes:
    return np.array([(at_ms, 0, 0, 1)], ENTRY).tobytes()


def test_nothing_is_lost_when_a_process_opens_several_and_files_are_merged(tmp_path: Path) -> None:
    """A time to live of RocksDB's own dropped what is needed in every folder but the first."""
    written = {b"p%d" % n: entries(n) for n in range(50)} | {b"m/offsets": b"[]"}
    for folder in ("a", "b"):
        for _ in range(2):
            store = RocksStore(tmp_path / folder)
            store.write(written)
            store._database.flush()
            store.close()
        again = RocksStore(tmp_path / folder)
        again._database.compact_range(None, None)
        assert dict(again.items()) == written
        again.close()


def test_authors_who_did_nothing_since_are_forgotten_and_the_offsets_are_not(tmp_path: Path) -> None:
    store = RocksStore(tmp_path)
    store.write({b"p1": entries(10), b"p2": entries(20), b"m/offsets": b"[]"})
    store.drop_before(20)
    assert dict(store.items()) == {b"p2": entries(20), b"m/offsets": b"[]"}
    store.close()
