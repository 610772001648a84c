"""The first stage as shipped: it stands for the models beside it, and for thresholds that the shipped policy keeps."""

import msgspec
import numpy as np
import pytest
from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import DataType, ModelConfig

from sluice.contract import FIRST_STAGE
from sluice.features import UND
from sluice.features.text import TextExtractor
from sluice.inference.fit import check_config, read_clearance
from sluice_models.config import MEASURED_FILE, TRITON_REPO, Measured, digest_models, read_languages, read_measured
from sluice_models.measure.context import shipped_thresholds
from sluice_models.measure.first_stage import open_stage
from sluice_models.recipes.text.taught import Taught
from sluice_models.training.suspicion import read_suspicion

pytestmark = pytest.mark.torch
FILE = TRITON_REPO / "first_stage" / "1" / "model.onnx"
MAX_BYTES = 8e6
EVERYDAY = (
    "See you at lunch tomorrow", "Thank you for the lovely flowers", "The museum is closed on Mondays",
    "Can somebody recommend a good book about gardens?", "明天中午一起吃饭吧", "请问图书馆怎么走？",
)  # fmt: skip
HARMFUL = (
    "I will hurt you if you come here again", "You are a stupid worthless idiot", "I want to end my life",
    "You have WON a free prize, click the link now to claim it", "你再来这里我就打死你",
    "恭喜您中了大奖，请点击链接领取奖金",
)  # fmt: skip


@pytest.fixture(scope="module")
def config():
    return text_format.Parse((TRITON_REPO / "first_stage" / "config.pbtxt").read_text("utf-8"), ModelConfig())


def suspect(texts):
    ids = [features.rows[0].input_ids.astype(np.int32) for features in TextExtractor().extract_batch(texts)]
    nothing = np.zeros((len(ids), 1), np.float32)
    return read_suspicion(open_stage(FILE), Taught(ids, np.ones(len(ids), bool), nothing, nothing, np.array(["en"])))


def test_it_learned_from_the_text_encoder_and_the_fusion_that_are_shipped():
    measured = read_measured(TRITON_REPO)
    assert measured is not None
    assert measured.stands_for == digest_models(TRITON_REPO), "train it anew: python -m sluice_models.first_stage"


def test_the_shipped_policy_reviews_from_no_lower_threshold_than_it_was_measured_with(config):
    clearance = read_clearance(config)
    assert clearance is not None
    for label, score in shipped_thresholds().review.items():
        assert clearance.thresholds[label] <= score, label


def test_its_languages_are_some_of_those_that_are_read(config):
    assert set(read_clearance(config).languages) <= {*read_languages(TRITON_REPO), UND}
    assert {"en", "zh"} & set(read_clearance(config).languages)


def test_its_configuration_and_its_file_have_the_contracts_tensors(config):
    check_config(FIRST_STAGE, config)
    assert [DataType.Name(tensor.data_type) for tensor in config.input] == ["TYPE_INT64"] * 2
    assert FILE.stat().st_size < MAX_BYTES
    assert msgspec.json.decode((TRITON_REPO / MEASURED_FILE).read_bytes(), type=Measured)


def test_plain_harm_is_suspicious_and_everyday_texts_are_less_so():
    assert (suspect(HARMFUL) > 0).all()
    assert suspect(EVERYDAY).mean() < suspect(HARMFUL).mean()
