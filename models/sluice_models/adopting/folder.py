"""Loads a Hugging Face model from a local folder and finds out whether it keeps the contract; nothing is downloaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor

from sluice.features import IMAGE_SIZE_PX, TEXT_WINDOW_TOKENS
from sluice.features.text import END, START
from sluice_models.adopting.encoders import Adopted, AdoptedImage, AdoptedText, AdoptError

CLIP_MEAN, CLIP_STD = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
"""Of CLIP's images, where the folder says nothing."""
FREQUENT_HAN = "的一是不了人我在有他这中大来上国个到说们为子和你地出道也时年得就那要下以生会自着去之过家学对可她里后小么心多天而能好都然没日于起还发成事只作当想看文无开手十用主行方又如前所本见经头面公同三已老从动两长"  # noqa: E501
MIN_HAN_SHARE = 0.9
"""Of these characters, what a tokenizer has to spell for Chinese posts to be read."""
PADDING_TOLERANCE = 1e-3


def load_folder(folder: Path, english_only: bool) -> tuple[Adopted, dict[str, Any] | None]:
    """An adopted encoder with untrained heads, and for texts the content of its tokenizer file.

    Raises
    ------
    AdoptError
        Saying which file is missing, or what about the model does not fit.
    """
    config = _read_json(folder / "config.json")
    if not list(folder.glob("*.safetensors")):
        raise AdoptError(f"{folder} holds no .safetensors; save the model with save_pretrained")
    if "vision_config" in config or "patch_size" in config:
        return _load_image(folder), None
    content = load_tokenizer(folder / "tokenizer.json", english_only)
    return _load_text(folder, Tokenizer.from_str(json.dumps(content))), content


def load_tokenizer(file: Path, english_only: bool) -> dict[str, Any]:
    """The content of a tokenizer file as `sluice.features.text` reads it; raises `AdoptError` if it cannot be."""
    content = rename_specials(_read_json(file))
    if not english_only:
        require_han(Tokenizer.from_str(json.dumps(content)))
    return content


def _read_json(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text("utf-8"))
    except FileNotFoundError as error:
        raise AdoptError(f"{file} does not exist") from error
    except (OSError, ValueError) as error:
        raise AdoptError(f"{file} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise AdoptError(f"{file} does not hold a JSON object")
    return content


def _load_body(folder: Path) -> Any:
    import transformers  # takes seconds, and only folders need it

    transformers.utils.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        body, loading = transformers.AutoModel.from_pretrained(
            folder,
            local_files_only=True,
            use_safetensors=True,
            attn_implementation="eager",  # the other ways cannot be exported
            dtype=torch.float32,
            output_loading_info=True,
        )
    except Exception as error:  # whatever it raises, the folder is what is wrong
        raise AdoptError(f"{folder}: transformers cannot load it: {_first_line(error)}") from error
    if missing := [name for name in loading["missing_keys"] if "pooler" not in name]:
        raise AdoptError(f"{folder} lacks weights: {', '.join(sorted(missing)[:5])}")
    return body


def _load_text(folder: Path, tokenizer: Tokenizer) -> AdoptedText:
    body = _load_body(folder)
    n_words = _size(folder, body.config, "vocab_size")
    if tokenizer.get_vocab_size() > n_words:
        raise AdoptError(f"{folder}: the tokenizer has {tokenizer.get_vocab_size()} words, the model {n_words}")
    adopted = AdoptedText(body, _size(folder, body.config, "hidden_size"), n_words).eval()
    ids = torch.arange(2 * TEXT_WINDOW_TOKENS).remainder(n_words).view(2, -1)
    mask = torch.ones_like(ids)
    mask[1, TEXT_WINDOW_TOKENS // 3 :] = 0
    hidden = _probe(folder, adopted.read, ids, mask)
    if hidden.shape != (*ids.shape, adopted.heads.norm.normalized_shape[0]):
        raise AdoptError(f"{folder}: hidden states have the shape {tuple(hidden.shape)}, not one per token")
    short = mask[1].bool()
    alone = adopted.read(ids[1:, short], mask[1:, short])
    if (alone - hidden[1:, short]).abs().max() > PADDING_TOLERANCE:
        raise AdoptError(f"{folder}: padding changes what the model reads; a row has to be independent of its batch")
    return adopted


def _load_image(folder: Path) -> AdoptedImage:
    body = _load_body(folder)
    config = getattr(body.config, "vision_config", body.config)
    d_hidden, size_px, patch_px = (_size(folder, config, name) for name in ("hidden_size", "image_size", "patch_size"))
    settings = folder / "preprocessor_config.json"
    colours = _read_json(settings) if settings.is_file() else {}
    mean, std = colours.get("image_mean", CLIP_MEAN), colours.get("image_std", CLIP_STD)
    adopted = AdoptedImage(getattr(body, "vision_model", body), d_hidden, size_px, patch_px, mean, std).eval()
    pixels = torch.zeros(2, 3, IMAGE_SIZE_PX, IMAGE_SIZE_PX, dtype=torch.uint8)
    hidden = _probe(folder, adopted.extract_features, pixels)
    if hidden.ndim != 3 or hidden.shape[1] < adopted.heads.n_side**2:
        raise AdoptError(f"{folder}: hidden states have the shape {tuple(hidden.shape)}, not one per patch")
    return adopted


def _size(folder: Path, config: Any, name: str) -> int:
    size = getattr(config, name, None)
    if not isinstance(size, int):
        raise AdoptError(f"{folder}: its configuration's {name} is {size}, not a number")
    return size


def _probe(folder: Path, read: Any, *inputs: Tensor) -> Tensor:
    """Hidden states of a full row: what a model raises on it, it would raise in serving."""
    try:
        with torch.no_grad():
            hidden: Tensor = read(*inputs)
    except Exception as error:
        sizes = " and ".join(str(tuple(each.shape)) for each in inputs)
        raise AdoptError(f"{folder}: the model does not read rows of {sizes}: {_first_line(error)}") from error
    if not hidden.isfinite().all():
        raise AdoptError(f"{folder}: hidden states are not finite")
    return hidden


def rename_specials(content: dict[str, Any]) -> dict[str, Any]:
    """A tokenizer file's content whose first and last token of a text are called `START` and `END`; ids stay.

    Raises
    ------
    AdoptError
        If it does not put one token before a text and one behind it.
    """
    try:
        tokenizer = Tokenizer.from_str(json.dumps(content))
    except Exception as error:  # the library raises the plainest kind
        raise AdoptError(f"tokenizer.json cannot be read: {_first_line(error)}") from error
    tokenizer.no_padding()
    around = tokenizer.encode("").tokens
    if len(around) != 2:
        raise AdoptError(f"the tokenizer puts {around} around a text; it has to be one token before and one behind")
    names = {old: new for old, new in zip(around, (START, END), strict=True) if old != new}
    added = [{**token, "content": names.get(token["content"], token["content"])} for token in content["added_tokens"]]
    return {**content, "added_tokens": added, "model": _rename_words(content["model"], names)}


def _rename_words(model: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    """Vocabularies are an object of ids, or in Unigram a list of words and their scores."""
    words = model["vocab"]
    if isinstance(words, dict):
        return {**model, "vocab": {names.get(word, word): number for word, number in words.items()}}
    return {**model, "vocab": [[names.get(word, word), score] for word, score in words]}


def require_han(tokenizer: Tokenizer) -> None:
    """Raise `AdoptError` if frequent Chinese characters have no spelling: such posts would be scored unread."""
    unknown = {tokenizer.token_to_id(name) for name in ("[UNK]", "<unk>")}
    spelled = [tokenizer.encode(character, add_special_tokens=False).ids for character in FREQUENT_HAN]
    share = sum(bool(ids) and not unknown & set(ids) for ids in spelled) / len(FREQUENT_HAN)
    if share < MIN_HAN_SHARE:
        raise AdoptError(
            f"the tokenizer spells {share:.0%} of the most frequent Chinese characters, and an adopted encoder is the "
            "only reader; pass --english-only if no Chinese posts come"
        )


def _first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:300]}"
