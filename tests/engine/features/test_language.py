"""Which language a text is in. The sentences are ours; the figures over labelled texts are in docs/models.md."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from sluice.features import UND
from sluice.features.language import MAX_CHARS, LanguageIdentifier, cut_passages

READ = ("en", "zh")


@pytest.fixture(scope="module")
def identifier() -> LanguageIdentifier:
    return LanguageIdentifier()


def code(identifier: LanguageIdentifier, text: str, read: tuple[str, ...] = READ) -> str:
    return identifier.identify([text], read)[0].main.code


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("We met at the station and walked home together.", "en"),
        ("我们明天一起去公园散步。", "zh"),
        ("明日は友達と公園に行きます。", "ja"),
        ("내일 공원에서 만나자", "ko"),
        ("พรุ่งนี้ไปสวนสาธารณะกันเถอะ", "th"),
        ("Αύριο θα πάμε στο πάρκο", "el"),
        ("מחר נלך לפארק", "he"),
        ("Завтра мы пойдём гулять в парк.", "ru"),
        ("سنذهب غدا إلى الحديقة", "ar"),
        ("हम कल पार्क जाएंगे और खेलेंगे", "hi"),
        ("Morgen gehen wir zusammen in den Park.", "de"),
        ("Mañana vamos juntos al parque con los niños.", "es"),
        ("Demain nous allons au parc avec les enfants.", "fr"),
        ("Domani andiamo al parco con i bambini.", "it"),
        ("Amanhã vamos ao parque com as crianças.", "pt"),
        ("Jutro idziemy razem do parku.", "pl"),
        ("Yarın birlikte parka gideceğiz.", "tr"),
        ("Ngày mai chúng ta đi công viên nhé.", "vi"),
    ],
)
def test_everyday_sentences(identifier: LanguageIdentifier, text: str, language: str) -> None:
    (found,) = identifier.identify([text], READ)
    assert found.main.code == language
    assert found.main.probability > 0.8
    assert found.unread == (() if language in READ else (language,))


@pytest.mark.parametrize(
    "text",
    [
        "", "ok", "lol", "LMAOOOO", "hahaha", "\N{GRINNING FACE}" * 3, "https://example.org/ein/pfad", "1234 5678",
        "Angela Merkel", "Real Madrid vs Atlético Madrid", "Mr Cockburn", "G O O D D A Y", "c u l8r m8", "GG EZ",
        "Häagen-Dazs", "¯\\_(ツ)_/¯", "yo wassup finna pull up", "asdf qwer uiop", "la la la la", "naïve résumé",
    ],
)  # fmt: skip
def test_what_says_too_little_is_undetermined_or_read(identifier: LanguageIdentifier, text: str) -> None:
    (found,) = identifier.identify([text], READ)
    assert found.main.code in (UND, "en")
    assert found.unread == ()


@pytest.mark.parametrize(
    "text",
    [
        "My friend Владимир sent me this song yesterday",
        "I love 東京 so much, we should go back",
        "The word is สวัสดี and it means hello in Thai",
        "Schadenfreude is real and I feel it today",
        "Ramadan Mubarak to everyone in the neighbourhood!",
    ],
)
def test_an_english_post_with_a_foreign_name_stays_english(identifier: LanguageIdentifier, text: str) -> None:
    assert identifier.identify([text], READ)[0].unread == ()
    assert code(identifier, text) == "en"


def test_a_large_part_in_another_language_is_told(identifier: LanguageIdentifier) -> None:
    english = "We met at the station and walked home together. The weather was lovely. " * 4
    (found,) = identifier.identify([f"{english}\nพรุ่งนี้ไปสวนสาธารณะกันเถอะ แล้วกินข้าวด้วยกัน"], READ)
    assert (found.main.code, found.unread) == ("en", ("th",))
    (found,) = identifier.identify([f"{english}Morgen gehen wir zusammen in den Park. {english}"], READ)
    assert (found.main.code, found.unread) == ("en", ("de",))


def test_a_script_without_a_read_language_is_never_read(identifier: LanguageIdentifier) -> None:
    (found,) = identifier.identify(["привет"], READ)
    assert found.main.code == "und-Cyrl"
    assert found.unread == ("und-Cyrl",)


def test_a_language_that_is_read_is_not_told(identifier: LanguageIdentifier) -> None:
    text = "Morgen gehen wir zusammen in den Park."
    (found,) = identifier.identify([text], (*READ, "de"))
    assert (found.main.code, found.unread) == ("de", ())


def test_a_text_has_the_same_languages_in_any_company_and_on_any_thread(identifier: LanguageIdentifier) -> None:
    texts = ["Morgen gehen wir in den Park.", "See you in the park tomorrow.", "明日は公園に行きます。", ""] * 8
    alone = [identifier.identify([text], READ)[0] for text in texts]
    with ThreadPoolExecutor(4) as threads:
        assert all(found == alone for found in threads.map(lambda _: identifier.identify(texts, READ), range(8)))


def test_the_work_on_a_long_text_is_bounded() -> None:
    text = "We met at the station. " * 100_000 + "Morgen gehen wir in den Park."
    passages = list(cut_passages(text))
    assert sum(map(len, passages)) <= 1.1 * MAX_CHARS
    assert passages[-1].endswith("in den Park.")
    assert all(len(passage) <= 640 for passage in cut_passages("ab" * 5_000))
