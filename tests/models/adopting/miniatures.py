"""Tiny random models, a miniature bundle, and what reads what was adopted."""

import json
import random
from typing import Any

import numpy as np
import onnxruntime
import soundfile
import torch
import zstandard
from google.protobuf import text_format
from PIL import Image
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from tritonclient.grpc.model_config_pb2 import ModelConfig

from sluice.contract import TEXT_ENCODER
from sluice_models.adopting.folder import load_folder
from sluice_models.config import (
    MODEL_NAMES,
    TRITON_REPO,
    AudioNetwork,
    FusionNetwork,
    TextNetwork,
)
from sluice_models.export import export_model
from sluice_models.networks.audio import AudioEncoder
from sluice_models.networks.fusion import Fusion
from sluice_models.networks.text import TextEncoder
from sluice_models.networks.two_towers import TwoTowers
from sluice_models.recipes.audio.sounds import N_SAMPLES
from sluice_models.recipes.text.reading import pad
from tests.models.scenes.drawings import draw_pictures, draw_scenes
from tests.models.tiny_networks import IMAGE, OWN

MILD = ["the museum opens at nine", "we had soup for lunch", "her garden is green", "the train was late today"]
HARSH = ["i will break your window tonight", "watch out or i will hurt you", "i come and smash your door"]
WORDS = sorted({word for sentence in MILD + HARSH for word in sentence.split()})


def write_lines(file, lines):
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    return file


def save_repository(folder):
    """A repository of tiny models of our own, with the shipped configurations."""
    torch.manual_seed(0)
    network = TextNetwork(d_hidden=24, d_inner=48, n_layers=1, n_heads=2, n_positions=128)
    built: dict[str, Any] = {
        "text_encoder": TextEncoder(network, 100_000),
        "image_encoder": TwoTowers(IMAGE, OWN),
        "audio_encoder": AudioEncoder(AudioNetwork(channels=(4, 4, 8, 8))),
        "fusion": Fusion(FusionNetwork(n_layers=1, n_heads=2, d_inner=32)),
    }
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


def save_clip(folder):
    from transformers import CLIPVisionConfig, CLIPVisionModel

    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 48}
    CLIPVisionModel(CLIPVisionConfig(**sizes, image_size=64, patch_size=16)).save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text('{"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}')
    return folder


def save_bundle(folder):
    """A miniature of the training bundle: mild and harsh sentences, drawings, and noise with and without a click."""
    rng = random.Random(0)
    (folder / "images").mkdir()
    (folder / "audio").mkdir()
    shared = {"licence_class": "open", "licence": "CC0", "lang": "en", "source": "made", "meta": {}}
    texts = []
    for number in range(200):
        harsh = number % 2
        sentence = f"{rng.choice(HARSH if harsh else MILD)} {rng.choice(MILD)} {number // 2}"
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


class TwoInputs(torch.nn.Module):
    """A text encoder of somebody else's, as design.md describes it, without byte pieces."""

    def __init__(self, adopted):
        super().__init__()
        self.adopted = adopted

    def forward(self, input_ids, attention_mask):
        tokens, logits, marks = self.adopted.heads(self.adopted.read(input_ids, attention_mask), attention_mask)
        return tokens, logits + 9, marks


def write_onnx(bert, file, outputs=TEXT_ENCODER.output_names):
    adopted, _ = load_folder(bert, english_only=True)
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
            outputs[2]: {0: "batch", 2: "length"},
            "tokens": {0: "batch"},
            "logits": {0: "batch"},
        },
        opset_version=17,
        dynamo=False,
    )
    return file


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
    ids, mask = pad([row.input_ids for row in rows])
    return {"input_ids": ids, "attention_mask": mask}
