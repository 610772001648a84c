"""Images and clips as posts of their own: which are read, in which order, through which encoder."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

from sluice.schema import LABELS, MODALITIES
from sluice_models.config import AudioNetwork, FusionNetwork, ImageNetwork
from sluice_models.data.bundle import Example
from sluice_models.measure import score_media
from sluice_models.measure.score_media import MediaScorer
from sluice_models.networks.audio import AudioEncoder
from sluice_models.networks.fusion import Fusion
from sluice_models.networks.image import ImageEncoder

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def fusion() -> Fusion:
    torch.manual_seed(0)
    return Fusion(FusionNetwork(n_layers=1, n_heads=2, d_inner=32)).eval()


@pytest.fixture(scope="module")
def images(fusion: Fusion) -> MediaScorer:
    torch.manual_seed(0)
    return MediaScorer(
        "image", ImageEncoder(ImageNetwork(stem=8, channels=(8, 8, 8, 8, 8, 8, 8), n_planes=16)).eval(), fusion
    )


@pytest.fixture(scope="module")
def clips(fusion: Fusion) -> MediaScorer:
    torch.manual_seed(0)
    return MediaScorer("audio", AudioEncoder(AudioNetwork(channels=(4, 4, 8, 8))).eval(), fusion)


def example(key: str, media: Path | None) -> Example:
    return Example(key, None, media, None, np.full(len(LABELS), np.nan, np.float32), "made")


def draw(folder: Path, name: str, colour: str) -> Path:
    Image.new("RGB", (32, 24), colour).save(folder / f"{name}.png")
    return folder / f"{name}.png"


def record(folder: Path, name: str, frequency: float) -> Path:
    content = io.BytesIO()
    soundfile.write(content, np.sin(np.arange(16_000) * frequency).astype(np.float32) / 2, 16_000, format="WAV")
    (folder / f"{name}.wav").write_bytes(content.getvalue())
    return folder / f"{name}.wav"


@pytest.fixture
def pictures(tmp_path: Path) -> list[Example]:
    return [example(colour, draw(tmp_path, colour, colour)) for colour in ("red", "skyblue", "white", "black", "green")]


def test_each_kind_says_what_it_is(images: MediaScorer, clips: MediaScorer) -> None:
    assert (images.modality, clips.modality) == ("image", "audio")
    assert {images.modality, clips.modality} < set(MODALITIES)


def test_every_picture_gets_a_probability_per_label(images: MediaScorer, pictures: list[Example]) -> None:
    read, scores = images.score(pictures)
    assert read == pictures
    assert scores.shape == (len(pictures), len(LABELS))
    assert ((scores > 0) & (scores < 1)).all()


def test_scores_depend_neither_on_the_order_nor_on_the_batch(
    images: MediaScorer, pictures: list[Example], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, together = images.score(pictures)
    monkeypatch.setattr(score_media, "N_BATCH", 2)
    read, in_pairs = images.score(pictures[::-1])
    assert read == pictures[::-1]
    np.testing.assert_allclose(in_pairs[::-1], together, rtol=1e-3, atol=1e-6)


def test_what_cannot_be_read_is_left_out_as_serving_leaves_it_out(
    images: MediaScorer, pictures: list[Example], tmp_path: Path
) -> None:
    (tmp_path / "text.png").write_text("no picture")
    mixed = [pictures[0], example("broken", tmp_path / "text.png"), example("none", None), pictures[1]]
    read, scores = images.score(mixed)
    assert [each.key for each in read] == ["red", "skyblue"]
    np.testing.assert_allclose(scores, images.score(pictures[:2])[1], rtol=1e-4, atol=1e-6)


def test_clips_are_read_as_sounds(clips: MediaScorer, tmp_path: Path) -> None:
    sounds = [example(str(hertz), record(tmp_path, str(hertz), hertz)) for hertz in (0.1, 0.5)]
    silent = tmp_path / "silent.wav"
    soundfile.write(silent, np.zeros(16_000, np.float32), 16_000)
    read, scores = clips.score([*sounds, example("silent", silent)])
    assert read == sounds
    assert scores.shape == (2, len(LABELS))
    assert not np.array_equal(scores[0], scores[1])


@pytest.mark.parametrize("examples", [[], [example("text", None)]])
def test_without_anything_to_read_there_are_no_rows(images: MediaScorer, examples: list[Example]) -> None:
    read, scores = images.score(examples)
    assert (read, scores.shape) == ([], (0, len(LABELS)))
