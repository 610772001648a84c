"""Encoders of others behind the contract: tiny random ones, a miniature bundle, and a user's own posts."""

import json
import random

import msgspec
import numpy as np
import onnx
import onnxruntime
import pytest
import soundfile
import torch
import yaml
import zstandard
from google.protobuf import text_format
from PIL import Image
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from tritonclient.grpc.model_config_pb2 import ModelConfig
from typer import Typer
from typer.testing import CliRunner

from engine.features.text import TextExtractor
from engine.schema import LABELS
from models import adopt, encode
from models.adopting import folder as adopt_folder
from models.adopting import onnx_files as adopt_onnx
from models.adopting import rows as adopt_rows
from models.adopting import training as adopt_training
from models.adopting.encoders import AdoptedText, AdoptError
from models.audio.sounds import N_SAMPLES
from models.config import (
    D_TOKEN,
    MODEL_NAMES,
    N_TOKENS,
    TRITON_REPO,
    AudioNetwork,
    ByteNetwork,
    FusionNetwork,
    ImageNetwork,
    TextNetwork,
    WordNetwork,
)
from models.encoders import AudioEncoder, ImageEncoder, TextEncoder
from models.export import OUTPUTS, export_model, sample_inputs
from models.fusion import train as train_fusion
from models.fusion.network import Fusion
from models.image import rows as picture_rows
from models.image.drawings import draw_pictures, draw_scenes

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]

MILD = ["the museum opens at nine", "we had soup for lunch", "her garden is green", "the train was late today"]
HARSH = ["i will break your window tonight", "watch out or i will hurt you", "i come and smash your door"]
WORDS = sorted({word for sentence in MILD + HARSH for word in sentence.split()})


def write_lines(file, lines):
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    return file


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A repository of tiny models of our own, with the shipped configurations."""
    torch.manual_seed(0)
    network = TextNetwork(
        WordNetwork(d_hidden=24, d_inner=48, n_layers=1, n_heads=2, n_positions=128),
        ByteNetwork(d_hidden=16, d_inner=32, n_layers=1, n_heads=2, n_positions=192),
    )
    built = {
        "text_encoder": TextEncoder(network, 40_000, 20_000),
        "image_encoder": ImageEncoder(ImageNetwork(channels=(4, 4, 8, 8))),
        "audio_encoder": AudioEncoder(AudioNetwork(channels=(4, 4, 8, 8))),
        "fusion": Fusion(FusionNetwork(n_layers=1, n_heads=2, d_inner=32)),
    }
    folder = tmp_path_factory.mktemp("models") / "repository"
    for name, model in built.items():
        with torch.no_grad():  # as in trained models, no two weights are equal: the exporter would store them once
            for weight in [*model.parameters(), *(model.head.buffers() if hasattr(model, "head") else ())]:
                weight.add_(torch.randn(weight.shape) * 0.02)
        export_model(name, model, folder / name / "1" / "model.onnx")
        for file in ("config.pbtxt", "configs/cpu.pbtxt", "configs/tensorrt.pbtxt"):
            (folder / name / file).parent.mkdir(exist_ok=True)
            (folder / name / file).write_bytes((TRITON_REPO / name / file).read_bytes())
    (folder / "fusion" / "1" / "model.plan").write_bytes(b"of other weights")
    return folder


def make_tokenizer(around=("[CLS]", "[SEP]"), unknown="[UNK]", extra=()):
    first, last = around
    vocabulary = ["[PAD]", unknown, first, last, *map(chr, range(97, 123)), *(f"##{chr(n)}" for n in range(97, 123))]
    numbers = {word: number for number, word in enumerate(dict.fromkeys([*vocabulary, *WORDS, *extra]))}
    tokenizer = Tokenizer(models.WordPiece(numbers, unk_token=unknown))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens([unknown, first, last])
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{first} $A {last}", special_tokens=[(first, numbers[first]), (last, numbers[last])]
    )
    return tokenizer


def save_bert(folder, tokenizer, **changes):
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 48}
    sizes |= {"vocab_size": 300, "max_position_embeddings": 128} | changes
    BertModel(BertConfig(**sizes)).save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return save_bert(tmp_path_factory.mktemp("bert"), make_tokenizer())


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    from transformers import CLIPVisionConfig, CLIPVisionModel

    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 48}
    folder = tmp_path_factory.mktemp("clip")
    CLIPVisionModel(CLIPVisionConfig(**sizes, image_size=64, patch_size=16)).save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text('{"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}')
    return folder


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """A miniature of the training bundle: mild and harsh sentences, drawings, and noise with and without a click."""
    folder, chance = tmp_path_factory.mktemp("bundle"), random.Random(0)
    (folder / "images").mkdir()
    (folder / "audio").mkdir()
    shared = {"licence_class": "open", "lang": "en", "source": "made", "meta": {}}
    texts = []
    for number in range(200):
        harsh = number % 2
        sentence = f"{chance.choice(HARSH if harsh else MILD)} {chance.choice(MILD)} {number // 2}"
        split = "val" if number % 4 < 2 else "train"
        labels = {"threat": harsh, "toxic": harsh}
        texts.append({"id": f"t{number}", "split": split, "text": sentence, "labels": labels, **shared})
    packed = zstandard.compress("".join(json.dumps(line) + "\n" for line in texts).encode())
    (folder / "text.jsonl.zst").write_bytes(packed)
    write_lines(folder / "images.jsonl", [draw_row(folder, number, shared) for number in range(24)])
    write_lines(folder / "audio.jsonl", [record_row(folder, number, shared) for number in range(24)])
    return folder


def draw_row(folder, number, shared):
    scene = number % 3 != 2
    pixels = draw_scenes(2, seed=number)[0][number % 3] if scene else draw_pictures(1, seed=number)[0]
    Image.fromarray(pixels.transpose(1, 2, 0)).save(folder / "images" / f"{number}.png")
    labels = {"weapons": int(number % 3 == 0), "fire": int(number % 3 == 1)}
    split = "val" if number >= 12 else "train"
    return {"id": f"i{number}", "split": split, "image": f"images/{number}.png", "labels": labels, **shared}


def record_row(folder, number, shared):
    noise = np.random.default_rng(number).normal(0, 0.02, N_SAMPLES).astype(np.float32)
    label = ("gunshot", "scream", None)[number % 3]
    noise[8000:9000] *= 20 if label else 1
    soundfile.write(folder / "audio" / f"{number}.wav", noise, 16_000)
    labels = {"gunshot": int(label == "gunshot"), "scream": int(label == "scream"), "shouting": 0}
    split = "val" if number >= 12 else "train"
    return {"id": f"a{number}", "split": split, "audio": f"audio/{number}.wav", "labels": labels, **shared}


@pytest.fixture
def few_rows(monkeypatch):
    monkeypatch.setattr(encode, "N_SOUNDS", 40)
    monkeypatch.setattr(encode, "N_SYNTHETIC", 6)
    monkeypatch.setattr(adopt_rows, "N_STAND_INS", 8)
    for module in (adopt_training, train_fusion):
        monkeypatch.setattr(module, "N_CALIBRATION_POSTS", 60)
        monkeypatch.setattr(module, "N_CALIBRATION_PAIRS", 30)
    monkeypatch.setattr(picture_rows, "N_DRAWN", {"train": 8, "val": 4})
    monkeypatch.setattr(picture_rows, "N_SCENES", 8)


@pytest.fixture
def run(base, tmp_path, few_rows):
    app = Typer()
    app.command()(adopt.main)
    training = {"n_steps": 60, "n_batch": 16, "learning_rate": 3e-3, "fresh_learning_rate": 3e-3}
    config = dict.fromkeys(("text", "image", "head"), training) | {"fusion": {**training, "n_steps": 8, "n_batch": 32}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config | {"n_templates": 40, "n_pairs": 40}))

    def run(source, *options, base=base):
        places = ["--base", str(base), "--runs", str(tmp_path / "runs"), "--config", str(tmp_path / "config.yaml")]
        return CliRunner().invoke(app, [str(source), "--out", str(tmp_path / "out"), *places, *map(str, options)])

    return run


def read(result):
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout.splitlines()[-1])


def open_model(repository, name):
    return onnxruntime.InferenceSession(str(repository / name / "1" / "model.onnx"))


def assert_served(repository):
    """Every model is there, as its configurations say, and no plan of other weights."""
    assert not list(repository.rglob("*.plan"))
    for name in MODEL_NAMES:
        session = open_model(repository, name)
        for variant in ("config.pbtxt", "configs/cpu.pbtxt", "configs/tensorrt.pbtxt"):
            config = text_format.Parse((repository / name / variant).read_text("utf-8"), ModelConfig())
            for declared, found in ((config.input, session.get_inputs()), (config.output, session.get_outputs())):
                assert [tensor.name for tensor in declared] == [tensor.name for tensor in found]
                for tensor, real in zip(declared, found, strict=True):
                    ours, theirs = list(tensor.dims), real.shape[1:]
                    assert len(ours) == len(theirs)
                    assert all(a in (-1, b) or isinstance(b, str) for a, b in zip(ours, theirs, strict=True))


def spell(extractor, *texts):
    rows = [features.rows[0] for features in extractor.extract_batch(texts)]
    length, n_bytes = max(len(row.input_ids) for row in rows), max(len(row.byte_ids) for row in rows)
    pad = {"input_ids": length, "attention_mask": length, "byte_ids": n_bytes, "byte_mask": n_bytes}
    return {
        name: np.stack([np.pad(getattr(row, name), (0, size - len(getattr(row, name)))) for row in rows])
        for name, size in pad.items()
    }


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


def test_the_adopted_models_own_weights_stay_as_they_are(bert):
    from transformers import BertModel

    adopted, _ = adopt_folder.load_folder(bert, english_only=True)
    own = BertModel.from_pretrained(bert, attn_implementation="eager").eval()
    ids, mask = torch.tensor([[2, 60, 61, 3]]), torch.ones(1, 4, dtype=torch.long)
    torch.testing.assert_close(adopted.read(ids, mask), own(input_ids=ids, attention_mask=mask).last_hidden_state)
    assert not [name for name, weight in adopted.body.named_parameters() if weight.requires_grad]
    assert [name for name, weight in adopted.heads.named_parameters() if weight.requires_grad]


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


class TwoInputs(torch.nn.Module):
    """A text encoder of somebody else's, as design.md describes it, without byte pieces."""

    def __init__(self, adopted):
        super().__init__()
        self.adopted = adopted

    def forward(self, input_ids, attention_mask):
        tokens, logits, marks = self.adopted.heads(self.adopted.read(input_ids, attention_mask), attention_mask)
        return tokens, logits + 9, marks


def write_onnx(bert, file, outputs=OUTPUTS["text_encoder"]):
    adopted, _ = adopt_folder.load_folder(bert, english_only=True)
    rows = torch.randint(0, 90, (2, 24)), torch.ones(2, 24, dtype=torch.long)
    axes = {0: "batch", 1: "length"}
    torch.onnx.export(
        TwoInputs(adopted).eval(),
        rows,
        str(file),
        input_names=["input_ids", "attention_mask"],
        output_names=list(outputs),
        dynamic_axes={
            "input_ids": axes,
            "attention_mask": axes,
            outputs[2]: axes,
            "tokens": {0: "batch"},
            "logits": {0: "batch"},
        },
        opset_version=17,
        dynamo=False,
    )
    return file


def test_an_onnx_file_gets_a_head_of_ours_and_the_inputs_that_it_lacks(run, bert, tmp_path):
    file = write_onnx(bert, tmp_path / "theirs.onnx")
    chance = random.Random(1)
    lines = [{"text": f"{chance.choice(HARSH)} {n}", "labels": {"threat": 1, "spam": 0}} for n in range(120)]
    lines += [{"text": f"{chance.choice(MILD)} {n}", "labels": {"threat": 0}} for n in range(120)]
    options = ("--tokenizer", bert / "tokenizer.json", "--english-only", "--json")
    line = read(run(file, "--posts", write_lines(tmp_path / "posts.jsonl", lines), *options))
    out = tmp_path / "out"
    assert_served(out)
    assert line["auprc"]["threat"] > 0.9
    assert line["parameters"] is None
    rows = spell(TextExtractor(out / "text_encoder" / "tokenizer.json"), HARSH[1], MILD[1])
    session = open_model(out, "text_encoder")
    tokens, logits, _ = session.run(None, rows)
    assert logits[0, LABELS.index("threat")] > logits[1, LABELS.index("threat")]
    theirs = onnxruntime.InferenceSession(str(file)).run(
        None, {name: rows[name] for name in ("input_ids", "attention_mask")}
    )
    np.testing.assert_allclose(tokens, theirs[0], atol=1e-6)
    other = rows | {"byte_ids": rows["byte_ids"] + 7}
    np.testing.assert_array_equal(session.run(None, other)[1], logits)


@pytest.mark.parametrize("name", ["text_encoder", "image_encoder", "audio_encoder"])
def test_an_encoder_of_ours_computes_its_logits_with_the_head_read_from_its_file(base, name):
    file = base / name / "1" / "model.onnx"
    assert adopt_onnx.require_contract(file) == name
    inputs = sample_inputs(name, 3)
    head = adopt_onnx.read_head(file)
    _, logits, _ = adopt_onnx.OnnxEncoder(name, file, head)(*inputs.values())
    expected = open_model(base, name).run(["logits"], {key: value.numpy() for key, value in inputs.items()})[0]
    np.testing.assert_allclose(logits.detach().numpy(), expected, atol=1e-4)


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


def test_names_of_special_tokens_are_those_that_the_engine_looks_for():
    content = json.loads(make_tokenizer(around=("<s>", "</s>"), unknown="<unk>").to_str())
    renamed = Tokenizer.from_str(json.dumps(adopt_folder.rename_specials(content)))
    assert (renamed.token_to_id("[CLS]"), renamed.token_to_id("[SEP]")) == (2, 3)
    assert renamed.token_to_id("<s>") is None
    before = Tokenizer.from_str(json.dumps(content))
    assert renamed.encode(MILD[0]).ids == before.encode(MILD[0]).ids


def test_a_tokenizer_that_cannot_spell_chinese_is_refused_unless_nobody_writes_it(bert, tmp_path):
    with pytest.raises(AdoptError, match=r"spells 0% .*--english-only"):
        adopt_folder.load_folder(bert, english_only=False)
    able = save_bert(tmp_path, make_tokenizer(extra=adopt_folder.FREQUENT_HAN), vocab_size=500)
    adopted, content = adopt_folder.load_folder(able, english_only=False)
    assert isinstance(adopted, AdoptedText)
    assert "的" in content["model"]["vocab"]


def without(file):
    return lambda folder: (folder / file).unlink()


def rewritten(file, content):
    return lambda folder: (folder / file).write_text(content)


def no_specials(folder):
    tokenizer = make_tokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A", special_tokens=[])
    tokenizer.save(str(folder / "tokenizer.json"))


@pytest.mark.parametrize(
    ("changes", "spoil", "said"),
    [
        ({}, without("config.json"), r"config\.json does not exist"),
        ({}, without("model.safetensors"), r"no \.safetensors"),
        ({}, without("tokenizer.json"), r"tokenizer\.json does not exist"),
        ({}, rewritten("config.json", "[1"), r"config\.json cannot be read"),
        ({}, rewritten("config.json", '{"model_type": "no such"}'), "transformers cannot load it"),
        ({}, rewritten("tokenizer.json", "{}"), r"tokenizer\.json cannot be read"),
        ({}, no_specials, "one token before and one behind"),
        ({"max_position_embeddings": 64}, None, r"does not read rows of \(2, 128\)"),
        ({"vocab_size": 40}, None, "the tokenizer has .* words, the model 40"),
    ],
)
def test_a_folder_that_does_not_fit_is_refused_with_the_reason(tmp_path, changes, spoil, said):
    folder = save_bert(tmp_path, make_tokenizer(), **changes)
    if spoil:
        spoil(folder)
    with pytest.raises(AdoptError, match=said):
        adopt_folder.load_folder(folder, english_only=True)


def test_an_onnx_file_with_other_tensors_is_refused_by_name(base, bert, tmp_path):
    with pytest.raises(AdoptError, match="none of ours"):
        adopt_onnx.require_contract(base / "fusion" / "1" / "model.onnx")
    named = write_onnx(bert, tmp_path / "named.onnx", ("tokens", "logits", "attention"))
    with pytest.raises(AdoptError, match="token_scores"):
        adopt_onnx.require_contract(named)
    (tmp_path / "broken.onnx").write_bytes(b"not a model")
    with pytest.raises(AdoptError, match="cannot be loaded"):
        adopt_onnx.require_contract(tmp_path / "broken.onnx")
    with pytest.raises(AdoptError, match="does not exist"):
        adopt_onnx.require_contract(tmp_path / "none.onnx")


def test_an_onnx_file_with_tensors_of_another_shape_is_refused(tmp_path):
    class Small(torch.nn.Module):
        def forward(self, pixels):
            mean = pixels.float().mean(dim=(1, 2, 3))
            return mean.view(-1, 1, 1).expand(-1, 4, 200), mean.view(-1, 1).expand(-1, 17), mean.view(-1, 1, 1, 1)

    rows = (sample_inputs("image_encoder", 2)["pixels"],)
    file = str(tmp_path / "small.onnx")
    names = list(OUTPUTS["image_encoder"])
    axes = {tensor: {0: "batch"} for tensor in ("pixels", *names)}
    torch.onnx.export(
        Small(),
        rows,
        file,
        input_names=["pixels"],
        output_names=names,
        dynamic_axes=axes,
        opset_version=17,
        dynamo=False,
    )
    with pytest.raises(AdoptError, match=r"tokens is float32 of shape \(1, 4, 200\), not float32 of \(1, 4, 256\)"):
        adopt_onnx.require_contract(tmp_path / "small.onnx")


def test_an_onnx_file_of_an_old_opset_is_refused(base, tmp_path):
    model = onnx.load(base / "audio_encoder" / "1" / "model.onnx")
    model.opset_import[0].version = 11
    onnx.save(model, tmp_path / "old.onnx")
    head = adopt_onnx.read_head(base / "audio_encoder" / "1" / "model.onnx")
    with pytest.raises(AdoptError, match="opset 11"):
        adopt_onnx.graft_head(tmp_path / "old.onnx", "audio_encoder", head, None, tmp_path / "new.onnx")


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
        adopt_rows.read_posts(file)
    assert "posts.jsonl:2" in str(caught.value)


def test_equal_posts_are_held_out_together(tmp_path):
    lines = [{"text": f"the train number {n // 2}", "labels": {"threat": 0}} for n in range(200)]
    posts = adopt_rows.read_posts(write_lines(tmp_path / "posts.jsonl", lines))
    held = {post.text for post in posts if adopt_rows.is_held_out(post)}
    kept = {post.text for post in posts if not adopt_rows.is_held_out(post)}
    assert held
    assert len(held) < len(kept)
    assert not held & kept


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
    config = msgspec.convert(yaml.safe_load(adopt.CONFIG.read_text("utf-8")), adopt.AdoptConfig)
    assert min(config.text.n_steps, config.image.n_steps, config.head.n_steps, config.fusion.n_steps) > 0
