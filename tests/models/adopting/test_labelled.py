"""A user's own posts."""

import pytest

from sluice_models.adopting.encoders import AdoptError
from sluice_models.adopting.labelled import is_held_out, read_posts
from tests.models.adopting.miniatures import write_lines

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", ":2: not"),
        ('{"text": "hello"}', ":2: not"),
        ('{"labels": {}}', '"text" or "image"'),
        ('{"text": "a", "image": "a.png", "labels": {}}', '"text" or "image"'),
        ('{"text": "a", "labels": {"rude": 1}}', "rude is none of toxicity"),
        ('{"text": "a", "labels": {"threat": 0.5}}', "1, 0 or null"),
        ('{"image": "none.png", "labels": {}}', "does not exist"),
    ],
)
def test_a_line_of_posts_that_is_wrong_is_named(tmp_path, line, said):
    file = tmp_path / "posts.jsonl"
    file.write_text('{"text": "fine", "labels": {"threat": 0}}\n' + line + "\n")
    with pytest.raises(AdoptError, match=said) as caught:
        read_posts(file)
    assert "posts.jsonl:2" in str(caught.value)


def test_what_people_decided_is_read_as_decisions_labels_texts_prints_it(tmp_path):
    line = {"post_id": "p-1", "tenant": "shop", "labels": {"threat": 1}, "text": "what they overruled"}
    (post,) = read_posts(write_lines(tmp_path / "hard.jsonl", [line]))
    assert post.text == line["text"]


def test_equal_posts_are_held_out_together(tmp_path):
    lines = [{"text": f"the train number {n // 2}", "labels": {"threat": 0}} for n in range(200)]
    posts = read_posts(write_lines(tmp_path / "posts.jsonl", lines))
    held = {post.text for post in posts if is_held_out(post)}
    kept = {post.text for post in posts if not is_held_out(post)}
    assert held
    assert len(held) < len(kept)
    assert not held & kept
