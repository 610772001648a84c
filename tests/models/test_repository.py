"""The models as shipped in `triton_repo/`: their contract, and what they make of plain cases."""

from functools import lru_cache
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import yaml
from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import DataType, ModelConfig

from sluice.contract import TEXT_ENCODER
from sluice.features.audio import log_mel
from sluice.features.text import TextExtractor
from sluice.modalities.base import inputs_of
from sluice.resources import default_policy
from sluice.schema import LABELS
from sluice_models.config import MODEL_NAMES, TRITON_REPO
from sluice_models.export import sample_inputs
from sluice_models.measure.mixtures import shot_scene
from sluice_models.recipes.audio.sounds import N_SAMPLES, SOUNDS
from tests.models.scenes.drawings import draw_pictures

pytestmark = pytest.mark.torch

POLICY = yaml.safe_load(default_policy().read_text("utf-8"))["labels"]
REVIEW = np.array([POLICY.get(label, {}).get("review", 2.0) for label in LABELS])
EXTRACTOR = TextExtractor()
ONNX_TYPES = {
    "tensor(int64)": "TYPE_INT64",
    "tensor(uint8)": "TYPE_UINT8",
    "tensor(float)": "TYPE_FP32",
    "tensor(bool)": "TYPE_BOOL",
}


@lru_cache
def load(name):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(TRITON_REPO / name / "1" / "model.onnx"), options)


def run(name, **inputs):
    session = load(name)
    return dict(zip((tensor.name for tensor in session.get_outputs()), session.run(None, inputs), strict=True))


def fuse(tokens, kind):
    shape = tokens.shape[:2]
    outputs = run("fusion", tokens=tokens, mask=np.ones(shape, bool), kind=np.full(shape, kind, np.int64))
    return 1 / (1 + np.exp(-outputs["logits"]))


def score_text(text):
    return fuse(encode_text(text)["tokens"], 0)[0]


def encode_text(text):
    row = EXTRACTOR.extract(text).rows[0]
    return run("text_encoder", **{name: array[None] for name, array in inputs_of(TEXT_ENCODER, row).items()})


def read_config(file: Path):
    return text_format.Parse(file.read_text("utf-8"), ModelConfig())


@pytest.mark.parametrize("name", MODEL_NAMES)
@pytest.mark.parametrize("variant", ["config.pbtxt", "configs/cpu.pbtxt", "configs/tensorrt.pbtxt"])
def test_each_configuration_names_the_tensors_of_the_onnx_file(name, variant):
    config = read_config(TRITON_REPO / name / variant)
    session = load(name)
    assert config.name == name
    assert config.max_batch_size >= 32
    for declared, found in ((config.input, session.get_inputs()), (config.output, session.get_outputs())):
        assert [tensor.name for tensor in declared] == [tensor.name for tensor in found]
        for tensor, real in zip(declared, found, strict=True):
            assert DataType.Name(tensor.data_type) == ONNX_TYPES[real.type]
            assert len(tensor.dims) == len(real.shape) - 1
            fixed = [(ours, theirs) for ours, theirs in zip(tensor.dims, real.shape[1:], strict=True) if ours != -1]
            assert all(ours == theirs or isinstance(theirs, str) for ours, theirs in fixed)


def test_logits_have_a_column_per_label():
    for name in MODEL_NAMES:
        config = read_config(TRITON_REPO / name / "config.pbtxt")
        assert next(list(t.dims) for t in config.output if t.name in {"logits", "severity"}) == [len(LABELS)]


def test_the_repository_stays_small():
    assert sum(file.stat().st_size for file in TRITON_REPO.rglob("*.onnx")) < 120e6


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_a_row_scores_the_same_in_any_batch(name):
    inputs = {key: value.numpy() for key, value in sample_inputs(name, 5, seed=1).items()}
    together = run(name, **inputs)
    alone = run(name, **{key: value[2:3] for key, value in inputs.items()})
    for output in together:
        np.testing.assert_allclose(together[output][2:3], alone[output], atol=2e-4)


@pytest.mark.parametrize(
    "text",
    [
        "See you at lunch tomorrow",
        "The museum is closed on Mondays, shall we go on Tuesday?",
        "Thank you for the lovely flowers",
        "My brother repaired the washing machine",
        "明天中午一起吃饭吧",
        "请问图书馆怎么走？",
        "昨天的电影很好看，推荐给大家",
        "女儿今天第一次上学，很开心",
    ],
)
def test_plain_chat_is_allowed(text):
    assert not (score_text(text) >= REVIEW).any()


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("I will hurt you if you come here again", "threat"),
        ("You have WON a free prize, click the link now to claim it", "spam"),
        ("You are a stupid worthless idiot", "toxicity"),
        ("I want to end my life", "self_harm"),
        ("Bet on the match tonight at our online casino", "gambling"),
        ("你再来这里我就打死你", "threat"),
        ("恭喜您中了大奖，请点击链接领取奖金", "spam"),
        ("我不想活了", "self_harm"),
    ],
)
def test_plain_harm_is_reviewed_under_its_own_label(text, label):
    assert score_text(text)[LABELS.index(label)] >= POLICY[label]["review"]


def test_the_marks_of_a_threat_stand_on_the_threat():
    scores = encode_text("the weather is nice today but I will break your legs")["token_scores"]
    marks = scores[0, LABELS.index("threat")]
    assert marks[-5:-1].mean() > marks[1:6].mean()


def test_few_drawn_pictures_are_flagged_though_they_are_to_look_like_harms():
    scores = fuse(run("image_encoder", pixels=draw_pictures(40, seed=77))["tokens"], 1)
    assert (scores >= REVIEW).any(axis=1).mean() <= 0.2


def sounds_that_end(rng):
    """Every kind of harmless sound four times, two of them shorter than their window, as files are."""
    made = [sound(rng) for sound in SOUNDS for _ in range(4)]
    return np.stack([log_mel(wave[: rng.integers(8000, len(wave))] if i % 2 else wave) for i, wave in enumerate(made)])


def test_synthesised_sounds_are_allowed():
    scores = fuse(run("audio_encoder", log_mel=sounds_that_end(np.random.default_rng(77)))["tokens"], 2)
    assert (scores >= REVIEW).any(axis=1).mean() <= 0.03


def test_a_shot_alone_is_never_a_weapon():
    rng = np.random.default_rng(78)
    rows = np.stack([log_mel(shot_scene(rng)[0][:N_SAMPLES]) for _ in range(20)])
    scores = fuse(run("audio_encoder", log_mel=rows)["tokens"], 2)
    assert (scores[:, LABELS.index("weapons")] < POLICY["weapons"]["review"]).all()
