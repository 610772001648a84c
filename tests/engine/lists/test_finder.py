"""Entries in posts: the same as a plain reference finds on texts made at random, and what each kind means."""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest

from sluice.errors import ListError
from sluice.features.seen import Seen
from sluice.lists.entries import Action, Entry
from sluice.lists.finder import ListFinder
from sluice.lists.patterns import MAX_PATTERNS, Patterns
from sluice.lists.reading import read_letters
from sluice.lists.terms import spell
from tests.engine.lists import reference

NOW = datetime(2026, 6, 1, tzinfo=UTC)
LONG_AGO, LATER = NOW - timedelta(days=1), NOW + timedelta(days=1)


def found(text: str, *entries: Entry, author: str | None = None) -> list[str]:
    """What of these stands in a text: the text at each place."""
    matches = ListFinder({"list": entries}).find(text, author, NOW)
    return [match.entry.value if match.start is None else text[match.start : match.end] for match in matches]


@pytest.mark.parametrize(
    ("value", "text", "places"),
    [
        ("idiot", "You IDIOT!", ["IDIOT"]),
        ("idiot", "idiotic, idiots, anidiot", []),
        ("idiot", "1d10t and i d i o t", ["1d10t"]),
        ("idiot", "an i d i o t", ["i d i o t"]),
        ("straße", "In der STRASSE", ["STRASSE"]),
        ("坏人", "他是坏人吧", ["坏人"]),
        ("café", "le cafe\u0301 noir", ["cafe\u0301"]),
        ("idiot", "id\u200biot", ["id\u200biot"]),
        ("idiot", "\u0456diot", ["\u0456diot"]),
        ("$h1t", "oh shit", ["shit"]),
        ("\N{MONKEY FACE}", "you \N{MONKEY FACE}!", ["\N{MONKEY FACE}"]),
    ],
)
def test_words_are_found_however_they_are_spelled(value: str, text: str, places: list[str]) -> None:
    assert found(text, Entry("word", value)) == places


def test_a_phrase_is_found_over_any_spaces() -> None:
    assert found("now  go \t away", Entry("phrase", "go away")) == ["go \t away"]
    assert found("go awayday", Entry("phrase", "go away")) == []


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("see https://example.org/x?y", ["https://example.org/x?y"]),
        ("see WWW.Example.org", ["WWW.Example.org"]),
        ("see http://example.org:8080", ["http://example.org:8080"]),
        ("see https://me:x@shop.example.org", ["https://me:x@shop.example.org"]),
        ("see ｅｘａｍｐｌｅ．org", ["ｅｘａｍｐｌｅ．org"]),
        ("see notexample.org example.org.uk example.orgs", []),
        ("write to me@example.org", []),
    ],
)
def test_a_domain_is_found_with_all_below_it(text: str, places: list[str]) -> None:
    assert found(text, Entry("domain", "example.org")) == places


def test_a_url_is_found_with_what_lies_below_its_path() -> None:
    entry = Entry("url", "example.org/shop")
    text = "example.org/shop example.org/shop/x example.org/shopping example.org"
    assert found(text, entry) == ["example.org/shop"]
    assert found("example.org/shopping example.org", entry) == []


@pytest.mark.parametrize(
    ("text", "listed"),
    [
        ("xn--bcher-kva.example", "bücher.example"),
        ("BÜCHER.Example", "xn--bcher-kva.example"),
        ("bu\u0308cher.example", "bücher.example"),
        ("ΣΑΣ.example", "σασ.example"),  # the last letter, too
        ("a.坏.example", "xn--7es.example"),
        ("b%C3%BCcher.example", "bücher.example"),
    ],
)
def test_hosts_are_compared_as_browsers_read_them(text: str, listed: str) -> None:
    assert found(f"see {text} now", Entry("domain", listed)) == [text]


def test_hosts_that_are_none_are_compared_letter_by_letter() -> None:
    long = "xn--" + "a" * 80
    assert found(f"{long}.example", Entry("domain", f"{long}.example")) == [f"{long}.example"]
    assert found("xn--\u00fc.example strasse.example", Entry("domain", "straße.example")) == []


def test_each_of_very_many_matches_has_its_place() -> None:
    text = "坏" * 5000
    assert found(text, Entry("word", "坏")) == ["坏"]
    turned = "\u202etoidi\u202c idiot"  # read from right to left, it comes first
    assert found(turned, Entry("word", "idiot")) == ["toidi\u202c"]


def test_an_author_is_found_by_id_alone() -> None:
    assert found("u-1", Entry("author", "u-1"), author="u-1") == ["u-1"]
    assert found("u-1", Entry("author", "u-1"), author="U-1") == []
    assert ListFinder({"list": [Entry("author", "u-1")]}).find(None, None, NOW) == []


def test_what_has_expired_is_not_found() -> None:
    entries = [
        Entry("word", "old", expires=LONG_AGO),
        Entry("word", "new", expires=LATER),
        Entry("word", "now", expires=NOW),
    ]
    assert found("old new now", *entries) == ["new"]


def test_what_is_allowed_takes_back_what_is_blocked_there_and_only_there() -> None:
    block, allow = Entry("word", "idiot"), Entry("phrase", "village idiot", "allow")
    assert found("the village idiot", block, allow) == ["village idiot"]
    assert found("the village idiot, idiot", block, allow) == ["village idiot", "idiot"]
    expired = Entry("phrase", "village idiot", "allow", expires=LONG_AGO)
    assert found("the village idiot", block, expired) == ["idiot"]


def test_the_narrower_site_is_right() -> None:
    site, below = Entry("domain", "example.org"), Entry("domain", "docs.example.org", "allow")
    matches = ListFinder({"list": [site, below]}).find("docs.example.org www.example.org", None, NOW)
    assert [(match.entry.action, match.start) for match in matches] == [("allow", 0), ("block", 17)]
    wide, narrow = Entry("domain", "example.org", "allow"), Entry("url", "example.org/shop")
    assert found("example.org/shop", wide, narrow) == ["example.org/shop"] * 2


def test_one_value_may_stand_in_several_lists() -> None:
    finder = ListFinder({"one": [Entry("word", "idiot")], "two": [Entry("word", "IDIOT", note="loud")]})
    assert [(match.name, match.entry.note) for match in finder.find("idiot", None, NOW)] == [
        ("one", None),
        ("two", "loud"),
    ]


def test_entries_that_are_not_read_would_be_read_as_they_are() -> None:
    rng = random.Random(1)
    for _ in range(2_000):
        value = " ".join("".join(rng.choices("abelost", k=rng.randint(1, 5))) for _ in range(rng.randint(1, 3)))
        assert spell(value) == read_letters(Seen(value))[0].strip()


@pytest.mark.parametrize("value", ["(", "(?=a)", "a*", "", r"\1"])
def test_expressions_that_re2_does_not_take_or_that_are_everywhere_are_refused(value: str) -> None:
    with pytest.raises(ListError):
        Patterns([value])


def test_more_expressions_than_can_be_tried_are_refused() -> None:
    with pytest.raises(ListError, match="2001"):
        Patterns(["a"] * (MAX_PATTERNS + 1))


def test_many_expressions_are_found_together() -> None:
    values = [f"w{number}x" for number in range(100)]
    assert [index for index, _, _ in Patterns(values).find("w7x W64X w99x w100x")] == [7, 64, 99]


def test_the_largest_expressions_fit_one_automaton() -> None:
    some = Patterns([rf"{number}\pL{{16}}q|hit{number}x" for number in range(32)])  # 19,163 steps each
    assert [index for index, _, _ in some.find("hit3x hit28x")] == [3, 28]


def test_what_does_not_fit_one_automaton_is_a_wrong_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sluice.lists.patterns.MAX_STEPS", 10**6)
    with pytest.raises(ListError, match="4 expressions together"):
        Patterns([rf"{number}\pL{{300}}q" for number in range(4)])


def test_an_expression_costs_linear_time() -> None:
    assert found("a" * 20_000 + "!", Entry("regex", "(a|a|aa)+$")) == []


WORDS = (
    "bad",
    "bada",
    "ada",
    "good",
    "straße",
    "ΣΑΣ",
    "坏",
    "坏人",
    "人",
    "كلب",
    "кот",
    "café",
    "x",
    "b4d",
    "$am",
    "\N{FIRE}",
    "ไทย",
)
SIGNS = (" ", " ", " ", "", "  ", ", ", "-", ".", "\u200b", "_", "\u0301", "!", "\n", "１", "&amp;", "\u202e", "ß")
SITES = (
    "bad.example",
    "www.bad.example",
    "docs.bad.example/x",
    "bad.example/x/y",
    "http://bad.example:80/x?y",
    "bad.examples",
)


def _text(rng: random.Random) -> str:
    """Words of the lists and others, run together, apart, in capitals and disguised; now and then a link."""
    pieces: list[str] = []
    for _ in range(rng.randint(0, 12)):
        if rng.random() < 0.1:
            pieces.append(f" {rng.choice(SITES)} ")
            continue
        word = rng.choice(WORDS)
        pieces += [rng.choice((word, word, word.upper(), word.title(), " ".join(word))), rng.choice(SIGNS)]
    return "".join(pieces)


def _entries(rng: random.Random) -> Iterable[Entry]:
    for value in rng.sample(WORDS, 8):
        yield Entry("word", value, _action(rng), expires=rng.choice((None, None, LONG_AGO, LATER)))
    for _ in range(4):
        yield Entry("phrase", " ".join(rng.sample(WORDS, 2)), _action(rng))
    for value in rng.sample(("b.d", "[ab]+d", "goo?d", "x|人"), 2):
        yield Entry("regex", value, _action(rng))
    yield Entry("domain", rng.choice(("bad.example", "docs.bad.example")), _action(rng))
    yield Entry("url", "bad.example/x", _action(rng))
    yield Entry("author", "u-1", _action(rng))


def _action(rng: random.Random) -> Action:
    return "allow" if rng.random() < 0.2 else "block"


@pytest.mark.parametrize("seed", range(15))
def test_the_same_is_found_as_by_a_plain_reference(seed: int) -> None:
    rng = random.Random(seed)
    lists = {"one": list(dict.fromkeys(_entries(rng))), "two": list(dict.fromkeys(_entries(rng)))}
    finder = ListFinder(lists)
    for _ in range(25):
        text, author = _text(rng), rng.choice((None, "u-1", "u-2"))
        ours = {
            (match.name, match.entry.kind, match.entry.value, -1 if match.start is None else match.start)
            for match in finder.find(text, author, NOW)
        }
        assert ours == reference.find(lists, text, author, NOW), repr(text)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('<a href="http://bad.example/x">here</a>', (9, 29)),
        ("see bad\u3002example now", (4, 15)),
        ("http://bad.example\\@good.example", (0, 32)),
        ("http://bad%2Eexample", (0, 20)),
        ("http://b%61d.example", (0, 20)),
        ("[x](http://bad.example)", (4, 22)),
        ("http:\\\\bad.example", (0, 18)),
        ("notbad.example, x@bad.example.org, http://good.example/bad.example", None),
    ],
)
def test_sites_are_found_where_browsers_go(text: str, place: tuple[int, int] | None) -> None:
    found = ListFinder({"a": [Entry("domain", "bad.example")]}).find(text, None, NOW)
    assert [(match.start, match.end) for match in found] == ([] if place is None else [place])


@pytest.mark.parametrize("path", ["/./Sale", "/x/../Sale", "/%53ale", "//Sale", "/Sale/y", "/Sale?z", "\\Sale"])
def test_paths_are_found_however_they_are_written(path: str) -> None:
    finder = ListFinder({"a": [Entry("url", "shop.example/Sale")]})
    assert len(finder.find(f"shop.example{path}", None, NOW)) == 1
    assert finder.find("shop.example/Sales shop.example/sale", None, NOW) == []


def test_the_narrower_link_is_right_however_it_is_written() -> None:
    for blocked, allowed, text, is_blocked in (
        (
            Entry("url", "shop.example/Sale"),
            Entry("domain", "https://shop.example/", "allow"),
            "shop.example/Sale",
            True,
        ),
        (Entry("domain", "https://bad.example/"), Entry("domain", "ok.bad.example", "allow"), "ok.bad.example", False),
    ):
        found = ListFinder({"a": [blocked], "b": [allowed]}).find(text, None, NOW)
        assert any(match.entry.action == "block" for match in found) is is_blocked
