"""The peers' side: the shipped models without Sluice give the answers that the engine's pipeline gives."""

import json

import numpy as np
import pytest

from sluice.bench.limits import Limiter, _cut_to_fit
from sluice.bench.media import write_media
from sluice.bench.plain_model import PlainModel, find_model
from sluice.bench.posts import Mix, files_of, make_posts
from sluice.contract import FUSION, TEXT_ENCODER
from sluice.errors import InvalidPost
from sluice.schema import encode


@pytest.fixture(scope="module")
def posts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("media")
    made = make_posts(12, 4, Mix(40, 30, 10, 20, 20), folder)
    list(write_media(folder, files_of(made), 1))
    return made


@pytest.fixture(scope="module")
def model():
    return PlainModel()


def test_a_post_alone_and_among_others_has_one_answer(model, posts):
    together = model.score([encode(post) for post in posts])
    assert together == [model.score([encode(post)])[0] for post in posts]
    assert [json.loads(answer)["post_id"] for answer in together] == [post.id for post in posts]


def test_what_is_no_post_is_refused(model):
    with pytest.raises(InvalidPost):
        model.score([b"{}"])


def test_a_model_is_opened_as_triton_serves_it():
    assert find_model(TEXT_ENCODER, "8bit") != find_model(TEXT_ENCODER, "32bit")
    assert find_model(TEXT_ENCODER, "32bit").name == "model.onnx"
    assert find_model(FUSION, "32bit").exists()


def test_the_limit_in_this_process_takes_every_row(posts):
    limiter = Limiter(None)
    curves = limiter.sweep(posts)
    assert set(curves) == {"text_encoder", "image_encoder", "audio_encoder"}
    assert all(rate > 0 for rates in curves.values() for rate in rates.values())
    assert limiter.run(posts, curves, seconds=60.0).n_posts == len(posts)
    assert limiter.run(posts, curves, seconds=0.001).n_posts == 1


def test_batches_keep_within_the_models_cells():
    rows = [dict.fromkeys(("input_ids", "attention_mask"), np.zeros(length)) for length in (8, 8, 512, 512)]
    spec = TEXT_ENCODER
    for group in _cut_to_fit(spec, rows, 32):
        assert len(group) * max(len(row["input_ids"]) for row in group) <= max(spec.max_cells, 512)
    assert sum(len(group) for group in _cut_to_fit(spec, rows, 3)) == 4
