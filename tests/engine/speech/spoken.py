"""Sentences spoken by espeak-ng, as people's clips would hold them."""

import subprocess
from functools import cache

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from sluice.features import SAMPLE_RATE_HZ
from tests.components import require

TRAIN = "The train to Hamburg leaves at ten past nine from platform four."
THREAT = "I know where you live and I will kill you tomorrow."


@cache
def speak(text: str) -> npt.NDArray[np.float32]:
    """A sentence in English, shape = (n,), 16 kHz."""
    command = [require("espeak-ng"), "-v", "en-us", "-s", "140", "--stdout", text]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as speaker:
        assert speaker.stdout is not None
        content = speaker.stdout.read()
    samples = np.frombuffer(content[44:], np.int16).astype(np.float32) / 32768
    return np.asarray(soxr.resample(samples, 22_050, SAMPLE_RATE_HZ), np.float32)


def as_wav(waveform: npt.NDArray[np.float32], path: str) -> None:
    """Write 16 kHz to a file."""
    soundfile.write(path, waveform, SAMPLE_RATE_HZ)
