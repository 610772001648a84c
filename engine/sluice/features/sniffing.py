"""What some bytes are by how they begin, so that what is not read is called by its name."""

from __future__ import annotations

import re

_SIGNATURES = (
    (rb"\xff\xd8\xff", "JPEG"),
    (rb"\x89PNG\r\n\x1a\n", "PNG"),
    (rb"GIF8[79]a", "GIF"),
    (rb"RIFF.{4}WEBP", "WebP"),
    (rb"(II\*\0|MM\0\*|II\+\0|MM\0\+)", "TIFF"),
    (rb"(RIFF|RIFX|RF64).{4}WAVE", "WAV"),
    (rb"RIFF.{4}AVI ", "AVI"),
    (rb"fLaC", "FLAC"),
    (rb"OggS", "Ogg"),
    (rb"....ftyp(avif|avis)", "AVIF"),
    (rb"....ftyp(hei[cxms]|hev[cxms]|mif1|msf1)", "HEIC"),
    (rb"....ftyp(M4[ABP] )", "M4A"),
    (rb"....ftyp3g", "3GP"),
    (rb"....ftypqt", "QuickTime"),
    (rb"....ftyp", "MP4"),
    (rb"\x1aE\xdf\xa3", "WebM"),
    (rb"#!AMR", "AMR"),
    (rb"caff", "CAF"),
    (rb"FORM....AIF[FC]", "AIFF"),
    (rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "WMA"),
    (rb"\.snd", "AU"),
    (rb"MThd", "MIDI"),
    (rb"(\xff\x0a|\0\0\0\x0cJXL )", "JPEG XL"),
    (rb"(\0\0\0\x0cjP  |\xff\x4f\xff\x51)", "JPEG 2000"),
    (rb"8BPS", "PSD"),
    (rb"\0\0[\x01\x02]\0[^\0]", "ICO"),
    (rb"%PDF-", "PDF"),
    (rb"\s*(<\?xml[^>]*>\s*)?(<!--.{0,500}-->\s*)?(<!DOCTYPE svg[^>]*>\s*)?<svg", "SVG"),
    (rb"\s*<(!doctype html|html)", "HTML"),
    (rb"PK\x03\x04", "ZIP"),
    (rb"\x1f\x8b", "gzip"),
    (rb"FLV", "FLV"),
    (rb"BM....\0\0\0\0", "BMP"),
    (rb"\xff[\xf0\xf1\xf8\xf9]", "AAC"),
    (rb"(ID3|\xff[\xe2-\xff])", "MP3"),
)
_PATTERNS = [(re.compile(pattern, re.DOTALL | re.IGNORECASE), name) for pattern, name in _SIGNATURES]

_LEADING = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|GIF8[79]a|RIFF.{4}(?:WEBP|WAVE)|fLaC|OggS\0\x02|ID3[\2-\4]\0|\0\0..ftyp",
    re.DOTALL,
)
"""Beginnings that are long enough to be looked for behind other bytes; a box begins with zeros of its own."""
MAX_LEADING_BYTES = 1024
_LEADING_BLANKS = b"\0\r\n\t \xef\xbb\xbf"


def name_of(content: bytes) -> str | None:
    """Name of the format, such as ``"HEIC"``; None if the beginning is none that we know.

    >>> name_of(b"%PDF-1.7")
    'PDF'
    """
    return next((name for pattern, name in _PATTERNS if pattern.match(content)), None)


def strip_leading(content: bytes) -> bytes:
    """Leave out what stands before the file itself: a byte order mark, blank lines or zeros that a script wrote.

    Parameters
    ----------
    content : bytes
        Returned as it is if it begins like a known format, or holds none within `MAX_LEADING_BYTES`.
    """
    if name_of(content):
        return content
    found = _LEADING.search(content, 0, MAX_LEADING_BYTES)
    if found:
        return content[found.start() :]
    stripped = content.lstrip(_LEADING_BLANKS)
    return stripped if name_of(stripped) else content
