"""Banks: read, joined, looked up, matched, and as they lie on a topic."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest

from sluice.errors import HashError
from sluice.features import Print
from sluice.hashes.bank import Bank, BankSettings, HashEntry, compare, join, make_bank, without
from sluice.hashes.files import Form, bank_files, read_bank, read_banks, write_bank
from sluice.hashes.finder import BankFinder, KnownFile, digests_of
from sluice.hashes.index import ExactIndex, PdqIndex
from sluice.watching.hashes import BANKS

PDQ, OTHER, SHA = "d8" * 32, "0f" * 32, "ab" * 32


def random_hashes(n_hashes: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n_hashes, 32), dtype=np.uint8)


def changed(value: bytes, n_bits: int, seed: int = 2) -> bytes:
    bits = np.unpackbits(np.frombuffer(value, np.uint8))
    bits[np.random.default_rng(seed).choice(256, n_bits, replace=False)] ^= 1
    return np.packbits(bits).tobytes()


@pytest.mark.parametrize("many", [2_000_000, 5_000])
@pytest.mark.parametrize("n_hashes", [100, 6_000])
def test_the_index_finds_what_comparing_all_finds(n_hashes: int, many: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sluice.hashes.index._MANY", many)
    hashes = random_hashes(n_hashes)
    hashes[1] = np.frombuffer(changed(hashes[0].tobytes(), 5), np.uint8)
    index = PdqIndex(hashes)
    for seed in range(60):
        value = changed(hashes[seed % 3].tobytes(), seed % 40, seed)
        apart = np.unpackbits(hashes ^ np.frombuffer(value, np.uint8), axis=1).sum(axis=1)
        assert dict(index.find(value)) == {int(n): int(apart[n]) for n in np.flatnonzero(apart <= 31)}
    assert [distance for _, distance in index.find(hashes[0].tobytes())][:2] == [0, 5]
    assert index.find(changed(hashes[2].tobytes(), 4), distance=3) == []


def test_equal_hashes_are_found_also_where_others_begin_alike() -> None:
    hashes = random_hashes(500)
    hashes[7, :8] = hashes[8, :8]
    index = ExactIndex(hashes)
    assert [index.find(hashes[n].tobytes()) for n in (7, 8, 499)] == [[7], [8], [499]]
    assert index.find(bytes(32)) == []


@pytest.mark.parametrize(
    "content",
    [
        f"kind,value,id,owner,note\npdq,{PDQ},7,ann,why\nsha256,{SHA},,,\n",
        json.dumps({"data": [
            {"indicator": PDQ, "type": "HASH_PDQ", "id": 7, "description": "why", "source": "ann"},
            {"indicator": SHA, "type": "HASH_SHA256"},
            {"indicator": OTHER, "type": "HASH_PDQ", "should_delete": True},
        ]}),
        json.dumps({"pdq": PDQ, "id": "7", "owner": "ann", "note": "why"}) + "\n" + json.dumps({"sha256": SHA}) + "\n",
        json.dumps({"signal_type": "pdq", "signal_value": PDQ, "id": "7", "source": "ann", "note": "why"})
        + "\n\n" + json.dumps({"kind": "sha256", "value": SHA}),
    ],
)  # fmt: skip
def test_every_form_is_read_and_written(content: str) -> None:
    bank = read_bank(content.encode(), "f")
    assert set(bank.entries()) == {HashEntry("pdq", PDQ, "7", "ann", "why"), HashEntry("sha256", SHA)}
    forms: tuple[Form, ...] = ("csv", "threatexchange", "hma")
    for form in forms:
        again = read_bank(b"\n".join(write_bank(bank, form)), "f")
        assert set(again.entries()) == set(bank.entries())


def test_lines_of_hashes_alone_are_of_the_kind_that_is_asked_for(tmp_path: Path) -> None:
    assert set(read_bank(f"{PDQ},100,a.jpg\n{OTHER}\n".encode(), "f").entries()) == {
        HashEntry("pdq", PDQ, note="a.jpg"), HashEntry("pdq", OTHER),
    }  # fmt: skip
    assert set(read_bank(f"{PDQ.upper()},100,source\n".encode(), "f").entries()) == {
        HashEntry("pdq", PDQ, note="source")
    }
    assert len(read_bank(f'[{{"pdq": "{PDQ}"}}, {{"md5": "{SHA[:32]}"}}]'.encode(), "f")) == 2
    (tmp_path / "known.csv").write_text(SHA)
    assert list(read_banks(bank_files(tmp_path), "sha256")["known"].hashes) == ["sha256"]
    assert bank_files(tmp_path / "known.csv") == [tmp_path / "known.csv"]
    (tmp_path / "._known.csv").write_text("what some systems keep beside a file")
    assert bank_files(tmp_path) == [tmp_path / "known.csv"]


def test_what_is_added_to_no_bank_is_matched_as_it_says_itself() -> None:
    negative, other = (read_bank(f"{head}{PDQ}\n".encode(), "f") for head in ('#bank {"is_negative": true}\n', ""))
    assert negative.added_to(Bank()).settings.is_negative
    assert not negative.added_to(other).settings.is_negative


@pytest.mark.parametrize("line", ['#bank {"is_negative": true}', '# bank {"is_negative": true}', '#bank{"quality": 1}'])
def test_settings_that_are_not_the_first_line_are_no_comment(line: str) -> None:
    with pytest.raises(HashError, match="f:2: a bank's settings are its first line"):
        read_bank(f"# from the hotline\n{line}\n{PDQ}\n".encode(), "f")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"abc\n", "f:1: a hash of pdq is 64 hexadecimal digits"),
        (f"{PDQ}\n{PDQ[2:]}\n".encode(), "f:2: a hash of pdq is 64 hexadecimal digits, not 62"),
        (f"kind,value\npdq,{PDQ}\nphoto,{PDQ}\n".encode(), "f:3: Invalid enum value 'photo'"),
        (f'{{"pdq": "{PDQ}"}}\n{{'.encode(), "f:2: not JSON"),
        (b"\xff", "f: not UTF-8"),
        (b'#bank {"distance": 60}\n', "f:1: Expected `int` <= 31"),
        (b'{"data": [1, 2]}', "f:1: no object"),
        (b'{"data": null}', "f: data is no list"),
        (f'{{"pdq": "{PDQ}"}}\n[1]'.encode(), "f:2: no object"),
        (f'{{"data": [{{"indicator": "{PDQ}", "type": ["x"]}}]}}'.encode(), "f:1: Expected `str`"),
        (f'[{{"pdq": "{PDQ}", "should_delete": "false"}}]'.encode(), "f:1: should_delete is neither"),
        (f'{{"pdq": "{PDQ}", "id": "\\ud800"}}'.encode(), "f:1: .*surrogates"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "f: nested too deeply"),
        (f"kind,value,note\npdq,{PDQ},{'x' * 200_000}\n".encode(), "f: field larger than"),
        (f"{PDQ[:-2]}  \n".encode(), "f:1: a hash of pdq is"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(content: bytes, said: str) -> None:
    with pytest.raises(HashError, match=said):
        read_bank(content, "f")


def test_banks_are_joined_and_taken_from() -> None:
    one = make_bank([HashEntry("pdq", PDQ, note="old"), HashEntry("sha256", SHA)])
    both = join(one, make_bank([HashEntry("pdq", PDQ, note="new"), HashEntry("pdq", OTHER)]))
    assert set(both.entries()) == {HashEntry("pdq", PDQ, note="new"), HashEntry("pdq", OTHER), HashEntry("sha256", SHA)}
    left = without(both, [PDQ, SHA])
    assert set(left.entries()) == {HashEntry("pdq", OTHER)}
    assert (compare(both, left), compare(one, both), len(both)) == ((0, 2), (1, 0), 3)
    for value, said in (("00" * 32, "no hash 00"), ("xyz", "a hash of pdq is 64"), ("zz" * 32, "hexadecimal")):
        with pytest.raises(HashError, match=said):
            without(both, [value])


def test_banks_come_back_from_their_chunks_and_a_change_is_small() -> None:
    rows = random_hashes(40_000)
    entries = [HashEntry("pdq", PDQ, note="why"), HashEntry("md5", "cd" * 16, owner="ann")]
    bank = join(Bank(hashes={"pdq": rows}), make_bank(entries, BankSettings(is_negative=True, distance=20)))
    chunks = BANKS.pack(bank)
    again = BANKS.unpack(chunks)
    assert (again.settings, dict(again.details)) == (bank.settings, dict(bank.details))
    assert all(np.array_equal(again.hashes[kind], bank.hashes[kind]) for kind in ("pdq", "md5"))
    more = BANKS.pack(join(make_bank([HashEntry("pdq", OTHER)]), bank))
    assert (len(chunks), len(set(more) - set(chunks))) == (18, 1)
    wrong = msgspec.msgpack.encode(["pdq", b"", [{"kind": "pdq", "value": "zz"}]])
    for chunk in (b"?", wrong):
        with pytest.raises(HashError, match="a chunk on the topic is none"):
            BANKS.unpack([chunk])


def known(value: str, quality: int = 100, content: bytes = b"x") -> KnownFile:
    return KnownFile("image:0", digests_of(content), [Print(bytes.fromhex(value), quality)])


def test_a_match_names_bank_and_entry_and_the_nearest_counts() -> None:
    near = changed(bytes.fromhex(PDQ), 12).hex()
    bank = make_bank([HashEntry("pdq", PDQ, "7", "ann", "why"), HashEntry("pdq", near)])
    (found,) = BankFinder({"bank": bank}).find(known(PDQ))
    assert (found.bank, found.part, found.kind, found.value, found.distance) == ("bank", "image:0", "pdq", PDQ, 0)
    assert (found.id, found.owner, found.note) == ("7", "ann", "why")
    far = changed(bytes.fromhex(PDQ), 31).hex()
    strict = make_bank([HashEntry("pdq", PDQ)], BankSettings(distance=30))
    wide = make_bank([HashEntry("pdq", PDQ)], BankSettings(quality=80))
    finder = BankFinder({"strict": strict, "wide": wide})
    assert [match.bank for match in finder.find(known(far))] == ["wide"]
    assert [match.bank for match in finder.find(known(PDQ, quality=60))] == ["strict"]
    assert finder.find(known(OTHER)) == []


def test_what_a_negative_bank_holds_matches_nothing() -> None:
    content = b"a file"
    exact = make_bank([HashEntry("sha256", digests_of(content)["sha256"].hex())])
    looks = make_bank([HashEntry("pdq", PDQ)])
    spared = make_bank([HashEntry("pdq", changed(bytes.fromhex(PDQ), 3).hex())], BankSettings(is_negative=True))
    finder = BankFinder({"exact": exact, "looks": looks, "spared": spared})
    assert [match.bank for match in finder.find(known(PDQ, content=content))] == ["exact"]
    assert [match.bank for match in finder.find(known(changed(bytes.fromhex(PDQ), 31, 9).hex()))] == ["looks"]
    bytes_spared = Bank(BankSettings(is_negative=True), exact.hashes)
    finder = BankFinder({"looks": looks, "spared": bytes_spared})
    assert finder.find(known(PDQ, content=content)) == []
    assert [match.bank for match in finder.find(known(PDQ))] == ["looks"]


def test_only_what_can_make_a_difference_is_asked_for() -> None:
    exact, looks = make_bank([HashEntry("sha256", SHA)]), make_bank([HashEntry("pdq", PDQ)])
    spared = BankSettings(is_negative=True)
    finders = [BankFinder({"it": exact}), BankFinder({"it": looks}), BankFinder({"it": Bank(spared, looks.hashes)})]
    assert [finder.knows_bytes for finder in finders] == [True, False, False]
    assert [finder.knows_looks for finder in finders] == [False, True, False]
    assert BankFinder({"looks": looks, "spared": Bank(spared, exact.hashes)}).knows_bytes
