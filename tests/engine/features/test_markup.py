"""A text is read as people see it."""

import pytest

from sluice.features.markup import undo_markup


@pytest.mark.parametrize(
    ("published", "seen"),
    [
        ("plain", "plain"),
        ("I &#108;ike&nbsp;you &amp; me &lt;3", "I like\xa0you & me <3"),
        ("&#x4f60;好 &unknown;", "你好 &unknown;"),
        ("<p>good <b>ev</b>ening</p><br/>all", "\ngood evening\n\nall"),
        ('<a href="https://example.org">here</a><!-- not there -->', "here"),
        ("good%20morning%2C%20all", "good morning, all"),
        ("%E4%BD%A0%E5%A5%BD%21", "你好!"),
        ("broken %ff%20 stays", "broken %ff%20 stays"),
        ("_very_ **good** ~~news~~ `here`", "very good news here"),
        ("\u202egninrom doog\u202c all", "good morning all"),
        ("🇳🇬 wins", " Nigeria  wins"),
    ],
)
def test_what_is_written_in_another_way_is_read_as_it_is_seen(published: str, seen: str) -> None:
    assert undo_markup(published)[0] == seen


@pytest.mark.parametrize(
    "text",
    ["5 % off, 10%off", "a<b and c>d", "I <3 you", "2 * 3 * 4", "snake_case_name", "rock & roll; Q&A", "x ~ y ~ z"],
)
def test_signs_that_mean_themselves_stay(text: str) -> None:
    assert undo_markup(text)[0] == text
