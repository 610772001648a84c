"""Puts another encoder behind the same contract: ``python -m sluice_models.adopt SOURCE``.

SOURCE is a local folder with a Hugging Face text model or CLIP-style image model, or an ONNX file with the tensor names
of an encoder. Its weights stay as they are: only heads of ours and the fusion are trained.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec
import torch
import typer
from rich.console import Console
from tokenizers import Tokenizer

from sluice.resources import packaged_file
from sluice_models.adopting.encoders import Adopted, AdoptedText, AdoptError, count_parameters
from sluice_models.adopting.folder import load_folder, load_tokenizer
from sluice_models.adopting.labelled import AdoptionData, encode_parts, read_posts
from sluice_models.adopting.onnx_files import graft_head, require_contract
from sluice_models.adopting.repository import (
    TOKENIZER_NAME,
    copy_repository,
    describe_model,
    find_tokenizer,
    onnx_file,
    require_new,
    require_repository,
    write_tokenizer,
)
from sluice_models.adopting.train_heads import (
    AdoptConfig,
    TrainingContext,
    calibrate_head,
    load_adopt_config,
    measure,
    train_head,
    train_image_heads,
    train_new_fusion,
    train_text_heads,
)
from sluice_models.config import RUNS, TOKENIZER_FILE, TRITON_REPO, ModelName, TextConfig, load_config
from sluice_models.console import report_errors
from sluice_models.export import check_parity, export_model
from sluice_models.networks.heads import LabelHead
from sluice_models.recipes.fusion.encoded import Encoded
from sluice_models.training.checkpoint import ENCODERS
from sluice_models.training.onnx_encoder import OnnxEncoder, load_exported, read_head

CONFIG = packaged_file("sluice_models", "adopt.yaml")


@dataclass(frozen=True)
class Candidate:
    """An encoder to adopt.

    Attributes
    ----------
    name : str
        The model whose place it takes.
    encoder : module or OnnxEncoder
    tokenizer : dict or None
        Content of its tokenizer file, where it is not ours.
    """

    name: ModelName
    encoder: Adopted | OnnxEncoder
    tokenizer: dict[str, Any] | None = None

    @property
    def head(self) -> LabelHead:
        """Its head, which is ours."""
        return self.encoder.head if isinstance(self.encoder, OnnxEncoder) else self.encoder.heads.head


@dataclass(frozen=True)
class AdoptionPaths:
    """Folders: the repository that is copied, the one that is written, and where training keeps its state."""

    base: Path
    out: Path
    work: Path


@dataclass(frozen=True)
class Adoption:
    """A line of ``--json``: what came of it.

    Attributes
    ----------
    tokenizer : str or None
        For ``SLUICE_TOKENIZER``.
    parameters, trained_parameters : int or None
        Of the encoder; None for an ONNX file.
    rows : dict of str to int
        Of the adopted encoder's kind, trained on and held out.
    auprc : dict of str to float
        Per label, on the rows held out, where there are enough.
    largest_difference : dict
        Between torch and what was written, per model and output.
    """

    model: ModelName
    repository: str
    tokenizer: str | None
    parameters: int | None
    trained_parameters: int | None
    rows: dict[str, int]
    auprc: dict[str, float]
    largest_difference: dict[str, dict[str, float]]


def open_candidate(source: Path, tokenizer_file: Path | None, english_only: bool) -> Candidate:
    """Load and examine an encoder; raises `AdoptError` if it does not keep the contract."""
    torch.manual_seed(0)  # of its heads
    if source.is_dir():
        adopted, content = load_folder(source, english_only)
        return Candidate("text_encoder" if isinstance(adopted, AdoptedText) else "image_encoder", adopted, content)
    name, content = require_contract(source), None
    if name == "text_encoder" and tokenizer_file is not None:
        content = load_tokenizer(tokenizer_file, english_only)
    n_words = None if content is None else Tokenizer.from_str(json.dumps(content)).get_vocab_size()
    return Candidate(name, OnnxEncoder(name, source, read_head(source) or LabelHead(), n_words), content)


def choose_tokenizer(candidate: Candidate, paths: AdoptionPaths) -> Path:
    """What spells texts for the text encoder that will serve: the candidate's file, the repository's, or ours."""
    if candidate.tokenizer is None:
        kept = None if candidate.name == "text_encoder" else find_tokenizer(paths.base)
        return TOKENIZER_FILE if kept is None else Path(kept)
    paths.work.mkdir(parents=True, exist_ok=True)
    file = paths.work / TOKENIZER_NAME
    file.write_text(json.dumps(candidate.tokenizer), "utf-8")
    return file


def adopt(candidate: Candidate, paths: AdoptionPaths, data: AdoptionData, config: AdoptConfig) -> Adoption:
    """Train heads and fusion, and write the repository."""
    data.require(candidate.name)
    console = Console(stderr=True)
    context = TrainingContext(choose_tokenizer(candidate, paths), data, paths.work, console)
    encoders = open_others(candidate, paths.base)
    own = ENCODERS.index(candidate.name)
    parts = learn(candidate, encoders, context, config)
    console.print(f"{candidate.name}: encoding what is held out")
    held_out = encode_parts(encoders, context.extractor, data, "val")
    calibrate_head(candidate.head, held_out[own])
    heads = [(candidate if name == candidate.name else encoders[name]).head for name in ENCODERS]
    fusion = train_new_fusion(heads, parts, held_out, context, encoders["text_encoder"], config)
    copy_repository(paths.base, paths.out, candidate.name)
    differences: dict[str, dict[str, float]] = {candidate.name: write_encoder(candidate, paths.out)}
    differences["fusion"] = export_model("fusion", fusion, onnx_file(paths.out, "fusion")).differences
    if candidate.tokenizer is not None:
        write_tokenizer(paths.out, candidate.tokenizer)
    n_all, n_trained = _count(candidate)
    return Adoption(
        candidate.name,
        str(paths.out),
        find_tokenizer(paths.out),
        n_all,
        n_trained,
        {"train": len(parts[own].targets), "held_out": len(held_out[own].targets)},
        measure(held_out[own]),
        differences,
    )


def open_others(candidate: Candidate, base: Path) -> dict[str, Any]:
    """The candidate, and beside it the encoders that stay.

    Raises
    ------
    EncoderFileError
        If the head of one that stays cannot be read.
    """
    others: dict[str, Any] = {
        name: load_exported(name, onnx_file(base, name)) for name in ENCODERS if name != candidate.name
    }
    return {candidate.name: candidate.encoder, **others}


def learn(
    candidate: Candidate, encoders: dict[str, Any], context: TrainingContext, config: AdoptConfig
) -> list[Encoded]:
    """Train the candidate's heads; what all encoders then say of the training rows."""

    def encode() -> list[Encoded]:
        context.console.print("encoding what is trained on")
        return encode_parts(encoders, context.extractor, context.data, "train")

    encoder = candidate.encoder
    if isinstance(encoder, OnnxEncoder):  # its tokens do not change
        parts = encode()
        train_head(candidate.head, parts[ENCODERS.index(candidate.name)], context, config.head)
        return parts
    if isinstance(encoder, AdoptedText):
        train_text_heads(encoder, context, config.text)
    else:
        train_image_heads(encoder, context, config.image)
    return encode()


def write_encoder(candidate: Candidate, repository: Path) -> dict[str, float]:
    """Write the encoder and how Triton serves it; raises `ParityError` if the file computes something else."""
    file = onnx_file(repository, candidate.name)
    encoder = candidate.encoder
    if isinstance(encoder, OnnxEncoder):
        graft_head(encoder.file, candidate.name, encoder.head, encoder.n_words, file)
        differences = check_parity(candidate.name, encoder, file).differences  # type: ignore[arg-type]
    else:
        differences = export_model(candidate.name, encoder, file).differences
    describe_model(repository, candidate.name)
    return differences


def _count(candidate: Candidate) -> tuple[int | None, int | None]:
    encoder = candidate.encoder
    return (None, None) if isinstance(encoder, OnnxEncoder) else count_parameters(encoder)


def _say(adoption: Adoption, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(asdict(adoption)))
        return
    figures = ", ".join(f"{label} {figure}" for label, figure in adoption.auprc.items()) or "too few rows"
    typer.echo(f"{adoption.model}: AUPRC on rows held out: {figures}")
    typer.echo(f"serve {adoption.repository} with Triton" + _advise(adoption))


def _advise(adoption: Adoption) -> str:
    return f", and set SLUICE_TOKENIZER={adoption.tokenizer} for the worker" if adoption.tokenizer else ""


def main(
    source: Annotated[
        Path, typer.Argument(help="A folder (config.json, *.safetensors, tokenizer.json) or an ONNX file.")
    ],
    bundle: Annotated[Path | None, typer.Option(help="The unpacked training bundle.", envvar="SLUICE_BUNDLE")] = None,
    posts: Annotated[Path | None, typer.Option(help="Your labelled posts, a JSON object per line.")] = None,
    out: Annotated[Path | None, typer.Option(help="The repository to write; beside --base by default.")] = None,
    base: Annotated[Path, typer.Option(help="The repository whose other models stay.")] = TRITON_REPO,
    tokenizer: Annotated[Path | None, typer.Option(help="Of a text encoder that is an ONNX file, if not ours.")] = None,
    english_only: Annotated[bool, typer.Option(help="Take a tokenizer that cannot spell Chinese.")] = False,
    config_file: Annotated[Path, typer.Option("--config", help="Hyper-parameters.")] = CONFIG,
    runs: Annotated[
        Path, typer.Option(help="Where training keeps its state; an interrupted run resumes there.")
    ] = RUNS,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Put another encoder behind the contract: train heads on it and a fusion with it, and export both.

    The encoder's own weights stay as they are. It learns from the bundle, from your own labelled posts, or from both.
    """
    with report_errors():
        if bundle is None and posts is None:
            raise AdoptError("nothing to learn from: give --bundle, --posts or both")
        config = load_adopt_config(config_file)
        recipe = msgspec.structs.replace(load_config("text_encoder", TextConfig).rows, chunk_rows=config.n_texts)
        data = AdoptionData(bundle, read_posts(posts) if posts else [], recipe=recipe, pictures_folder=runs)
        target = out or base.with_name(f"{base.name}_adopted")
        paths = AdoptionPaths(require_repository(base), require_new(base, target), runs / f"adopted-{source.stem}")
        _say(adopt(open_candidate(source, tokenizer, english_only), paths, data, config), as_json)


if __name__ == "__main__":
    typer.run(main)
