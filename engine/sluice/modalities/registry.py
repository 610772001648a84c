"""Every modality that Sluice knows. A new one is a class in this folder and a line here."""

from __future__ import annotations

from sluice.features.audio import extract_audio_and_speech
from sluice.features.image import (
    extract_image,
    extract_image_and_pages,
    extract_image_and_prints,
    extract_image_pages_and_prints,
)
from sluice.modalities.audio import AudioModality
from sluice.modalities.base import AnyModality
from sluice.modalities.extraction import Runner
from sluice.modalities.image import HashedImageModality, ImageModality
from sluice.modalities.media import MediaSource
from sluice.modalities.picture_text import PictureTextModality
from sluice.modalities.reading import PageReader
from sluice.modalities.speech import SpeechModality, Transcriber
from sluice.modalities.text import ExtractTexts, IdentifyTexts, TextModality


def all_modalities(
    held: MediaSource,
    extract_texts: ExtractTexts,
    identify: IdentifyTexts,
    texts: Runner,
    media: Runner,
    reader: PageReader | None = None,
    transcriber: Transcriber | None = None,
) -> tuple[AnyModality, ...]:
    """Every modality, in the order in which verdicts name a post's parts.

    Parameters
    ----------
    texts, media : Runner
        Where texts and where media are decoded: large pictures must not make other posts' texts late.
    reader : PageReader or None
        Reads the text in pictures; without one it is not read.
    transcriber : Transcriber or None
        Transcribes the speech in clips; without one it is not read.
    """
    text = TextModality(extract_texts, texts, identify)
    images = _images(held, media, None if reader is None else PictureTextModality(reader, text))
    if transcriber is None:
        clips = AudioModality(held, media)
    else:
        clips = AudioModality(held, media, extract_audio_and_speech, SpeechModality(transcriber, text))
    return (text, images, clips)


def _images(held: MediaSource, media: Runner, words: PictureTextModality | None) -> ImageModality:
    """Images, and the same for when they are looked up in banks: a hash costs as much as the rest of the decoding."""
    plainly, with_prints = (
        (extract_image, extract_image_and_prints)
        if words is None
        else (extract_image_and_pages, extract_image_pages_and_prints)
    )
    return ImageModality(held, media, plainly, words, HashedImageModality(held, media, with_prints, words))
