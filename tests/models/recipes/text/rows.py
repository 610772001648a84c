"""What tests of text recipes share: made-up rows."""

import numpy as np

from sluice.schema import LABELS
from sluice_models.data.bundle import Example

NOTHING = dict.fromkeys(LABELS, 0)


def label_row(**known):
    return np.array([known.get(label, np.nan) for label in LABELS], np.float32)


def make_example(text="you are a fool", source="made", meta=None, lang="en", **labels):
    return Example("k", text, None, lang, label_row(**labels), source, meta or {})


def make_harmless(text, **more):
    return make_example(text, **{**more, **NOTHING})
