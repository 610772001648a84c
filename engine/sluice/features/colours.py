"""An image of any mode to what people see of it: red, green and blue, with the readings that transparency allows."""

from __future__ import annotations

import io
from functools import lru_cache
from itertools import product

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms

FLAT_RANGE = 16
"""Between the darkest and the brightest value of each channel: up to here there is nothing to see but noise."""
_PROFILE_MODES = {"RGB": "RGB", "CMYK": "CMYK", "GRAY": "L"}
_UNSEEN_STEP = 3
"""A profile that changes no colour by more is sRGB by another name, or as good as that."""
_SAMPLE_PX = 256
_HIDDEN_ALPHA = 128
_HIDDEN_STEP, _HIDDEN_SHARE = 24, 0.02
_LOOK_PX, _MUCH_MORE = 64, 2.0
_BIT_DEPTHS = (8, 10, 12, 14, 16)

_SCREEN_GAMMA = 2.2
_SAME_GAMMA, _MUCH_GAMMA = 1.1, 1.5
"""Exponents, or their inverse: up to the first nothing changes to speak of, over the second not all viewers agree."""

Transform = ImageCms.ImageCmsTransform


def read_colours(image: Image.Image) -> list[Image.Image]:
    """Every RGB picture that viewers make of an image; one, unless transparency hides something.

    Parameters
    ----------
    image : Image
        Of any mode.

    Returns
    -------
    list of Image
        Laid on white as most pages do. Colours that a picture keeps where it is transparent are a reading of their
        own, since some viewers ignore transparency; what is invisible on white is laid on black. Where a PNG says how
        its values are to be brightened (``gAMA``), it is; as some viewers do not, values far from that are shown too.
    """
    readings, gamma = _read_mode(image), _gamma_of(image)
    if gamma is None:
        return readings
    seen = [_brighten(reading, gamma) for reading in readings]
    seen += readings if max(gamma, 1 / gamma) > _MUCH_GAMMA else []
    return [reading for reading in seen if not is_flat(reading)] or seen[:1]


def _read_mode(image: Image.Image) -> list[Image.Image]:
    if image.mode in {"I", "F"} or image.mode.startswith("I;16"):
        return [_narrow(image).convert("RGB")]
    if image.mode == "LAB":
        return [image.getchannel("L").convert("RGB")]  # Pillow has no way to RGB without a colour profile
    if image.mode == "CMYK":
        return [_mix_inks(image)]
    if not image.has_transparency_data:
        return [image if image.mode == "RGB" else image.convert("RGB")]
    return _read_transparency(image if image.mode == "RGBA" else image.convert("RGBA"))


def _gamma_of(image: Image.Image) -> float | None:
    """The exponent that turns a PNG's values into a screen's; None if they are a screen's, or a profile says more.

    Source: PNG (Third Edition, W3C, 2023), sections 11.3.2.2 and 13.13: 1 / (gAMA * the screen's exponent).
    """
    stored = image.info.get("gamma")
    if not stored or "srgb" in image.info or image.info.get("icc_profile"):
        return None
    exponent = 1.0 / (stored * _SCREEN_GAMMA)
    return exponent if max(exponent, 1 / exponent) > _SAME_GAMMA else None


def _brighten(rgb: Image.Image, exponent: float) -> Image.Image:
    levels = np.round(255.0 * (np.arange(256) / 255.0) ** exponent)
    return rgb.point(levels.astype(int).tolist() * 3)


def is_flat(image: Image.Image) -> bool:
    """Whether an RGB image shows one colour only, but for noise."""
    extrema = image.getextrema()
    return all(high - low <= FLAT_RANGE for low, high in extrema)  # type: ignore[misc]


def profile_of(image: Image.Image) -> Transform | None:
    """How to get from an image's own colours to sRGB; None if they are sRGB, or nothing usable says otherwise."""
    profile = image.info.get("icc_profile")
    return _read_profile(profile, image.mode) if isinstance(profile, bytes) and profile else None


def apply_profile(rgb: Image.Image, transform: Transform | None) -> Image.Image:
    """The RGB image in sRGB."""
    return rgb if transform is None else transform.apply(rgb)


@lru_cache(maxsize=32)
def _read_profile(profile: bytes, mode: str) -> Transform | None:
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        taken = _PROFILE_MODES.get(source.profile.xcolor_space.strip())
        if taken is None or (taken == "CMYK") != (mode == "CMYK"):
            return None
        transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), taken, "RGB")
        if taken != "RGB":
            return transform if taken == "CMYK" else None
        return transform if _changes_colours(transform) else None
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None  # as browsers: a profile that cannot be used is as good as none


def _changes_colours(transform: Transform) -> bool:
    levels = (0, 64, 128, 192, 255)
    cube = np.array(list(product(levels, levels, levels)), dtype=np.uint8).reshape(5, 25, 3)
    changed = np.asarray(transform.apply(Image.fromarray(cube)))
    return int(np.abs(changed.astype(np.int16) - cube).max()) > _UNSEEN_STEP


def _mix_inks(image: Image.Image) -> Image.Image:
    transform = profile_of(image)
    return image.convert("RGB") if transform is None else transform.apply(image)


def _read_transparency(rgba: Image.Image) -> list[Image.Image]:
    readings = [_lay_on(rgba, "white")]
    if _hides_colours(rgba):
        readings.append(rgba.convert("RGB"))
    elif _shows_more(on_black := _lay_on(rgba, "black"), readings[0]):
        readings.append(on_black)
    return [reading for reading in readings if not is_flat(reading)] or readings[:1]


def _shows_more(one: Image.Image, other: Image.Image) -> bool:
    """Whether much more stands out in one reading: a white drawing on black, though a dark spot is seen on white."""
    return is_flat(other) or _contrast(one) > _MUCH_MORE * _contrast(other)


def _contrast(rgb: Image.Image) -> float:
    """Standard deviation of the brightness, of a small copy."""
    grey = rgb.resize([min(side, _LOOK_PX) for side in rgb.size], Image.Resampling.BOX).convert("L")
    return float(np.asarray(grey, np.float32).std())


def _lay_on(rgba: Image.Image, colour: str) -> Image.Image:
    paper = Image.new("RGB", rgba.size, colour)
    paper.paste(rgba, mask=rgba)
    return paper


def _hides_colours(rgba: Image.Image) -> bool:
    """Whether pixels that are hardly shown differ among themselves: by more than the rims of drawn shapes."""
    sample = np.asarray(rgba.resize([min(side, _SAMPLE_PX) for side in rgba.size], Image.Resampling.NEAREST))
    hidden = sample[sample[..., 3] < _HIDDEN_ALPHA][:, :3].astype(np.int16)
    if len(hidden) < _HIDDEN_SHARE * sample[..., 3].size:
        return False
    differs = np.abs(hidden - np.median(hidden, axis=0)).max(axis=1) > _HIDDEN_STEP
    return bool(differs.mean() > _HIDDEN_SHARE)


def _narrow(image: Image.Image) -> Image.Image:
    """More than 8 bits a pixel to 8."""
    if image.mode.startswith("I;16"):
        return Image.fromarray(narrow_deep(np.asarray(image)))
    values = np.array(image, dtype=np.float32)
    np.nan_to_num(values, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
    low, high = _find_range(float(values.min()), float(values.max()))
    values -= low
    values *= 255.0 / (high - low)
    return Image.fromarray(np.clip(values, 0.0, 255.0, out=values).astype(np.uint8))


def narrow_deep(values: npt.NDArray[np.uint16]) -> npt.NDArray[np.uint8]:
    """Up to 16 bits to 8, any shape; cameras and scanners store 10, 12 or 14 bits in the lower part of 16."""
    n_bits = next(depth for depth in _BIT_DEPTHS if int(values.max()) < 2**depth)
    return (values >> (n_bits - 8)).astype(np.uint8)


def _find_range(low: float, high: float) -> tuple[float, float]:
    """The range of black to white that the values most likely use: 1, a camera's 8 to 16 bits, or just their own."""
    if low < 0.0 or high > 65_535.0:
        return low, max(high, low + 1.0)
    return 0.0, next(limit for limit in (1.0, *(2.0**depth - 1 for depth in _BIT_DEPTHS)) if high <= limit)
