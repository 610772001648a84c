"""An image to rows of pixels: decoded within limits, upright, in sRGB, squashed to squares."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from PIL import Image, ImageChops, ImageOps

from sluice.contract import MAX_IMAGE_ROWS
from sluice.errors import MediaInvalid
from sluice.features import MAX_PRINTS, Features, ImageRow, Page, Reserve, heif, jpeg, unlimited, webp
from sluice.features.animation import MAX_FRAMES, Scenes, choose_frames, look_at
from sluice.features.colours import is_flat, profile_of, read_colours
from sluice.features.deep import rawmode_of, restore_depth
from sluice.features.drafting import MAX_PIXELS as MAX_PIXELS
from sluice.features.drafting import Draft, draft_for_pages, draft_for_views
from sluice.features.durations import frame_durations
from sluice.features.pages import Paginate, keep_within_limit, no_pages
from sluice.features.png import drop_remarks
from sluice.features.sniffing import name_of, strip_leading
from sluice.features.viewing import cut_rows, fineness_for, join_notes, may_hold_pictures, page_picture, view_picture
from sluice.features.views import WHOLE, plain_boxes
from sluice.features.wanted import PAGES, PAGES_AND_PRINTS, PRINTS, ROWS, Wanted

FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF")
MAX_JPEG_PIXELS = 256 * 10**6
"""By the header; a JPEG is decoded at up to an eighth of its sides."""
MAX_ROWS = MAX_IMAGE_ROWS
MAX_COUNTED_FRAMES = 1000
"""Further frames are not even counted: a few megabytes hold hundreds of thousands of pages."""
_MAX_FRAME_ROWS = 16
_MAX_ANIMATION_PIXELS = MAX_PIXELS
_ORIENTATION_TAG = 0x0112
_WITHOUT_ANIMATION = {"MPO", "JPEG", "HEIF"}  # their further pictures are depth maps, gain maps and bursts
_SIMPLE = {"JPEG", "MPO", "PNG", "BMP"}
_SIMPLE_PIXEL_BYTES, _PIXEL_BYTES, _FRAME_PIXEL_BYTES = 12, 16, 20
"""Copies of four bytes: as decoded, upright, in RGB; the decoder's own, a second reading, the frame before."""
_COEFFICIENT_BYTES = 6
_EMPTY_LOOK_PX = 64
_DRAFTED = {"JPEG", "MPO"}

# Once and for Pillow alone: changing the filters around each call would not be thread-safe.
warnings.filterwarnings("ignore", module=r"PIL\.")

# What Pillow raises on bytes that are not an image; the unusual ones come from its TIFF, EXIF and GIF readers.
DECODE_ERRORS = (
    OSError, SyntaxError, ValueError, struct.error, EOFError, zlib.error, LookupError, ArithmeticError,
    AttributeError, TypeError, AssertionError, RuntimeError, Warning, Image.DecompressionBombError,
)  # fmt: skip


def extract_image(content: bytes, reserve: Reserve = unlimited) -> Features[ImageRow]:
    """Decode an image and cut it into views.

    Parameters
    ----------
    content : bytes
        JPEG, PNG, GIF, WebP, BMP, TIFF or AVIF, and HEIC with the extra ``media``.
    reserve : callable
        Called with a number of bytes before so many are taken for pixels, where they are many.

    Returns
    -------
    Features[ImageRow]
        1 to `MAX_ROWS` rows; `partial` says what was not looked at: where a file is cut short, a strip is very long,
        an animation has more scenes than are read.

    Raises
    ------
    MediaInvalid
        ``not_image``, ``unsupported`` (a known format that is not read), ``empty``, ``bomb`` (more than `MAX_PIXELS`)
        or ``truncated``.
    """
    return _extract(content, reserve, ROWS)


def extract_image_and_pages(content: bytes, reserve: Reserve = unlimited) -> Features[ImageRow]:
    """The same as `extract_image`, with the pages in which text is looked for."""
    return _extract(content, reserve, PAGES)


def extract_image_and_prints(content: bytes, reserve: Reserve = unlimited) -> Features[ImageRow]:
    """The same as `extract_image`, with what the picture's looks are known by."""
    return _extract(content, reserve, PRINTS)


def extract_image_pages_and_prints(content: bytes, reserve: Reserve = unlimited) -> Features[ImageRow]:
    """The same as `extract_image`, with both."""
    return _extract(content, reserve, PAGES_AND_PRINTS)


def image_rows(image: Image.Image) -> tuple[ImageRow, ...]:
    """Cut an upright image of any mode into views.

    Parameters
    ----------
    image : Image
        At least one pixel wide and high.

    Returns
    -------
    tuple of ImageRow
        The whole image if no side is more than twice the other, else tiles along the long side, side by side without
        overlap; for each way to read its colours.
    """
    return view_picture(image, may_hold_pictures(image), ROWS).rows


def _extract(content: bytes, reserve: Reserve, wanted: Wanted) -> Features[ImageRow]:
    try:
        return _read(content, reserve, wanted)
    except MemoryError as error:
        raise MediaInvalid("bomb", "needs too much memory to be decoded") from error


def _read(content: bytes, reserve: Reserve, wanted: Wanted) -> Features[ImageRow]:
    content, left_out = _prepare(content)
    with _open(content) as image:
        _check_size(image)
        is_large, n_frames = may_hold_pictures(image), _count_frames(image)
        if n_frames == 1:
            features = _read_still(content, is_large, reserve, wanted)
        else:
            features = _read_animation(content, image, n_frames, reserve, wanted)
    pages = keep_within_limit(features.pages)
    partial = join_notes(features.partial, left_out)
    return Features(features.rows[:MAX_ROWS], partial, pages=pages, prints=features.prints[:MAX_PRINTS])


def _prepare(content: bytes) -> tuple[bytes, str | None]:
    content = drop_remarks(strip_leading(content))
    if not content.startswith(jpeg.BEGINNING):
        return webp.mend(content)
    try:
        return jpeg.cut_scans(content)
    except DECODE_ERRORS as error:
        raise MediaInvalid("not_image", "not an image") from error


def _open(content: bytes) -> Image.Image:
    name = name_of(content)
    if name == "HEIC":
        heif.register()
    try:
        if name == "JPEG":
            return jpeg.open_jpeg(content)
        return Image.open(io.BytesIO(content), formats=(*FORMATS, "HEIF") if name == "HEIC" else FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise MediaInvalid("bomb", "too many pixels") from error
    except DECODE_ERRORS as error:
        raise _refuse(name) from error


def _refuse(name: str | None) -> MediaInvalid:
    if name is None:
        return MediaInvalid("not_image", "not an image")
    if name.upper() in {*FORMATS, "HEIC"}:
        return MediaInvalid("not_image", f"not an image: damaged {name}")
    return MediaInvalid("unsupported", f"{name} is not read")


def _check_size(image: Image.Image) -> None:
    width, height = image.size
    if min(width, height) < 1:
        raise MediaInvalid("empty", f"empty: {width} x {height} pixels")
    limit = MAX_JPEG_PIXELS if image.format in _DRAFTED else MAX_PIXELS
    if width * height > limit:
        raise MediaInvalid("bomb", f"too many pixels: {width} x {height}, the limit is {limit // 10**6} megapixels")


def _count_frames(image: Image.Image) -> int:
    """Frames or pages, at most one more than `MAX_COUNTED_FRAMES`."""
    if image.format in _WITHOUT_ANIMATION:
        return 1
    try:
        if image.format != "TIFF":
            return max(1, int(getattr(image, "n_frames", 1)))
        return _count_pages(image)
    except DECODE_ERRORS as error:
        raise MediaInvalid("truncated", "truncated or damaged image") from error


def _count_pages(image: Image.Image) -> int:
    n_pages = 1
    try:
        while n_pages <= MAX_COUNTED_FRAMES:
            image.seek(n_pages)
            n_pages += 1
    except EOFError:
        pass
    image.seek(0)
    return n_pages


def _read_still(content: bytes, is_large: bool, reserve: Reserve, wanted: Wanted) -> Features[ImageRow]:
    try:
        if content.startswith(jpeg.BEGINNING):
            return _read_jpeg(content, is_large, reserve, wanted)
        image, cut = _decode_still(content, draft_for_views, reserve)
        features = view_picture(image, is_large, wanted)
    except DECODE_ERRORS as error:
        raise MediaInvalid("truncated", "truncated or damaged image") from error
    return replace(features, partial=join_notes(features.partial, cut))


def _read_jpeg(content: bytes, is_large: bool, reserve: Reserve, wanted: Wanted) -> Features[ImageRow]:
    """Rows at the scale that views need, pages at that of letters, prints at the first: none changes another."""
    image, cut = _decode_still(content, draft_for_views, reserve)
    features = view_picture(image, is_large, replace(wanted, paginate=no_pages))
    prints, fineness = features.prints, fineness_for(features)
    if fineness > 1:
        image, cut = _decode_still(content, partial(draft_for_views, fineness=fineness), reserve)
        features = view_picture(image, is_large, ROWS)
    pages = () if wanted.paginate is no_pages else _cut_pages(content, image, fineness, reserve, wanted.paginate)
    return replace(features, partial=join_notes(features.partial, cut), pages=pages, prints=prints)


def _cut_pages(
    content: bytes, image: Image.Image, fineness: int, reserve: Reserve, paginate: Paginate
) -> tuple[Page, ...]:
    """Pages of a JPEG; it is decoded again unless `image` is as fine as they need."""
    draft = partial(draft_for_pages, fineness=fineness)
    with jpeg.open_jpeg(content) as drafted:
        draft(drafted)
        is_as_fine = drafted.size in {image.size, image.size[::-1]}
    return page_picture(image if is_as_fine else _decode_still(content, draft, reserve)[0], paginate)


def _decode_still(content: bytes, draft: Draft, reserve: Reserve) -> tuple[Image.Image, str | None]:
    """The picture upright, and whether its file was cut short."""
    image = _open(content)
    n_whole = image.width * image.height
    draft(image)
    reserve(_estimate_bytes(image, n_whole))
    rawmode = rawmode_of(image)
    try:
        image.load()
    except DECODE_ERRORS:
        image, is_cut = _salvage(content, image, draft)
    else:
        is_cut = image.format == "JPEG" and jpeg.may_be_cut(image) and _is_cut(content, image, draft)
    return _turn_upright(restore_depth(image, rawmode, lambda: _open(content))), webp.CUT_SHORT if is_cut else None


def _estimate_bytes(image: Image.Image, n_whole: int) -> int:
    """What decoding takes at most: a progressive JPEG is held whole, some formats are decoded beside the picture."""
    n_coefficients = n_whole * _COEFFICIENT_BYTES if image.info.get("progressive") else 0
    n_each = _SIMPLE_PIXEL_BYTES if image.format in _SIMPLE and image.mode in {"L", "P", "RGB"} else _PIXEL_BYTES
    return image.width * image.height * n_each + n_coefficients


def _salvage(content: bytes, image: Image.Image, draft: Draft) -> tuple[Image.Image, bool]:
    """What a damaged file still shows, and whether that is less than the whole picture."""
    is_cut = True
    if image.format == "JPEG":
        content = jpeg.end(content)
        image = _load_jpeg(content, draft)
        is_cut = _is_cut(content, image, draft)
    else:
        image.tile = []  # type: ignore[attr-defined]  # what was decoded is there; Pillow is not to try again
        image.load()
    if is_cut and _is_empty(image):
        raise MediaInvalid("truncated", "truncated or damaged image")
    return image, is_cut


def _is_empty(image: Image.Image) -> bool:
    """Whether nothing of a picture arrived: libjpeg makes a few squares of noise out of no data at all."""
    return is_flat(image.convert("RGB").reduce(max(1, min(image.size) // _EMPTY_LOOK_PX)))


def _load_jpeg(content: bytes, draft: Draft) -> Image.Image:
    image = jpeg.open_jpeg(content)
    draft(image)
    image.load()
    return image


def _is_cut(content: bytes, image: Image.Image, draft: Draft) -> bool:
    """Whether libjpeg made up the end of a picture, which it does without a word where a file says that it ends."""
    other = _load_jpeg(jpeg.with_junk(content), draft)
    return ImageChops.difference(image.convert("RGB"), other.convert("RGB")).getbbox() is not None


def _read_animation(
    content: bytes, image: Image.Image, n_frames: int, reserve: Reserve, wanted: Wanted
) -> Features[ImageRow]:
    reserve(image.width * image.height * _FRAME_PIXEL_BYTES)
    durations_s = frame_durations(content)
    if len(durations_s) != n_frames:
        durations_s = [1.0] * n_frames
    n_readable = min(n_frames, MAX_COUNTED_FRAMES, max(1, _MAX_ANIMATION_PIXELS // (image.width * image.height)))
    n_wanted = min(n_readable, MAX_FRAMES, max(1, _MAX_FRAME_ROWS // len(plain_boxes(*image.size))))
    scenes = Scenes(frozenset(choose_frames(durations_s[:n_readable], n_wanted)))
    n_read = _watch(image, durations_s[:n_readable], scenes, wanted)
    described = f"more than {MAX_COUNTED_FRAMES}" if n_frames > MAX_COUNTED_FRAMES else f"{n_frames}"
    rest = f"sampled from the first {n_read} of {described} frames" if n_read < n_frames else None
    partial = join_notes(rest, scenes.describe_rest(_MAX_FRAME_ROWS))
    return Features(scenes.rows(_MAX_FRAME_ROWS), partial, pages=tuple(scenes.pages), prints=tuple(scenes.prints))


def _watch(image: Image.Image, durations_s: Sequence[float], scenes: Scenes, wanted: Wanted) -> int:
    """Decode one frame after another; returns how many there were before one that is damaged or too much."""
    n_pixels = 0
    for index, shown_s in enumerate(durations_s):
        try:
            frame = _decode_frame(image, index)
            n_pixels += image.width * image.height
            if index and n_pixels > _MAX_ANIMATION_PIXELS:
                return index
            _offer(scenes, index, frame, shown_s, wanted)
        except DECODE_ERRORS as error:
            if index == 0:
                raise MediaInvalid("truncated", "truncated or damaged image") from error
            return index
    return len(durations_s)


def _decode_frame(image: Image.Image, index: int) -> Image.Image:
    image.seek(index)
    _check_size(image)
    image.load()
    return _turn_upright(image)


def _offer(scenes: Scenes, index: int, frame: Image.Image, shown_s: float, wanted: Wanted) -> None:
    transform = profile_of(frame)
    for rgb in read_colours(frame):
        look = look_at(rgb)
        if scenes.is_read(index, look):
            scenes.pages.extend(wanted.paginate(rgb, (WHOLE,), transform))
        if scenes.wants(index, look, shown_s):
            scenes.keep(index, look, shown_s, cut_rows(rgb, plain_boxes(*rgb.size), transform))
            scenes.prints.extend(wanted.take_prints(rgb))


def _turn_upright(image: Image.Image) -> Image.Image:
    try:
        sound = image.getexif().get(_ORIENTATION_TAG, 1) == 1
        return image if sound else ImageOps.exif_transpose(image)
    except DECODE_ERRORS:
        return image  # broken EXIF: the pixels are sound
