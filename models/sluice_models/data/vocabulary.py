"""Builds `engine/sluice/features/tokenizer.json`: the pieces of multilingual-e5-small that texts here are spelled with.

Of its 250,000 pieces those are kept that training texts, our own sentences and the commonest words of many languages
need most; single characters of common scripts always, Han and Hangul where they occur. ``--words`` takes a file of word
lists: ``{"de": ["die", "und", …]}``, the commonest first, as PyPI's `wordfreq` gives them.
"""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer
from tokenizers import Tokenizer, models, pre_tokenizers

from sluice.errors import SettingsError
from sluice.features.folding import prepare
from sluice_models.config import TOKENIZER_FILE
from sluice_models.console import report_errors
from sluice_models.data.bundle import read_texts
from sluice_models.data.e5 import read_e5

N_PIECES = 80_000
"""98.1 % of the pieces that those texts and words are spelled with; 72,000 would be 97.5 %."""
SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")
"""In e5's and in our own first four rows."""
N_WORDS = {
    "en": 30_000, "zh": 30_000, "de": 14_000, "es": 14_000, "ru": 14_000, "ar": 14_000, "fr": 12_000, "pt": 12_000,
    "ko": 12_000, "ja": 12_000, "it": 10_000, "hi": 10_000, "tr": 10_000, "vi": 10_000, "id": 10_000, "pl": 8_000,
    "nl": 8_000, "uk": 5_000, "fa": 5_000, "bn": 5_000, "ur": 5_000, "sv": 4_000, "cs": 4_000, "ro": 4_000,
    "el": 4_000, "he": 4_000, "ta": 4_000, "fil": 4_000, "da": 3_000, "nb": 3_000, "fi": 3_000, "hu": 3_000,
    "bg": 3_000, "ms": 3_000, "sh": 3_000,
}  # fmt: skip
"""How many of a language's commonest words count."""
WORD_WEIGHT = 1.5
"""Of a common word, beside one occurrence in a training text."""
RARE_SCRIPTS = ("CJK", "HANGUL SYLLABLE", "YI ", "ETHIOPIC", "CANADIAN", "VAI", "CUNEIFORM", "EGYPT")
"""Scripts with so many characters that only those which occur are kept."""
N_TOGETHER = 4096
Piece = tuple[str, float]


def build_tokenizer(pieces: Sequence[Piece]) -> Tokenizer:
    """A unigram tokeniser (Kudo, 2018) over pieces and their scores; a piece's place is its id."""
    tokenizer = Tokenizer(models.Unigram(list(pieces), unk_id=SPECIAL.index("<unk>"), byte_fallback=False))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.add_special_tokens(list(SPECIAL))
    return tokenizer


def count_pieces(tokenizer: Tokenizer, texts: Iterable[str], weight: float = 1.0) -> Counter[int]:
    """How often each piece occurs in texts as the encoder reads them, times a weight."""
    counts: Counter[int] = Counter()
    for chunk in _chunks(prepare(text)[0] for text in texts):
        for encoding in tokenizer.encode_batch_fast(chunk, add_special_tokens=False):
            counts.update(encoding.ids)
    return Counter({piece: count * weight for piece, count in counts.items()})


def _chunks(texts: Iterator[str]) -> Iterator[list[str]]:
    chunk: list[str] = []
    for text in texts:
        chunk.append(text)
        if len(chunk) == N_TOGETHER:
            yield chunk
            chunk = []
    yield chunk


def is_common_character(piece: str) -> bool:
    """Whether a piece is one character, with or without a space before it, of a script with few of them."""
    character = piece.removeprefix("▁")
    return len(character) == 1 and not unicodedata.name(character, "").startswith(RARE_SCRIPTS)


def choose_pieces(pieces: Sequence[Piece], counts: Counter[int], n_kept: int) -> list[int]:
    """Which pieces are kept, in their order: special ones, characters, then the most frequent."""
    kept = set(range(len(SPECIAL)))
    for place, (piece, _) in enumerate(pieces):
        is_single = len(piece.removeprefix("▁")) == 1
        if is_single and (place in counts or is_common_character(piece)):
            kept.add(place)
    for place, _ in counts.most_common():
        if len(kept) >= n_kept:
            break
        kept.add(place)
    return sorted(kept)


def read_words(file: Path) -> Iterator[str]:
    """The words that count, out of a file of word lists; raises `SettingsError` if it is none."""
    try:
        lists = json.loads(file.read_text("utf-8"))
        yield from (word for language, n_words in N_WORDS.items() for word in lists.get(language, [])[:n_words])
    except (OSError, ValueError, AttributeError) as error:
        raise SettingsError(f"--words: {file}: {error}") from error


def main(
    bundle: Annotated[Path, typer.Option(help="The unpacked training bundle.", envvar="SLUICE_BUNDLE")],
    words: Annotated[Path | None, typer.Option(help="Lists of the commonest words by language, in JSON.")] = None,
    out: Annotated[Path, typer.Option(help="The tokenizer file to write.")] = TOKENIZER_FILE,
) -> None:
    """Write the vocabulary that training and serving share; a text encoder has to be trained anew for it."""
    with report_errors():
        pieces = read_e5().pieces
        whole = build_tokenizer(pieces)
        counts = count_pieces(whole, (example.text or "" for example in read_texts(bundle, "train")))
        if words is not None:
            counts += count_pieces(whole, read_words(words), WORD_WEIGHT)
        kept = choose_pieces(pieces, counts, N_PIECES)
        build_tokenizer([pieces[place] for place in kept]).save(str(out))
    share = sum(counts[place] for place in kept) / max(counts.total(), 1)
    typer.echo(f"{len(kept)} pieces in {out}, {share:.2%} of those that occur", err=True)


if __name__ == "__main__":
    typer.run(main)
