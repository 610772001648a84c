import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, TiffImagePlugin

from sluice.errors import MediaInvalid
from sluice.features import IMAGE_SIZE_PX, ImageRow
from sluice.features.image import MAX_ROWS, extract_image
from tests.engine.features.pictures import draw, encode, encode_animation

# Pytest puts aside the filter that the module sets when it is imported.
pytestmark = pytest.mark.filterwarnings(r"ignore:::PIL\.")


def make_seeds() -> list[bytes]:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[270] = "drawn"
    small = draw(24, 16)
    return [
        encode(small, "JPEG", exif=Image.Exif()), encode(small), encode(small.quantize(8), "PNG"),
        encode_animation(3), encode_animation(3, "WEBP"), encode_animation(3, "PNG", (12, 12)), encode(small, "BMP"),
        encode(small, "TIFF", compression="tiff_lzw", tiffinfo=tags), encode(small, "TIFF", compression="jpeg"),
        encode_animation(2, "TIFF"), encode(small, "WEBP", lossless=True),
    ]  # fmt: skip


SEEDS = make_seeds()


def extract_or_explain(content: bytes) -> str | tuple[ImageRow, ...]:
    try:
        return extract_image(content).rows
    except MediaInvalid as error:
        return error.reason


def check_rows_or_reason(content: bytes) -> None:
    found = extract_or_explain(content)
    if isinstance(found, str):
        assert found in {"not_image", "empty", "bomb", "truncated", "unsupported"}
    else:
        assert 1 <= len(found) <= MAX_ROWS
        assert all(row.pixels.shape == (3, IMAGE_SIZE_PX, IMAGE_SIZE_PX) for row in found)


@given(st.binary(max_size=400))
def test_any_bytes_are_rows_or_refused(content: bytes) -> None:
    check_rows_or_reason(content)


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.sampled_from(SEEDS),
    edits=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=6),
    cut=st.floats(0.3, 1.0),
)
def test_any_damaged_image_is_rows_or_refused(seed: bytes, edits: list[tuple[float, int]], cut: float) -> None:
    content = bytearray(seed)
    for place, value in edits:
        content[int(place * len(content))] = value
    check_rows_or_reason(bytes(content[: int(cut * len(content))]))
