"""Pictures and clips: a name says what is in the file."""

import hashlib
import random

import numpy as np
import pytest

from sluice.bench.media import CLIP_LENGTHS_S, SIZES, encode_clip, name_clip, name_picture, write_media, write_one
from sluice.features.audio import extract_audio
from sluice.features.image import _open, extract_image


def digest(file):
    return hashlib.sha256(file.read_bytes()).hexdigest()


def test_a_name_gives_the_same_everywhere(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        for name in (name_picture(1, 2), name_clip(1, 2)):
            write_one(tmp_path / folder, name)
    names = (name_picture(1, 2), name_clip(1, 2))
    pictures, clips = ([tmp_path / folder / name for folder in ("a", "b")] for name in names)
    assert digest(pictures[0]) == digest(pictures[1])
    one, two = (extract_audio(file.read_bytes()).rows for file in clips)  # an Ogg stream has a number of its own
    assert len(one) == len(two)
    assert all(np.array_equal(a.log_mel, b.log_mel) for a, b in zip(one, two, strict=True))


def test_other_numbers_and_seeds_give_other_pictures(tmp_path):
    names = [name_picture(1, 1), name_picture(1, 2), name_picture(2, 1)]
    assert len({digest(tmp_path / write_one(tmp_path, name)) for name in names}) == 3


def test_a_picture_compressed_again_is_nearly_the_same(tmp_path):
    names = [name_picture(3, 1), name_picture(3, 1, again=True)]
    first, again = ((tmp_path / write_one(tmp_path, name)).read_bytes() for name in names)
    assert first != again
    one, two = (extract_image(content).rows[0].pixels.astype(int) for content in (first, again))
    assert 0 < np.abs(one - two).mean() < 6


def test_pictures_and_clips_are_read_whole(tmp_path):
    picture = (tmp_path / write_one(tmp_path, name_picture(1, 7))).read_bytes()
    assert _open(picture).size in SIZES
    clip = extract_audio((tmp_path / write_one(tmp_path, name_clip(1, 7))).read_bytes())
    assert clip.partial is None
    assert round(clip.rows[-1].end_s) in CLIP_LENGTHS_S


def test_a_clip_is_as_long_as_asked():
    assert extract_audio(encode_clip(random.Random(1), 10)).rows[-1].end_s == pytest.approx(10.0, abs=0.05)


def test_only_what_is_missing_is_made(tmp_path):
    names = [name_picture(1, 1), name_clip(1, 1), name_picture(1, 1)]
    assert sorted(write_media(tmp_path, names, 1)) == sorted(set(names))
    assert list(write_media(tmp_path, names, 1)) == []


@pytest.mark.parametrize("name", ["../x.jpg", "photo.jpg", "picture-1-x.jpg"])
def test_another_name_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match="no name"):
        write_one(tmp_path, name)
