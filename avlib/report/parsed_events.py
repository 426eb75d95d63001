"""Figure of some test videos of LLP: their annotated events, and those that the parser finds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import ArrayLike, NDArray

from avlib.datasets.llp import CLASSES, SECONDS, dense_labels, read_dense, read_videos
from avlib.errors import DataError
from avlib.io.arrays import read_arrays
from avlib.report.svg import SMALLEST_TYPE, svg_figure
from avlib.seeds import generator
from avlib.valor.metrics import SCORES, Events, find_events, segment_scores

N_VIDEOS = 6
COLUMNS = 2  # of videos
SEED = 0
ARRAYS = ("video_ids", "video_probs", "segment_probs")
# Titles of the scores whose mean is Type.
TYPES = {"audio": "audio", "visual": "visual", "audio-visual": "audio_visual"}
# Of the truth and, lighter, of correct predictions; colour-blind readers can distinguish them.
COLORS = {"audio": ("#00588f", "#6fb6e3"), "visual": ("#00694d", "#66c7a6")}
WRONG = "#d55e00"
CROSSED: Mapping[str, Any] = {"edgecolor": "white", "hatch": "xxxx", "linewidth": 0.0}
MISSED: Mapping[str, Any] = {
    "facecolor": "white",
    "edgecolor": WRONG,
    "hatch": "////",
    "linewidth": 1.0,
}
ROW_HEIGHT = 0.27  # inches
HALF = 0.42  # height of the truth and of the prediction, as a part of a row

Masks = NDArray[np.bool_]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Row:
    """One class of a video in one modality.

    Attributes:
        modality: key of COLORS.
        label: name of the class.
        truth: (T,) seconds in which it occurs.
        predicted: (T,) seconds in which it is found.
    """

    modality: str
    label: str
    truth: Masks
    predicted: Masks


def draw_parsed_events(
    *,
    predictions: Path,
    videos: Path,
    audio: Path,
    visual: Path,
    threshold: float,
    variant: str,
    target: Path,
) -> None:
    """Draw the events of some test videos as SVG, the truth above the predictions.

    Seconds that are predicted wrongly or missed are hatched. The videos are those of
    `choose_videos`, by their F of segments (Type: the mean of audio, visual and audio-visual).

    Args:
        predictions: `.npz` file with `video_ids` (N,), `video_probs` (N, K) and `segment_probs`
            (N, T, 2, K), audio and visual.
        videos: weak list of the test split, which has the file name of each video.
        audio: dense annotation of the audio.
        visual: dense annotation of the visual events.
        threshold: probabilities at or above it are positive.
        variant: name of the parser.
        target: SVG file to write.

    Raises:
        DataError: if a file cannot be read, or arrays, videos and list do not match.
    """
    ids, predicted = _read_predictions(predictions, threshold)
    names = _filenames(ids, predictions, videos)
    truth = Events(*(dense_labels(names, read_dense(path)) for path in (audio, visual)))
    scores = _scores(predicted, truth)
    chosen = choose_videos(ids, scores.mean(axis=1))
    panels = [_rows(predicted, truth, number) for number in chosen]
    titles = [_title(ids[number], scores[number]) for number in chosen]
    heading = (
        f"{variant}: {len(chosen)} of {len(ids)} test videos, from low to high F of segments "
        f"(Type; mean of all {scores.mean():.1f})"
    )
    _draw(panels, titles, heading, target)


def _filenames(ids: Sequence[str], predictions: Path, videos: Path) -> list[str]:
    """Return the file names that the list of a split has for videos."""
    listed = {video.video_id: video.filename for video in read_videos(videos)}
    if strange := [video_id for video_id in ids if video_id not in listed]:
        raise DataError(
            f"{predictions}: {len(strange)} videos are not in {videos}, {strange[0]} first; "
            "give the list of the split that was predicted"
        )
    return [listed[video_id] for video_id in ids]


def choose_videos(video_ids: Sequence[str], scores: ArrayLike) -> list[int]:
    """Return the numbers of the videos that are drawn, from low to high scores.

    So that the figure shows not only the best or the worst, the videos are divided by their scores
    into as many groups of equal size as are drawn; a seed chooses one of each group.

    Args:
        video_ids: N names.
        scores: (N,) of the videos.
    """
    values = np.asarray(scores).tolist()
    # Rounded, since the last digits may differ between machines; equal ones are ordered by name.
    order = sorted(range(len(values)), key=lambda i: (round(values[i], 6), video_ids[i]))
    groups = np.array_split(order, min(N_VIDEOS, len(order)))
    rng = generator(SEED, "parsed_events")
    return [int(rng.choice(group)) for group in groups]


def _read_predictions(path: Path, threshold: float) -> tuple[list[str], Events]:
    """Return the videos and their predicted events."""
    arrays = read_arrays(path)
    missing = [name for name in ARRAYS if name not in arrays]
    if missing:
        raise DataError(f"{path}: holds no {', '.join(missing)}; predict the split again")
    ids, video_probs, segment_probs = (arrays[name] for name in ARRAYS)
    if len(ids) == 0:
        raise DataError(f"{path}: holds no videos; predict a split that has some")
    expected = (len(ids), SECONDS, 2, len(CLASSES))
    if segment_probs.shape != expected or video_probs.shape != (len(ids), len(CLASSES)):
        raise DataError(
            f"{path}: probabilities of the shapes {video_probs.shape} and {segment_probs.shape}, "
            f"expected {(len(ids), len(CLASSES))} and {expected}"
        )
    return ids.tolist(), find_events(video_probs, segment_probs, threshold)


def _scores(predicted: Events, truth: Events) -> Floats:
    """Return F of segments of each video in percent, (N, 3) in the order of TYPES."""
    columns = [SCORES.index(name) for name in TYPES.values()]
    return 100.0 * segment_scores(predicted, truth).video_f[:, columns]


def _title(video_id: str, scores: Floats) -> str:
    parts = ", ".join(f"{name} {f:.0f}" for name, f in zip(TYPES, scores, strict=True))
    return f"{video_id}\nF {scores.mean():.1f} ({parts})"


def _rows(predicted: Events, truth: Events, number: int) -> list[Row]:
    """Return the classes that occur or are predicted in a video, audio first."""
    rows = []
    for modality, found, true in zip(COLORS, predicted, truth, strict=True):
        found, true = np.asarray(found)[number] != 0, np.asarray(true)[number] != 0
        for class_id in np.flatnonzero((found | true).any(axis=1)).tolist():
            label = CLASSES[class_id].replace("_", " ")
            rows.append(Row(modality, label, true[class_id], found[class_id]))
    return rows


def _draw(panels: Sequence[list[Row]], titles: Sequence[str], heading: str, target: Path) -> None:
    """Draw a panel a video; those side by side have rows of the same height."""
    lines = [panels[i : i + COLUMNS] for i in range(0, len(panels), COLUMNS)]
    most = [max(1, *(len(rows) for rows in line)) for line in lines]
    height = ROW_HEIGHT * sum(most) + 0.66 * len(lines) + 0.7
    with svg_figure(target, height) as figure:
        grid = figure.subplots(len(lines), COLUMNS, squeeze=False, height_ratios=most)
        for axes in grid.ravel()[len(panels) :]:
            axes.axis("off")
        for axes, rows, title in zip(grid.ravel(), panels, titles, strict=False):
            _draw_video(axes, rows)
            # Ends with the axes, as there are labels before them and nothing after them.
            axes.set_title(title, fontsize="small", loc="right")
        for line, n_rows in zip(grid, most, strict=True):
            for axes in line:
                axes.set_ylim(n_rows, 0)
        for axes in grid.ravel()[max(len(panels) - COLUMNS, 0) : len(panels)]:
            axes.set_xlabel("seconds", fontsize="small")
        figure.suptitle(heading, fontsize="medium")
        _draw_legend(figure)


def _draw_video(axes: Axes, rows: Sequence[Row]) -> None:
    """Draw the rows from the top, each with the truth above the prediction."""
    for y, row in enumerate(rows):
        true_color, right_color = COLORS[row.modality]
        upper, lower = (y + 0.5 - HALF, HALF), (y + 0.5, HALF)
        axes.broken_barh([(0, SECONDS)], (upper[0], 2 * HALF), facecolor="0.95")
        axes.broken_barh(_spans(row.truth), upper, facecolor=true_color)
        axes.broken_barh(_spans(row.truth & row.predicted), lower, facecolor=right_color)
        wrong = _spans(row.predicted & ~row.truth)
        axes.broken_barh(wrong, lower, facecolor=WRONG)
        axes.broken_barh(wrong, lower, facecolor="none", **CROSSED)
        axes.broken_barh(_spans(row.truth & ~row.predicted), lower, **MISSED)
        for (bottom, _), text in ((upper, "truth"), (lower, "predicted")):
            axes.text(
                SECONDS + 0.1,
                bottom + HALF / 2,
                text,
                va="center",
                fontsize=SMALLEST_TYPE,
                color="0.35",
            )
    axes.set_yticks(
        [y + 0.5 for y in range(len(rows))],
        [f"{row.label} ({row.modality})" for row in rows],
        fontsize=SMALLEST_TYPE,
    )
    for label, row in zip(axes.get_yticklabels(), rows, strict=True):
        label.set_color(COLORS[row.modality][0])
    if not rows:
        axes.text(0.1, 0.5, "nothing occurs, nothing is predicted", va="center", fontsize="small")
    axes.set_xticks(range(SECONDS + 1))
    axes.set_xlim(0, SECONDS + 2.4)
    axes.tick_params(length=0, labelsize="small")
    axes.grid(axis="x", color="white", linewidth=0.6)
    axes.spines[:].set_visible(False)
    # The axis is below the last row, even where a neighbour has more rows.
    axes.spines["bottom"].set_position(("data", max(1, len(rows))))


def _spans(mask: Masks) -> list[tuple[int, int]]:
    """Return start and length of each run of seconds."""
    edges = np.flatnonzero(np.diff(np.pad(mask, 1).astype(np.int8))).reshape(-1, 2)
    return [(start, stop - start) for start, stop in edges.tolist()]


def _draw_legend(figure: Figure) -> None:
    handles = []
    for modality, (true_color, right_color) in COLORS.items():
        handles.append(Patch(color=true_color, label=f"truth ({modality})"))
        handles.append(Patch(color=right_color, label=f"predicted, correct ({modality})"))
    handles.append(Patch(facecolor=WRONG, **CROSSED, label="predicted, does not occur"))
    handles.append(Patch(**MISSED, label="occurs, not predicted"))
    figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize="small")
