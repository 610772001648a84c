"""Where in a part the models saw a label: the encoders' maps become spans, boxes and time ranges. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sluice.features import WINDOW_S, AudioRow, ImageRow, TextRow
from sluice.schema import AudioEvidence, ImageEvidence, TextEvidence

Floats = npt.NDArray[np.floating[Any]]

MARKED = 0.5
"""A token, cell or frame counts from this score on: the middle of the scale it was trained on."""
SHARE_OF_PEAK = 0.6
"""Where nothing reaches `MARKED`, what comes this near to the highest score is pointed at."""
FLOOR = 0.1
"""A map whose highest score stays below this points nowhere."""
MAX_SPANS = 8
"""Of one part in one reason, strongest first."""


def text_evidence(rows: Sequence[TextRow], token_scores: Sequence[Floats]) -> tuple[TextEvidence, ...]:
    """Spans of the published text, in order; windows that overlap give one span.

    Parameters
    ----------
    token_scores : sequence of ndarray, shape = (L,)
        Per row, in [0, 1].
    """
    spans = np.concatenate([row.spans for row in rows])
    runs = _strongest_runs(spans[:, 0], spans[:, 1], np.concatenate(token_scores), gap=1)
    return tuple(TextEvidence(int(start), int(end)) for start, end in runs)


def audio_evidence(index: int, rows: Sequence[AudioRow], frame_scores: Sequence[Floats]) -> tuple[AudioEvidence, ...]:
    """Time ranges of a clip, in order; windows that overlap give one range.

    Parameters
    ----------
    frame_scores : sequence of ndarray, shape = (t,)
        One label's score per frame per row, in [0, 1]; `t` frames span a whole window.
    """
    n_frames = len(frame_scores[0])
    frame_s = WINDOW_S / n_frames
    starts = np.concatenate([row.start_s + frame_s * np.arange(n_frames) for row in rows])
    clip_ends = np.repeat([row.end_s for row in rows], n_frames)
    ends = np.minimum(starts + frame_s, clip_ends)
    runs = _strongest_runs(starts, ends, np.concatenate(frame_scores), gap=frame_s / 2)
    return tuple(AudioEvidence(index, round(start, 2), round(end, 2)) for start, end in runs)


def image_evidence(index: int, rows: Sequence[ImageRow], heatmaps: Sequence[Floats]) -> tuple[ImageEvidence, ...]:
    """One box in the view that shows the label most clearly: around the marked cells that touch its peak.

    Parameters
    ----------
    heatmaps : sequence of ndarray, shape = (h, w)
        One label's map per row, in [0, 1].
    """
    best = max(range(len(rows)), key=lambda i: float(heatmaps[i].max()))
    heatmap = heatmaps[best]
    if heatmap.max() < FLOOR:
        return ()
    top, left, bottom, right = _cells_around_peak(heatmap)
    view = rows[best].box
    x_of = np.linspace(view[0], view[2], heatmap.shape[1] + 1)
    y_of = np.linspace(view[1], view[3], heatmap.shape[0] + 1)
    box = (_share(x_of[left]), _share(y_of[top]), _share(x_of[right]), _share(y_of[bottom]))
    return (ImageEvidence(index, box),)


def _share(side: float) -> float:
    return round(min(max(float(side), 0.0), 1.0), 4)


def _marked(scores: Floats) -> npt.NDArray[np.bool_]:
    """Which scores are worth pointing at: those over `MARKED`, else those near the highest."""
    peak = float(scores.max(initial=0.0))
    if peak < FLOOR:
        return np.zeros(scores.shape, np.bool_)
    return np.asarray(scores >= min(MARKED, SHARE_OF_PEAK * peak))


def _strongest_runs(starts: Floats, ends: Floats, scores: Floats, gap: float) -> list[tuple[float, float]]:
    """Marked ranges, joined where they overlap or lie within `gap`; the strongest `MAX_SPANS`, in order."""
    marked = _marked(np.where(ends > starts, scores, 0.0))  # special tokens and padding stand for nothing
    runs: list[tuple[float, float, float]] = []
    for start, end, score in sorted(zip(starts[marked], ends[marked], scores[marked], strict=True)):
        if runs and start <= runs[-1][1] + gap:
            runs[-1] = (runs[-1][0], max(runs[-1][1], end), max(runs[-1][2], score))
        else:
            runs.append((start, end, score))
    strongest = sorted(runs, key=lambda run: -run[2])[:MAX_SPANS]
    return sorted((float(start), float(end)) for start, end, _ in strongest)


def _cells_around_peak(heatmap: Floats) -> tuple[int, int, int, int]:
    """Top, left, bottom, right (half open) of the marked cells connected to the highest one."""
    marked = _marked(heatmap)
    peak = np.unravel_index(int(heatmap.argmax()), heatmap.shape)
    connected, frontier = set(), [(int(peak[0]), int(peak[1]))]
    while frontier:
        row, column = frontier.pop()
        inside = 0 <= row < heatmap.shape[0] and 0 <= column < heatmap.shape[1]
        if not inside or (row, column) in connected or not marked[row, column]:
            continue
        connected.add((row, column))
        frontier += [(row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)]
    touched_rows, touched_columns = zip(*connected, strict=True)
    return min(touched_rows), min(touched_columns), max(touched_rows) + 1, max(touched_columns) + 1
