"""The command from end to end: encoders of others learn, are exported, and are served."""

import json
import random

import msgspec
import numpy as np
import onnxruntime
import pytest
import yaml
from PIL import Image

from sluice.features.text import TextExtractor
from sluice.schema import LABELS
from sluice_models import adopt
from sluice_models.adopting.train_heads import AdoptConfig
from sluice_models.config import D_TOKEN, N_TOKENS, TRITON_REPO
from tests.models.adopting.miniatures import HARSH, MILD, assert_served, open_model, spell, write_lines, write_onnx
from tests.models.scenes.drawings import draw_pictures, draw_scenes

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]


def read(result):
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout.splitlines()[-1])


def test_a_text_model_from_a_folder_learns_from_the_bundle_and_is_served(run, bert, bundle, tmp_path):
    line = read(run(bert, "--bundle", bundle, "--english-only", "--json"))
    out = tmp_path / "out"
    assert_served(out)
    assert line["model"] == "text_encoder"
    assert line["rows"]["held_out"] == 100
    assert line["auprc"]["threat"] > 0.9
    assert 0 < line["trained_parameters"] < line["parameters"]
    assert max(line["largest_difference"]["text_encoder"].values()) < 1e-3
    assert "quantise" not in (out / "text_encoder" / "configs" / "cpu.pbtxt").read_text("utf-8")
    assert "quantise" in (TRITON_REPO / "text_encoder" / "configs" / "cpu.pbtxt").read_text("utf-8")
    extractor = TextExtractor(out / "text_encoder" / "tokenizer.json")
    assert str(out / "text_encoder" / "tokenizer.json") == line["tokenizer"]
    tokens, logits, marks = open_model(out, "text_encoder").run(None, spell(extractor, HARSH[0], MILD[0]))
    assert tokens.shape == (2, N_TOKENS, D_TOKEN)
    assert logits[0, LABELS.index("threat")] > logits[1, LABELS.index("threat")]
    assert ((marks >= 0) & (marks <= 1)).all()


def test_an_image_model_from_a_folder_learns_from_a_users_own_posts(run, clip, tmp_path):
    scenes, _ = draw_scenes(40, seed=5)
    lines = []
    for number, pixels in enumerate([*scenes, *draw_pictures(30, seed=9)]):
        Image.fromarray(pixels.transpose(1, 2, 0)).save(tmp_path / f"{number}.png")
        labels = {"weapons": int(number < 40 and number % 2 == 0), "fire": int(number < 40 and number % 2)}
        lines.append({"image": f"{number}.png", "labels": {**labels, "sexual": None}})
    line = read(run(clip, "--posts", write_lines(tmp_path / "posts.jsonl", lines), "--json"))
    out = tmp_path / "out"
    assert_served(out)
    assert (line["model"], line["tokenizer"]) == ("image_encoder", None)
    assert sum(line["rows"].values()) == 70
    _, logits, heatmap = open_model(out, "image_encoder").run(None, {"pixels": scenes[:2]})
    assert logits.shape == (2, len(LABELS))
    assert heatmap.shape == (2, len(LABELS), 4, 4)
    assert "dims: [ 17, 4, 4 ]" in (out / "image_encoder" / "config.pbtxt").read_text("utf-8")
    assert not (out / "text_encoder" / "tokenizer.json").exists()


def test_an_onnx_file_gets_a_head_of_ours_and_marks_for_every_label(run, bert, tmp_path):
    file = write_onnx(bert, tmp_path / "theirs.onnx")
    rng = random.Random(1)
    lines = [{"text": f"{rng.choice(HARSH)} {n}", "labels": {"threat": 1, "spam": 0}} for n in range(120)]
    lines += [{"text": f"{rng.choice(MILD)} {n}", "labels": {"threat": 0}} for n in range(120)]
    options = ("--tokenizer", bert / "tokenizer.json", "--english-only", "--json")
    line = read(run(file, "--posts", write_lines(tmp_path / "posts.jsonl", lines), *options))
    out = tmp_path / "out"
    assert_served(out)
    assert line["auprc"]["threat"] > 0.9
    assert line["parameters"] is None
    rows = spell(TextExtractor(out / "text_encoder" / "tokenizer.json"), HARSH[1], MILD[1])
    session = open_model(out, "text_encoder")
    tokens, logits, marks = session.run(None, rows)
    assert marks.shape == (2, len(LABELS), rows["input_ids"].shape[1])
    assert logits[0, LABELS.index("threat")] > logits[1, LABELS.index("threat")]
    theirs = onnxruntime.InferenceSession(str(file)).run(None, rows)
    np.testing.assert_allclose(tokens, theirs[0], atol=1e-6)


def test_a_file_of_ours_is_adopted_again_with_a_calibrated_head(run, base, bundle, tmp_path):
    line = read(run(base / "audio_encoder" / "1" / "model.onnx", "--bundle", bundle, "--json"))
    assert_served(tmp_path / "out")
    assert line["model"] == "audio_encoder"
    assert line["largest_difference"]["audio_encoder"]["logits"] < 1e-3


def test_a_person_is_told_how_to_serve_it(capsys):
    adoption = adopt.Adoption("text_encoder", "out", "out/tokenizer.json", 9, 1, {"train": 4, "held_out": 1}, {}, {})
    adopt._say(adoption, as_json=False)
    said = capsys.readouterr().out
    assert "too few rows" in said
    assert "serve out with Triton, and set SLUICE_TOKENIZER=out/tokenizer.json for the worker" in said


def test_wrong_places_are_refused_before_anything_is_trained(run, bert, base, bundle, tmp_path):
    assert "nothing to learn from" in run(bert).output
    assert "does not exist" in run(bert, "--bundle", bundle, base=tmp_path / "nowhere").output
    refused = run(bert, "--bundle", bundle, "--out", base)
    assert refused.exit_code == 1
    assert "--out is --base" in refused.output


def test_a_model_without_rows_of_its_kind_says_so(run, clip, tmp_path):
    posts = write_lines(tmp_path / "posts.jsonl", [{"text": MILD[0], "labels": {"threat": 0}}])
    result = run(clip, "--posts", posts)
    assert result.exit_code == 1
    assert "no image posts to train on" in result.output.replace("\n", " ")


def test_the_shipped_hyper_parameters_are_whole():
    config = msgspec.convert(yaml.safe_load(adopt.CONFIG.read_text("utf-8")), AdoptConfig)
    assert min(config.text.n_steps, config.image.n_steps, config.head.n_steps, config.fusion.n_steps) > 0
