import asyncio
import os
import signal
from collections.abc import AsyncIterator

import numpy as np
import psutil
import pytest
from PIL import Image

from sluice.bytebudget import ByteBudget
from sluice.config import DecodingConfig
from sluice.decoding.pool import Decoder, DecodingPool
from sluice.errors import MediaInvalid
from sluice.features.audio import extract_audio, extract_audio_and_speech
from sluice.features.image import (
    extract_image,
    extract_image_and_pages,
    extract_image_and_prints,
    extract_image_pages_and_prints,
)
from tests.components import require_module
from tests.engine.decoding.files import draw, encode, make_pages, make_scans, make_slow_png
from tests.engine.features.clips import encode as encode_clip
from tests.engine.features.clips import play_tone
from tests.engine.speech.spoken import TRAIN, speak

SLOW = make_slow_png()


@pytest.fixture
async def pool() -> AsyncIterator[DecodingPool]:
    pool = DecodingPool(DecodingConfig(n_decoders=2))
    await pool.start()
    yield pool
    await pool.close()


async def refuse(pool: DecodingPool, content: bytes) -> MediaInvalid:
    with pytest.raises(MediaInvalid) as caught:
        await pool(extract_image, content)
    return caught.value


async def wait_until_busy(pid: int) -> None:
    """Until a decoder computes instead of waiting for its pipe."""
    before = sum(psutil.Process(pid).cpu_times()[:2])
    while sum(psutil.Process(pid).cpu_times()[:2]) < before + 0.2:
        await asyncio.sleep(0.02)


async def test_a_decoder_gives_what_decoding_here_gives(pool: DecodingPool) -> None:
    picture, clip = encode(Image.effect_noise((900, 300), 60)), encode_clip(play_tone(9.0))
    image, audio = await asyncio.gather(pool(extract_image, picture), pool(extract_audio, clip))
    for row, expected in zip(image.rows, extract_image(picture).rows, strict=True):
        assert np.array_equal(row.pixels, expected.pixels)
        assert row.box == expected.box
    assert image.prints == ()
    for heard, wanted in zip(audio.rows, extract_audio(clip).rows, strict=True):
        assert np.array_equal(heard.log_mel, wanted.log_mel)
        assert (heard.start_s, heard.end_s) == (wanted.start_s, wanted.end_s)


async def test_pages_come_along_where_they_are_asked_for(pool: DecodingPool) -> None:
    picture = encode(Image.effect_noise((900, 300), 60))
    with_pages, without = await asyncio.gather(pool(extract_image_and_pages, picture), pool(extract_image, picture))
    assert [page.pixels.shape for page in with_pages.pages] == [(300, 900, 3)]
    assert without.pages == ()


async def test_hashes_come_along_where_they_are_asked_for(pool: DecodingPool) -> None:
    picture = encode(Image.effect_noise((900, 300), 60))
    hashed, both = await asyncio.gather(
        pool(extract_image_and_prints, picture), pool(extract_image_pages_and_prints, picture)
    )
    assert hashed.prints == both.prints == extract_image_and_prints(picture).prints != ()
    assert (hashed.pages, len(both.pages)) == ((), 1)


async def test_what_cannot_be_read_is_refused_as_here(pool: DecodingPool) -> None:
    pids = pool.pids
    error = await refuse(pool, b"%PDF-1.7")
    assert (error.reason, error.detail) == ("unsupported", "PDF is not read")
    with pytest.raises(MediaInvalid, match="not audio"):
        await pool(extract_audio, b"words")
    assert pool.pids == pids  # nobody had to be replaced


async def test_speech_comes_along_where_it_is_asked_for(pool: DecodingPool) -> None:
    require_module("faster_whisper")
    clip = encode_clip(speak(TRAIN))
    listened, plain = await asyncio.gather(pool(extract_audio_and_speech, clip), pool(extract_audio, clip))
    assert listened.speech is not None
    assert len(listened.speech.samples) > 16_000
    assert plain.speech is None


async def test_partial_is_told(pool: DecodingPool) -> None:
    content = encode(Image.effect_noise((400, 400), 60))
    assert (await pool(extract_image, content[: len(content) // 2])).partial == "the file is cut short"


async def test_a_decoder_that_dies_fails_its_own_part(pool: DecodingPool) -> None:
    await asyncio.gather(*(pool(extract_image, draw()) for _ in range(4)))
    first = pool.pids
    slow = asyncio.create_task(pool(extract_image, SLOW))
    victim = await asyncio.wait_for(first_busy(first), 30)
    neighbours = [asyncio.create_task(pool(extract_image, draw())) for _ in range(10)]
    os.kill(victim, signal.SIGSEGV)
    with pytest.raises(MediaInvalid, match=r"crashed its decoder \(SIGSEGV\)"):
        await slow
    assert all(len(features.rows) == 1 for features in await asyncio.gather(*neighbours))
    assert victim not in pool.pids
    assert len((await pool(extract_image, draw())).rows) == 1


async def first_busy(pids: list[int]) -> int:
    waits = {asyncio.create_task(wait_until_busy(pid)): pid for pid in pids}
    done, rest = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for task in rest:
        task.cancel()
    return waits[done.pop()]


async def test_a_file_has_so_much_processor_time() -> None:
    pool = DecodingPool(DecodingConfig(n_decoders=1, cpu_s=0.0))
    await pool.start()
    error = await refuse(pool, SLOW)
    assert (error.reason, error.detail) == ("decoder", "takes too long to decode")
    assert len((await pool(extract_image, draw())).rows) == 1
    await pool.close()


async def test_a_file_that_nobody_waits_for_is_stopped(pool: DecodingPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sluice.decoding.pool.LATE_GRACE_S", 0.0)
    slow = asyncio.create_task(pool(extract_image, SLOW))
    victim = await asyncio.wait_for(first_busy(pool.pids), 30)
    slow.cancel()
    await asyncio.gather(*(pool(extract_image, draw()) for _ in range(4)))
    assert victim not in pool.pids


async def test_a_decoder_that_starts_for_a_late_file_is_kept_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    started, start_decoder = list[Decoder](), Decoder.start

    async def start(config: DecodingConfig, memory: ByteBudget) -> Decoder:
        started.append(decoder := await start_decoder(config, memory))
        late.cancel()
        await asyncio.sleep(0)  # the post stops waiting before the decoder is there
        return decoder

    pool = DecodingPool(DecodingConfig(n_decoders=1))
    monkeypatch.setattr("sluice.decoding.pool.LATE_GRACE_S", 0.0)
    monkeypatch.setattr(Decoder, "start", start)
    late = asyncio.create_task(pool(extract_image, draw()))
    await asyncio.wait({late})
    assert len((await pool(extract_image, draw())).rows) == 1
    assert pool.pids == [started[0].pid]
    assert started[0].n_files == 1, "the late one was not decoded"
    await pool.close()


async def test_memory_is_asked_for_and_bounded() -> None:
    pool = DecodingPool(DecodingConfig(n_decoders=2, shared_bytes=100 * 2**20))
    await pool.start()
    error = await refuse(pool, SLOW)
    assert error.reason == "bomb"
    assert "100 MB are allowed" in error.detail
    content = encode(Image.new("RGB", (2_500, 2_400)))  # 72 MB as it is decoded: one at a time
    assert len(await asyncio.gather(*(pool(extract_image, content) for _ in range(6)))) == 6
    await pool.close()


async def test_what_takes_more_than_it_may_is_refused() -> None:
    pool = DecodingPool(DecodingConfig(n_decoders=1, idle_bytes=85 * 2**20))
    await pool.start()
    error = await refuse(pool, encode(Image.new("RGB", (2_300, 2_300))))
    assert (error.reason, error.detail) == ("bomb", "needs too much memory to be decoded")
    assert len((await pool(extract_image, draw())).rows) == 1
    await pool.close()


@pytest.mark.parametrize("make", [make_scans, make_pages])
async def test_files_of_endless_work_are_read_in_part(make: object) -> None:
    pool = DecodingPool(DecodingConfig(n_decoders=1, cpu_s=20.0))
    await pool.start()
    assert (await pool(extract_image, make())).partial is not None  # type: ignore[operator]
    await pool.close()


async def test_decoders_import_neither_faust_nor_grpc(pool: DecodingPool) -> None:
    mapped = {entry.path for entry in psutil.Process(pool.pids[0]).memory_maps()}
    assert not any("grpc" in path or "faust" in path or "confluent" in path for path in mapped)


async def test_decoders_end_with_the_pool() -> None:
    pool = DecodingPool(DecodingConfig(n_decoders=2))
    await pool.start()
    await asyncio.gather(*(pool(extract_image, draw()) for _ in range(8)))
    pids = pool.pids
    assert len(pids) == 2
    await pool.close()
    assert not any(psutil.pid_exists(pid) for pid in pids)
