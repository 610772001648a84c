import struct
import zlib

import numpy as np
import pytest

from sluice.features.image import extract_image
from tests.engine.features.pictures import draw, encode, make_chunk

# Pytest puts aside the filter that the module sets when it is imported.
pytestmark = pytest.mark.filterwarnings(r"ignore:::PIL\.")


@pytest.mark.parametrize(
    "chunk",
    [
        make_chunk(b"zTXt", b"key\0\0" + zlib.compress(bytes(2**24))),
        make_chunk(b"iCCP", b"key\0\0" + zlib.compress(bytes(2**24))),
        make_chunk(b"iCCP", b"key\0\0no zlib"),
        make_chunk(b"gAMA", struct.pack(">I", 45_455), error=1),
        make_chunk(b"tEXt", b"key\0value", error=1),
    ],
)
def test_a_remark_beside_a_png_does_not_cost_the_picture(chunk: bytes) -> None:
    png = encode(draw())
    plain, remarked = extract_image(png).rows[0], extract_image(png[:33] + chunk + png[33:]).rows[0]
    assert np.array_equal(plain.pixels, remarked.pixels)
