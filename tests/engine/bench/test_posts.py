"""The stream: its mix, its repeats, its seed."""

import pytest

from sluice.bench.posts import N_PICTURES, Mix, files_of, make_posts, parse_mix
from sluice.errors import BenchmarkError
from sluice.schema import decode_post, encode

N_POSTS = 3_000


@pytest.fixture(scope="module")
def posts(tmp_path_factory):
    return make_posts(N_POSTS, 1, Mix(), tmp_path_factory.mktemp("media"))


def content_of(post):
    return post.text, post.images, post.audio


def test_shares_are_those_of_the_mix(posts):
    shares = {
        "picture": sum(len(post.images) == 1 for post in posts),
        "pictures": sum(len(post.images) > 1 for post in posts),
        "sound": sum(bool(post.audio) for post in posts),
    }
    for kind, n in shares.items():
        assert abs(100 * n / N_POSTS - getattr(Mix(), kind)) < 2
    assert all(post.text for post in posts)
    assert {len(post.images) for post in posts} == {0, *range(N_PICTURES[0], N_PICTURES[1] + 1), 1}


def test_so_many_repeat_another_half_of_them_exactly(posts):
    seen, n_exact = set(), 0
    for post in posts:
        n_exact += content_of(post) in seen
        seen.add(content_of(post))
    assert abs(100 * n_exact / N_POSTS - Mix().repeats / 2) < 2
    n_again = sum("-again" in media.uri for post in posts for media in post.images)
    assert n_again > 0


def test_without_repeats_every_post_is_new(tmp_path):
    posts = make_posts(500, 1, Mix(0, 100, 0, 0, 0), tmp_path)
    assert len({content_of(post) for post in posts}) == 500
    assert len(files_of(posts)) == 500


def test_ids_are_unique_and_posts_are_valid(posts):
    assert len({post.id for post in posts}) == N_POSTS
    for post in posts[:100]:
        assert decode_post(encode(post)) == post


def test_a_seed_gives_the_same_posts_and_another_one_shares_none(posts, tmp_path):
    texts = {post.text for post in posts[:300] if len(post.text) > 60}
    assert [post.text for post in make_posts(300, 1, Mix(), tmp_path)] == [post.text for post in posts[:300]]
    other = make_posts(300, 2, Mix(), tmp_path)
    assert not texts & {post.text for post in other}
    assert not {post.id for post in posts} & {post.id for post in other}


def test_the_mix_is_read():
    assert parse_mix("70/20/7/3", 15) == Mix()
    assert parse_mix("text", 0) == Mix(100, 0, 0, 0, 0)
    assert str(Mix()) == "70/20/7/3, 15 % repeats"


@pytest.mark.parametrize("wrong", ["", "70/20", "70/20/7/4", "a/b/c/d", "110/-10/0/0", "pictures"])
def test_a_wrong_mix_is_refused(wrong):
    with pytest.raises(BenchmarkError, match="mix"):
        parse_mix(wrong, 15)
