"""Harmless sounds made by program, 16 kHz mono: what the bundle lacks, and what may be taken for a shot or a scream."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from sluice.features import SAMPLE_RATE_HZ, WINDOW_S

N_SAMPLES = round(WINDOW_S * SAMPLE_RATE_HZ)
Waveform = npt.NDArray[np.float32]
_TIME_S = np.arange(N_SAMPLES) / SAMPLE_RATE_HZ


def synthesise(rng: np.random.Generator) -> Waveform:
    """One harmless sound of `WINDOW_S`, its peak at 0.05 to 0.9."""
    sound = SOUNDS[rng.integers(len(SOUNDS))](rng)
    return set_peak(sound, rng.uniform(0.05, 0.9))


def set_peak(sound: npt.NDArray[np.float32] | npt.NDArray[np.float64], peak: float) -> Waveform:
    """Scale a sound, shape = (n,), to a peak; silence stays silent."""
    return np.asarray(sound * (peak / max(float(np.abs(sound).max()), 1e-6)), np.float32)


def hiss(rng: np.random.Generator) -> Waveform:
    """Noise of any colour, violet to brown: its power goes with the frequency to the power of 2 to -2; it may swell."""
    spectrum = np.fft.rfft(rng.standard_normal(N_SAMPLES))
    slope = np.maximum(np.arange(len(spectrum)), 20.0) ** -rng.uniform(-1, 1)
    swell = 1 + rng.uniform(0, 0.8) * np.sin(2 * np.pi * rng.uniform(0.1, 2) * _TIME_S)
    return np.asarray(np.fft.irfft(spectrum * slope, N_SAMPLES) * swell, np.float32)


def wind(rng: np.random.Generator) -> Waveform:
    """Noise in a band of its own that comes in gusts: wind, a fan, a tap, a passing car."""
    gusts = np.interp(_TIME_S, np.linspace(0, WINDOW_S, 8), rng.uniform(0.05, 1, 8))
    rush = band_noise(rng, 10 ** rng.uniform(2, 3.7), rng.uniform(0.3, 2), N_SAMPLES)
    return np.asarray(rush * gusts, np.float32)


def rain(rng: np.random.Generator) -> Waveform:
    """From some drops a second to a downpour, each a click that is over in 1 to 20 ms; with a rush behind."""
    drops = (rng.random(N_SAMPLES) < 10 ** rng.uniform(0.5, 3) / SAMPLE_RATE_HZ) * rng.exponential(1, N_SAMPLES)
    click = rng.standard_normal(320) * _fade(320, 10 ** rng.uniform(2.4, 3.3))
    rush = rng.uniform(0, 0.3) * band_noise(rng, rng.uniform(1000, 5000), 1.0, N_SAMPLES)
    return np.asarray(np.convolve(drops, click)[:N_SAMPLES] + rush, np.float32)


def hum(rng: np.random.Generator) -> Waveform:
    """The mains in a cable or a machine: 50 or 60 Hz and its harmonics, over some noise."""
    mains_hz = rng.choice([50.0, 60.0])
    waves = [np.sin(2 * np.pi * mains_hz * n * _TIME_S) * rng.uniform(0, 1) / n**0.7 for n in range(1, 12)]
    return np.asarray(np.sum(waves, axis=0) + rng.uniform(0, 0.5) * set_peak(hiss(rng), 1.0), np.float32)


def engine(rng: np.random.Generator) -> Waveform:
    """Strokes of 15 to 150 a second whose rate goes up and down: a car, a saw, a drill, a helicopter."""
    rates = _glide(rng, *np.sort(10 ** rng.uniform(1.2, 2.2, 2)))
    strokes = np.diff(np.floor(np.cumsum(rates) / SAMPLE_RATE_HZ), prepend=0.0) * rng.uniform(0.6, 1, N_SAMPLES)
    stroke = band_noise(rng, 10 ** rng.uniform(2, 3.3), 1.0, 1600) * _fade(1600, rng.uniform(30, 300))
    return np.asarray(np.convolve(strokes, stroke)[:N_SAMPLES] + 0.05 * hiss(rng), np.float32)


def tone(rng: np.random.Generator) -> Waveform:
    """A steady tone with a few harmonics."""
    frequency_hz = rng.uniform(80, 3000)
    return _harmonics(rng, np.full(N_SAMPLES, frequency_hz))


def chirp(rng: np.random.Generator) -> Waveform:
    """A sweep, or a siren's rise and fall."""
    low_hz, high_hz = np.sort(rng.uniform(100, 4000, 2))
    share = _TIME_S / WINDOW_S if rng.random() < 0.5 else 0.5 + 0.5 * np.sin(_TIME_S * rng.uniform(1, 12))
    return _harmonics(rng, low_hz + (high_hz - low_hz) * share)


def music(rng: np.random.Generator) -> Waveform:
    """Plucked chords in a steady rhythm, with or without drums."""
    beat_s = rng.uniform(0.2, 0.8)
    root_hz = rng.uniform(100, 500)
    piece = np.zeros(N_SAMPLES)
    for start_s in np.arange(0, WINDOW_S, beat_s):
        for step in rng.choice([0, 3, 4, 5, 7, 9, 12], 3, replace=False):
            _strike(piece, start_s, root_hz * 2 ** (step / 12), rng.uniform(3, 10))
    return np.asarray(piece + drums(rng) * rng.choice([0.0, 1.0]), np.float32)


def pads(rng: np.random.Generator) -> Waveform:
    """A held chord with bright harmonics, as of strings, an organ or a synthesiser, with or without drums."""
    root_hz, rise_s = rng.uniform(60, 400), rng.uniform(0.01, 1.5)
    vibrato = 1 + rng.uniform(0, 0.015) * np.sin(2 * np.pi * rng.uniform(3, 8) * _TIME_S)
    steps = rng.choice([0, 3, 4, 7, 10, 12, 16], int(rng.integers(1, 5)), replace=False)
    chord = np.sum([_bright(rng, root_hz * 2 ** (step / 12) * vibrato) for step in steps], axis=0)
    rhythm = rng.choice([0.0, 0.5]) * set_peak(drums(rng), float(np.abs(chord).max()))
    return np.asarray(chord * np.minimum(_TIME_S / rise_s, 1) + rhythm, np.float32)


def lead(rng: np.random.Generator) -> Waveform:
    """A loud tune of bright notes of 200 to 1600 Hz that slide into one another, as of a guitar, a violin or a horn."""
    notes_hz = rng.uniform(200, 800) * 2 ** (rng.choice([0, 2, 4, 5, 7, 9, 12], 16) / 12)
    note_s = rng.uniform(0.12, 0.6)
    course = notes_hz[np.minimum(_TIME_S / note_s, 15).astype(int)]
    slide = round(rng.uniform(0.002, 0.08) * SAMPLE_RATE_HZ)
    glided = np.convolve(np.pad(course, slide, "edge"), np.ones(slide) / slide, "same")[slide:-slide]
    plucked = np.exp(-(_TIME_S % note_s) * rng.uniform(0, 6))
    return np.asarray(_bright(rng, glided) * plucked, np.float32)


def _bright(rng: np.random.Generator, pitch_hz: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """All harmonics below 7 kHz, at most 20, each weaker than the one before."""
    phase = 2 * np.pi * np.cumsum(pitch_hz) / SAMPLE_RATE_HZ
    fall, only_odd = rng.uniform(0.6, 2), rng.random() < 0.3
    numbers = range(1, int(min(7000 / pitch_hz.max(), 20)) + 1, 2 if only_odd else 1)
    return np.asarray(np.sum([np.sin(number * phase) / number**fall for number in numbers], axis=0))


def drums(rng: np.random.Generator) -> Waveform:
    """Kicks, snares and hats in a rhythm of their own: sudden, but no shots."""
    step_s = 60 / rng.uniform(60, 180) / rng.choice([1, 2, 4])
    pattern = rng.random((3, 8)) < np.array([[0.5], [0.3], [0.6]])
    hits = (_kick(rng), _snare(rng), _hat(rng))
    levels = rng.uniform(0.2, 1, 3)
    piece = np.zeros(N_SAMPLES)
    for number, start_s in enumerate(np.arange(rng.uniform(0, 0.3), WINDOW_S, step_s)):
        for hit, level, is_struck in zip(hits, levels, pattern[:, number % 8], strict=True):
            add_at(piece, start_s, hit * level * rng.uniform(0.7, 1) * (is_struck or number == 0))
    return np.asarray(piece, np.float32)


def _kick(rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """A sine that falls to 40 to 110 Hz within some milliseconds, with a beater's click, a hiss, or neither."""
    time_s = _TIME_S[:8000]
    pitch_hz = rng.uniform(40, 110) * (1 + rng.uniform(0, 6) * np.exp(-time_s * rng.uniform(20, 120)))
    body = np.sin(2 * np.pi * np.cumsum(pitch_hz) / SAMPLE_RATE_HZ) * _fade(8000, rng.uniform(6, 35))
    click = rng.standard_normal(8000) * _fade(8000, 10 ** rng.uniform(1.1, 2.8))
    return np.asarray(body + rng.uniform(0, 0.4) * click)


def _snare(rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Wires that rattle, over a skin of 130 to 350 Hz; a tom has hardly any wires."""
    skin = np.sin(2 * np.pi * rng.uniform(80, 350) * _TIME_S[:8000]) * _fade(8000, rng.uniform(10, 40))
    wires = band_noise(rng, rng.uniform(500, 6000), rng.uniform(1, 6), 8000) * _fade(8000, rng.uniform(8, 90))
    return np.asarray(skin * rng.uniform(0.2, 1) + wires * rng.uniform(0, 1))


def _hat(rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """A cymbal, short or ringing."""
    return band_noise(rng, rng.uniform(5000, 8000), 0.6, 8000) * _fade(8000, rng.uniform(5, 120))


def fireworks(rng: np.random.Generator) -> Waveform:
    """A rocket's whistle, a dull burst, and dozens of crackles after it; not every piece has all three."""
    piece = np.zeros(N_SAMPLES)
    burst_s = rng.uniform(0.3, 2)
    if rng.random() < 0.6:
        whistle_hz = rng.uniform(1500, 4500) * np.linspace(1, rng.uniform(0.6, 1.4), N_SAMPLES)
        rise = np.sin(2 * np.pi * np.cumsum(whistle_hz) / SAMPLE_RATE_HZ) * (burst_s > _TIME_S)
        piece += rng.uniform(0.05, 0.5) * rise * _TIME_S / burst_s
    thud = band_noise(rng, rng.uniform(60, 300), 1.0, 16_000) * _fade(16_000, rng.uniform(5, 20))
    add_at(piece, burst_s, thud * np.minimum(np.arange(16_000) / (rng.uniform(0.005, 0.03) * SAMPLE_RATE_HZ), 1))
    for start_s in burst_s + rng.uniform(0.1, 1.8, rng.integers(10, 120)):
        crackle = rng.standard_normal(800) * _fade(800, rng.uniform(200, 1200))
        add_at(piece, start_s, crackle * rng.uniform(0.02, 0.3))
    return np.asarray(piece, np.float32)


def knocks(rng: np.random.Generator) -> Waveform:
    """Damped knocks on wood, irregular."""
    piece = np.zeros(N_SAMPLES)
    for start_s in np.sort(rng.uniform(0, WINDOW_S, rng.integers(1, 8))):
        _strike(piece, start_s, rng.uniform(150, 900), rng.uniform(25, 60))
    return np.asarray(piece + 0.01 * hiss(rng), np.float32)


def beeps(rng: np.random.Generator) -> Waveform:
    """Short tones with pauses, as of a phone or a timer."""
    gate = np.sin(2 * np.pi * rng.uniform(0.5, 4) * _TIME_S) > rng.uniform(-0.5, 0.7)
    return np.asarray(tone(rng) * gate, np.float32)


def claps(rng: np.random.Generator) -> Waveform:
    """One clap to applause: bursts of noise around 1 to 2 kHz that are over in 50 ms."""
    piece = np.zeros(N_SAMPLES)
    for start_s in np.sort(rng.uniform(0, WINDOW_S, int(rng.choice([1, 2, 4, 8, 40])))):
        clap = band_noise(rng, rng.uniform(800, 2500), 0.8, 3000) * rng.uniform(0.4, 1)
        add_at(piece, start_s, clap * _fade(len(clap), rng.uniform(80, 220)))
    return np.asarray(piece, np.float32)


def slams(rng: np.random.Generator) -> Waveform:
    """Doors: a dull thud of 5 to 20 ms rise, its panel's low modes, sometimes a latch's click before."""
    piece = np.zeros(N_SAMPLES)
    for start_s in rng.uniform(0.05, WINDOW_S - 0.5, rng.integers(1, 4)):
        thud = band_noise(rng, rng.uniform(120, 400), 0.8, 8000) * _fade(8000, rng.uniform(20, 50))
        rise = np.minimum(np.arange(8000) / (rng.uniform(0.005, 0.02) * SAMPLE_RATE_HZ), 1)
        add_at(piece, start_s, thud * rise * rng.uniform(0.3, 1))
        for _ in range(3):
            _strike(piece, start_s, rng.uniform(50, 250), rng.uniform(15, 40))
        if rng.random() < 0.4:
            _strike(piece, start_s - 0.04, rng.uniform(1500, 4000), 150)
    return np.asarray(piece, np.float32)


def pops(rng: np.random.Generator) -> Waveform:
    """Balloons and corks: a click and a resonance of 400 to 1500 Hz, over in 30 ms, without a rumble after."""
    piece = np.zeros(N_SAMPLES)
    for start_s in rng.uniform(0, WINDOW_S - 0.1, rng.integers(1, 4)):
        click = rng.standard_normal(1600) * _fade(1600, rng.uniform(250, 600))
        add_at(piece, start_s, click)
        _strike(piece, start_s, rng.uniform(400, 1500), rng.uniform(90, 200))
    return np.asarray(piece, np.float32)


def glass(rng: np.random.Generator) -> Waveform:
    """Breaking: dozens of ringing partials of 2 to 7 kHz, scattered over up to 0.8 s."""
    piece = np.zeros(N_SAMPLES)
    start_s, spread_s = rng.uniform(0, WINDOW_S - 1.5), rng.uniform(0.1, 0.8)
    for _ in range(rng.integers(15, 50)):
        _strike(piece, start_s + spread_s * rng.random() ** 2, rng.uniform(2000, 7000), rng.uniform(15, 60))
    return np.asarray(piece, np.float32)


def cheering(rng: np.random.Generator) -> Waveform:
    """A crowd: shaped noise that swells, with long calls of 200 to 500 Hz in it, none of them rough."""
    crowd = 0.7 * band_noise(rng, rng.uniform(600, 1500), 1.0, N_SAMPLES)
    for _ in range(rng.integers(3, 7)):
        waver = 1 + 0.08 * np.sin(2 * np.pi * rng.uniform(0.2, 2) * _TIME_S + rng.uniform(0, 6))
        crowd = crowd + 0.15 * _harmonics(rng, rng.uniform(200, 500) * waver)
    swell = 0.2 + np.sin(np.pi * np.clip(_TIME_S / WINDOW_S + rng.uniform(-0.3, 0.3), 0, 1))
    return np.asarray(crowd * swell, np.float32)


def whistling(rng: np.random.Generator) -> Waveform:
    """Nearly pure tones of 900 to 3500 Hz that glide, some with a trill as of a referee's whistle."""
    trill = 1 + rng.choice([0.0, 0.03]) * np.sin(2 * np.pi * rng.uniform(20, 45) * _TIME_S)
    waves = np.sin(2 * np.pi * np.cumsum(_glide(rng, 900, 3500) * trill) / SAMPLE_RATE_HZ)
    breath = 0.05 * band_noise(rng, 3000, 1.0, N_SAMPLES)
    return np.asarray((waves + breath) * _phrases(rng, 0.3, 1.5), np.float32)


def wailing(rng: np.random.Generator) -> Waveform:
    """Smooth, melodic cries of 300 to 600 Hz with harmonics, as of an infant or a cat."""
    arches = 1 + 0.25 * np.sin(2 * np.pi * rng.uniform(0.4, 1.2) * _TIME_S)
    return np.asarray(_voice(rng, rng.uniform(300, 480) * arches) * _phrases(rng, 0.5, 1.2), np.float32)


def babble(rng: np.random.Generator) -> Waveform:
    """Speech-like: a voice of 80 to 260 Hz in syllables of 0.1 to 0.3 s, with hisses between."""
    voiced = _voice(rng, _glide(rng, 80, 260)) * _phrases(rng, 0.1, 0.3)
    hissed = 0.3 * band_noise(rng, 5000, 0.5, N_SAMPLES) * _phrases(rng, 0.05, 0.15, pause=4)
    return np.asarray(voiced + hissed, np.float32)


SOUNDS: tuple[Callable[[np.random.Generator], Waveform], ...] = (
    *(hiss, wind, rain, hum, engine, tone, chirp, music, pads, lead, drums, knocks, beeps),
    *(claps, slams, pops, fireworks, glass, cheering, whistling, wailing, babble),
)
STEADY: tuple[Callable[[np.random.Generator], Waveform], ...] = (hiss, wind, rain, hum, engine)
"""What is there all the time, until a recording ends."""
SUDDEN: tuple[Callable[[np.random.Generator], Waveform], ...] = (
    *(drums, music, knocks, claps),
    *(slams, pops, fireworks, glass),
)
"""What is most easily taken for a shot."""
SHRILL: tuple[Callable[[np.random.Generator], Waveform], ...] = (chirp, pads, lead, cheering, whistling, wailing)
"""What is most easily taken for a scream."""


def band_noise(rng: np.random.Generator, centre_hz: float, octaves: float, n_samples: int) -> npt.NDArray[np.float64]:
    """Noise, shape = (n,), around a frequency: its level is a bell of that many octaves' deviation, its peak 1."""
    spectrum = np.fft.rfft(rng.standard_normal(n_samples))
    frequencies_hz = np.maximum(np.fft.rfftfreq(n_samples, 1 / SAMPLE_RATE_HZ), 1.0)
    bell = np.exp(-0.5 * (np.log2(frequencies_hz / centre_hz) / octaves) ** 2)
    noise = np.fft.irfft(spectrum * bell, n_samples)
    return np.asarray(noise / max(float(np.abs(noise).max()), 1e-9))


def add_at(piece: npt.NDArray[np.float64], start_s: float, sound: npt.NDArray[np.float64]) -> None:
    """Add a sound to `piece`, shape = (n,), in place; what reaches over its end is lost."""
    start = max(round(start_s * SAMPLE_RATE_HZ), 0)
    kept = sound[: max(len(piece) - start, 0)]
    piece[start : start + len(kept)] += kept


def _fade(n_samples: int, decay_per_s: float) -> npt.NDArray[np.float64]:
    return np.asarray(np.exp(-np.arange(n_samples) / SAMPLE_RATE_HZ * decay_per_s))


def _glide(rng: np.random.Generator, low_hz: float, high_hz: float) -> npt.NDArray[np.float64]:
    """A frequency that goes from place to place, four a second, shape = (N_SAMPLES,)."""
    return np.interp(_TIME_S, np.linspace(0, WINDOW_S, 16), rng.uniform(low_hz, high_hz, 16))


def _phrases(rng: np.random.Generator, low_s: float, high_s: float, pause: float = 0.7) -> npt.NDArray[np.float64]:
    """A gate that is open for `low_s` to `high_s` and shut for up to `pause` times as long, smoothed over 20 ms."""
    gate = np.zeros(N_SAMPLES)
    start_s = rng.uniform(0, low_s)
    while start_s < WINDOW_S:
        length_s = rng.uniform(low_s, high_s)
        add_at(gate, start_s, np.full(round(length_s * SAMPLE_RATE_HZ), rng.uniform(0.4, 1)))
        start_s += length_s * (1 + rng.uniform(0.1, 1) * pause)
    return np.convolve(gate, np.hanning(320) / np.hanning(320).sum(), "same")


def _voice(rng: np.random.Generator, pitch_hz: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Harmonics of a pitch, shaped by two formants that move; their gains are found every 4 ms."""
    coarse = slice(None, None, 64)
    phase = 2 * np.pi * np.cumsum(pitch_hz) / SAMPLE_RATE_HZ
    formants_hz = (_glide(rng, 300, 900)[coarse], _glide(rng, 900, 2600)[coarse])
    waves = np.zeros(N_SAMPLES)
    for number in range(1, int(min(4000 / pitch_hz.max(), 14)) + 1):
        distances = [(number * pitch_hz[coarse] - formant_hz) / 250 for formant_hz in formants_hz]
        gains = 0.05 / number + np.exp(-(distances[0] ** 2)) + np.exp(-(distances[1] ** 2))
        waves += np.interp(_TIME_S, _TIME_S[coarse], gains) * np.sin(number * phase)
    return waves


def _harmonics(rng: np.random.Generator, frequency_hz: npt.NDArray[np.float64]) -> Waveform:
    phase = 2 * np.pi * np.cumsum(frequency_hz) / SAMPLE_RATE_HZ
    n_harmonics = int(min(rng.integers(1, 6), 7000 // frequency_hz.max()))
    waves = [np.sin(phase * number) * rng.uniform(0.1, 1) / number for number in range(1, max(n_harmonics, 1) + 1)]
    return np.asarray(np.sum(waves, axis=0), np.float32)


def _strike(piece: npt.NDArray[np.float64], start_s: float, frequency_hz: float, decay_per_s: float) -> None:
    """Add a damped sine to `piece`, in place, until it has faded to under 1 %."""
    start = round(start_s * SAMPLE_RATE_HZ)
    n_samples = min(N_SAMPLES - start, round(5 / decay_per_s * SAMPLE_RATE_HZ))
    if n_samples > 0:
        elapsed_s = _TIME_S[:n_samples]
        piece[start : start + n_samples] += np.exp(-elapsed_s * decay_per_s) * np.sin(
            2 * np.pi * frequency_hz * elapsed_s
        )
