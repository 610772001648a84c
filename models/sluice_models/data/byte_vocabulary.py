"""Builds `engine/sluice/features/bytes.json`: a byte-level BPE of our own, trained on the bundle's training texts.

Every text can be spelled in it, whatever its script or its tricks, and the Chinese characters are not in its way.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from sluice.features.text import BYTE_END, normalise
from sluice_models.config import BYTE_FILE
from sluice_models.console import report_errors
from sluice_models.data.bundle import read_texts

N_PIECES = 8_192
PAD = "<pad>"
MIN_PAIRS = 8
"""A pair that is rarer in all texts is not worth a piece."""


def train_pieces(texts: Iterable[str], n_pieces: int = N_PIECES) -> Tokenizer:
    """A byte-level BPE (Sennrich et al. 2016; Radford et al. 2019) over normalised texts in lower case.

    Padding is 0, the end of a text 1; then the 256 bytes, then merges, the most frequent first.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=n_pieces,
        min_frequency=MIN_PAIRS,
        special_tokens=[PAD, BYTE_END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
        max_token_length=16,
    )
    tokenizer.train_from_iterator((normalise(text)[0].lower() for text in texts), trainer)
    return tokenizer


def main(
    bundle: Annotated[Path, typer.Option(help="The unpacked training bundle.", envvar="SLUICE_BUNDLE")],
    out: Annotated[Path, typer.Option(help="The tokenizer file to write.")] = BYTE_FILE,
) -> None:
    """Write the byte pieces that training and serving share."""
    with report_errors():
        tokenizer = train_pieces(example.text or "" for example in read_texts(bundle, "train"))
    out.write_text(tokenizer.to_str() + "\n", "utf-8")
    typer.echo(f"{tokenizer.get_vocab_size()} pieces in {out}", err=True)


if __name__ == "__main__":
    typer.run(main)
