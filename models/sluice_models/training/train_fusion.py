"""Trains the fusion on composed posts, out of cached encoder outputs, and calibrates it."""

from __future__ import annotations

from pathlib import Path

import torch
from rich.console import Console
from torch import Tensor

from sluice_models.config import TRITON_REPO, ModelName, TextConfig, Training, load_config
from sluice_models.networks.fusion import TOGETHER, Fusion, start_from_encoders
from sluice_models.recipes.fusion.encoded import Encoded, Float32
from sluice_models.recipes.fusion.pairs import PairTexts, compose_pairs
from sluice_models.recipes.fusion.posts import PostBatch, compose_posts, join_batches, keep_several, single_parts
from sluice_models.training import checkpoint
from sluice_models.training.bundle_encoding import encode_pairs, encode_split
from sluice_models.training.checkpoint import ENCODERS, Encoder, build_fusion, checkpoint_file
from sluice_models.training.loop import Task, fit
from sluice_models.training.losses import masked_loss
from sluice_models.training.onnx_encoder import OnnxEncoder, load_exported
from sluice_models.training.platt import fit_calibration

SEVERITY_WEIGHT = 0.5
CONTEXT_PRICE = 0.02
"""Per squared logit: one that turns a post from 1 % to 50 % costs 0.4, and gains 4 where it is right."""
N_PAIR_TEXTS, N_CALIBRATION_PAIRS, N_CALIBRATION_POSTS = 6000, 1000, 6000
N_CHUNK = 512
"""Posts that are scored at a time."""
PAIR_SHARE = 0.35
"""Of a batch, posts whose meaning needs two parts."""


def train_fusion(bundle: Path, training: Training, runs: Path, console: Console) -> None:
    """Train and leave ``fusion.pt`` in `runs`; also writes the encoders' calibration into their checkpoints."""
    torch.manual_seed(0)
    encoders = load_encoders(runs, console)
    recipe = load_config("text_encoder", TextConfig).rows
    console.print("fusion: encoding the validation split")
    held_out = encode_split(encoders, bundle, "val", recipe, runs)
    calibrate_encoders(encoders, held_out, runs)
    console.print("fusion: encoding the training split")
    parts = encode_split(encoders, bundle, "train", recipe, runs)
    fusion = build_fusion()
    start_from_encoders(fusion, [encoder.head for encoder in encoders])
    pairs = encode_pairs(encoders[0], recipe, N_PAIR_TEXTS, held_out=False)
    fit(fusion_task(fusion, parts, pairs, training), training, runs, console)
    calibrate_fusion(fusion, held_out, encode_pairs(encoders[0], recipe, N_CALIBRATION_PAIRS, held_out=True))
    checkpoint.save(fusion, checkpoint_file(runs, "fusion"))


def load_encoders(runs: Path, console: Console | None = None, repository: Path = TRITON_REPO) -> list[Encoder]:
    """The encoders in the order of the fusion's kinds: those trained in `runs`, and the shipped ones for the others.

    Raises
    ------
    EncoderFileError
        If one is in neither place.
    """
    return [_load_encoder(name, runs, console, repository) for name in ENCODERS]


def _load_encoder(name: ModelName, runs: Path, console: Console | None, repository: Path) -> Encoder:
    if checkpoint_file(runs, name).is_file():
        return checkpoint.load_encoder(name, runs)
    file = repository / name / "1" / "model.onnx"
    if console is not None:
        console.print(f"{name}: not trained in {runs}, taken as it is shipped")
    return load_exported(name, file)


def fusion_task(fusion: Fusion, parts: list[Encoded], pairs: PairTexts, training: Training) -> Task[PostBatch]:
    """All but the evidence, which stays the encoders'."""
    learned = [weight for weight in fusion.parameters() if weight.requires_grad]
    groups = [{"params": learned, "lr": training.fresh_learning_rate}]
    n_pairs = round(training.n_batch * PAIR_SHARE)
    posts, turned = compose_posts(parts, training.n_batch - n_pairs), compose_pairs(pairs, parts, n_pairs)
    batches = map(join_batches, posts, turned)
    return Task("fusion", fusion, groups, batches, lambda batch: fusion_loss(fusion, batch))


def fusion_loss(fusion: Fusion, batch: PostBatch) -> Tensor:
    """Loss, a scalar: labels, severity where it is known, and a price on what the context adds.

    The encoders have seen these rows, and say more of them than they will of others: without the price, the context
    would learn what to make of that.
    """
    logits, severity, added = fusion.read(batch.tokens, batch.mask, batch.kind)
    labels = masked_loss(logits, batch.targets, batch.weights, torch.ones(logits.shape[1]))
    known = ~torch.isnan(batch.severity)
    errors = (severity.float() - torch.nan_to_num(batch.severity)) ** 2 * known
    total: Tensor = labels + (SEVERITY_WEIGHT * errors.sum() + CONTEXT_PRICE * (added.float() ** 2).sum()) / len(logits)
    return total


def calibrate_encoders(encoders: list[Encoder], held_out: list[Encoded], runs: Path) -> None:
    """Fit each trained encoder's head to the data sets' validation rows, and keep it; fitting twice changes nothing.

    Those that are taken as shipped were calibrated before they were exported.
    """
    for name, encoder, part in zip(ENCODERS, encoders, held_out, strict=True):
        if isinstance(encoder, OnnxEncoder):
            continue
        scale, shift = fit_calibration(part.logits[part.found], part.targets[part.found], part.weights[part.found])
        encoder.head.shift.mul_(scale).add_(shift)
        encoder.head.scale.mul_(scale)
        checkpoint.save(encoder, checkpoint_file(runs, name))


def calibrate_fusion(fusion: Fusion, held_out: list[Encoded], pairs: PairTexts) -> None:
    """Fit the scores of posts of several kinds; those of one kind are calibrated with their encoder."""
    drawn = keep_several(next(compose_posts(held_out, N_CALIBRATION_POSTS)))
    posts = join_batches(drawn, next(compose_pairs(pairs, held_out, N_CALIBRATION_PAIRS)))
    logits = score_posts(fusion, posts)
    scale, shift = fit_calibration(logits, posts.targets.numpy(), posts.weights.numpy())
    fusion.shift[TOGETHER] = fusion.shift[TOGETHER] * scale + shift
    fusion.scale[TOGETHER] *= scale


def score_parts(fusion: Fusion, part: Encoded, modality: int) -> tuple[Float32, Float32]:
    """Logits and severity of every row as a post of its own, shape = (n, labels) each."""
    parts = single_parts(part, modality)
    with torch.inference_mode():
        columns = zip(*(torch.split(part, N_CHUNK) for part in parts), strict=True)
        chunks = [fusion(tokens.float(), mask, kind) for tokens, mask, kind in columns]
    return torch.cat([logits for logits, _ in chunks]).numpy(), torch.cat([s for _, s in chunks]).numpy()


def score_posts(fusion: Fusion, posts: PostBatch, kind: int | None = None) -> Float32:
    """Logits of posts, shape = (n, labels), or of what is left of them with parts of one kind alone."""
    mask = posts.mask if kind is None else posts.mask & (posts.kind == kind)
    with torch.inference_mode():
        chunks = zip(*(torch.split(part, N_CHUNK) for part in (posts.tokens, mask, posts.kind)), strict=True)
        return torch.cat([fusion(*chunk)[0] for chunk in chunks]).numpy()
