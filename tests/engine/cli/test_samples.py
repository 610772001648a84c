import io
import json
import wave
from typing import Any

import pytest
from PIL import Image

from sluice.cli.samples import make_samples
from sluice.client.inline_media import decode_inline
from sluice.errors import InvalidPost
from sluice.schema import decode_post


@pytest.fixture(scope="module")
def posts():
    found: dict[str, Any] = {}
    for sample in make_samples():
        try:
            found[sample.title] = decode_post(sample.line)
        except InvalidPost as error:
            found[sample.title] = error.reason
    return found


def test_ids_and_titles_are_unique():
    samples = make_samples()
    ids = [json.loads(sample.line)["id"] for sample in samples if sample.title != "not JSON"]
    assert len(set(ids)) == len(ids) == len({sample.title for sample in samples}) - 1
    assert 12 <= len(samples) <= 16


def test_two_are_no_posts(posts):
    reasons = [post for post in posts.values() if isinstance(post, str)]
    assert reasons == ["invalid", "not_json"]


def open_inline(media):
    return io.BytesIO(decode_inline(media.uri)[0])


def test_the_media_are_what_they_claim(posts):
    assert Image.open(open_inline(posts["drawn picture"].images[0])).size == (480, 360)
    assert getattr(Image.open(open_inline(posts["moving picture"].images[0])), "n_frames") == 8  # noqa: B009
    with wave.open(open_inline(posts["synthesised clip"].audio[0])) as clip:
        assert 2 < clip.getnframes() / clip.getframerate() < 4


def test_the_broken_picture_is_broken_and_does_not_end_the_post(posts):
    post = posts["broken picture"]
    assert post.text
    with pytest.raises(OSError, match="truncated"):
        Image.open(open_inline(post.images[0])).load()
