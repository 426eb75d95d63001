"""Figure of some test videos: the true class of each second, and the predictions of the models."""

from collections.abc import Mapping, Sequence
from colorsys import hls_to_rgb
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from string import ascii_lowercase, ascii_uppercase
from typing import Any

import cv2
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from avlib.datasets.ave import BACKGROUND
from avlib.errors import DataError
from avlib.io.tables import read_table
from avlib.media.frames import frame_numbers, read_frames
from avlib.media.tables import MANIFEST
from avlib.report.svg import SMALLEST_TYPE, svg_figure
from avlib.tim.ave_metrics import DECISIVE
from avlib.tim.tables import PREDICTIONS

LETTERS = ascii_uppercase + ascii_lowercase
ROWS = {"audio_visual": "audio-visual", "audio": "audio", "visual": "visual"}
COLUMNS = 2  # of videos
THUMBNAIL_HEIGHT = 48  # pixels
LIGHTNESSES = (0.40, 0.62, 0.78)  # of successive classes


@dataclass(frozen=True)
class ClassLook:
    """How a class is drawn.

    Attributes:
        letter: written into its seconds.
        color: of its seconds, red, green and blue in [0, 1].
        ink: colour of the letter.
    """

    letter: str
    color: tuple[float, float, float]
    ink: str


Looks = Mapping[str, ClassLook]


def draw_timelines(
    predictions: Path, manifest: Path | None, target: Path, *, n_videos: int = 8
) -> None:
    """Draw the seconds of some videos of different classes as SVG, with a letter for each class.

    Each has a row with the truth and a row for each model, with the number of correct seconds.
    Wrong seconds are hatched.

    Args:
        predictions: table of kind PREDICTIONS.
        manifest: table of kind MANIFEST, to show a frame of each second; None shows none.
        target: SVG file to write.
        n_videos: how many annotations are drawn, where there are as many.
    """
    table = read_table(predictions, PREDICTIONS)
    table = table[table["head"] == table["modality"].map(DECISIVE)]
    table["event"] = table["annotation_id"].str.rpartition("_")[0]
    events = _chosen_events(table, n_videos)
    table = table[table["event"].isin(events)].sort_values(["start_s"], kind="stable")
    looks = class_looks(_classes(table))
    n_rows = max(1, -(-len(events) // COLUMNS))
    paths = _paths(manifest)
    with svg_figure(target, 1.35 * n_rows + 0.2 + 0.16 * (len(looks) // 4 + 1)) as figure:
        grid = figure.subplots(n_rows, COLUMNS, squeeze=False).ravel()
        for axes, event in zip(grid, events, strict=False):
            rows = table[table["event"] == event]
            _draw_event(axes, rows, looks)
            _draw_frames(axes, rows, paths)
        for axes in grid[len(events) :]:
            axes.axis("off")
        for axes in grid[max(len(events) - COLUMNS, 0) : len(events)]:
            axes.set_xlabel("seconds", fontsize="small")
        _draw_legend(figure, looks)


def _chosen_events(table: pd.DataFrame, n_videos: int) -> list[str]:
    """Return annotations of classes spread evenly, then further ones of the same classes."""
    truth = table[table["label"] != BACKGROUND].drop_duplicates("event")
    truth = truth.sort_values(["class_id", "event"])
    truth["turn"] = truth.groupby("class_id").cumcount()
    classes = truth["class_id"].unique()
    places = np.linspace(0, len(classes) - 1, min(n_videos, len(classes))).round().astype(int)
    truth = truth[truth["class_id"].isin(classes[places])].sort_values("turn", kind="stable")
    return truth.head(n_videos).sort_values(["class_id", "event"])["event"].to_list()


def _classes(table: pd.DataFrame) -> list[str]:
    """Return the names of the classes that occur or are predicted, by their numbers."""
    pairs = pd.concat(
        [
            table[["class_id", "label"]],
            table[["predicted_class", "predicted_label"]].set_axis(["class_id", "label"], axis=1),
        ]
    )
    return list(dict.fromkeys(pairs.sort_values("class_id", kind="stable")["label"]))


def class_looks(labels: Sequence[str]) -> dict[str, ClassLook]:
    """Return how classes are drawn, each with a letter and a hue of its own; background is grey."""
    things = [label for label in labels if label != BACKGROUND]
    looks = {}
    for number, label in enumerate(things):
        hue = number / len(things)
        lightness = LIGHTNESSES[number % len(LIGHTNESSES)]
        color = hls_to_rgb(hue, lightness, 0.65)
        luminance = float(np.dot(color, (0.299, 0.587, 0.114)))
        ink = "white" if luminance < 0.5 else "black"
        looks[label] = ClassLook(LETTERS[number % len(LETTERS)], color, ink)
    return looks | {BACKGROUND: ClassLook("", (0.9, 0.9, 0.9), "black")}


def _draw_event(axes: Axes, rows: pd.DataFrame, looks: Looks) -> None:
    """Draw the truth and the predictions of one annotation as rows of seconds, from the top."""
    models = {title: rows[rows["modality"] == m] for m, title in ROWS.items()}
    models = {title: found for title, found in models.items() if len(found)}
    first = next(iter(models.values()))
    lines = [("truth", first, first["label"])]
    lines += [(title, found, found["predicted_label"]) for title, found in models.items()]
    for y, (title, found, labels) in enumerate(lines):
        is_correct = (labels == found["label"]).to_numpy()
        spans = zip(found["start_s"], found["stop_s"], labels, is_correct, strict=True)
        for start_s, stop_s, label, correct in spans:
            _draw_second(axes, y, (start_s, stop_s), looks[label], is_wrong=not correct)
        if title != "truth":
            share = f"{int(is_correct.sum())}/{len(found)}"
            axes.text(found["stop_s"].max() + 0.1, y, share, va="center", fontsize="small")
    axes.set_yticks(range(len(lines)), [title for title, _, _ in lines], fontsize="small")
    axes.set_xticks(range(0, int(first["stop_s"].max()) + 1, 2))
    axes.tick_params(length=0, labelsize="small")
    axes.set_ylim(len(lines) - 0.5, -0.5)
    axes.set_xlim(0, first["stop_s"].max() + 0.8)
    event = first.loc[first["label"] != BACKGROUND, "label"].iloc[0]
    axes.set_title(f"{event}   {first['video_id'].iloc[0]}", fontsize="small", loc="left")
    axes.spines[:].set_visible(False)


def _draw_second(
    axes: Axes, row: int, span: tuple[float, float], look: ClassLook, *, is_wrong: bool
) -> None:
    """Draw a second with the letter of its class; a wrong one is hatched."""
    start_s, stop_s = span
    axes.barh(
        row,
        stop_s - start_s,
        left=start_s,
        height=0.86,
        color=look.color,
        edgecolor=look.ink if is_wrong else "white",
        hatch="//////" if is_wrong else None,
        linewidth=0.6,
    )
    if look.letter:
        text = axes.text((start_s + stop_s) / 2, row, look.letter, ha="center", va="center")
        text.set(color=look.ink, fontsize=SMALLEST_TYPE)
        if is_wrong:
            text.set_bbox({"facecolor": look.color, "edgecolor": "none", "pad": 0.6})


def _paths(manifest: Path | None) -> dict[tuple[str, str], str]:
    """Return the file of each video and split."""
    if manifest is None:
        return {}
    rows = read_table(manifest, MANIFEST).dropna(subset=["fps"])
    return dict(zip(zip(rows["video_id"], rows["split"], strict=True), rows["path"], strict=True))


def _draw_frames(axes: Axes, rows: pd.DataFrame, paths: Mapping[tuple[str, str], str]) -> None:
    """Show the frame in the middle of each second above the rows, if the video can be read."""
    video = (rows["video_id"].iloc[0], rows["split"].iloc[0])
    if video not in paths:
        return
    seconds = rows[["start_s", "stop_s"]].drop_duplicates().to_numpy()
    try:
        images = _thumbnails(Path(paths[video]), seconds.mean(axis=1))
    except DataError:
        return
    bottom, _ = axes.get_ylim()
    top = -0.5 - 1.4
    for (start_s, stop_s), image in zip(seconds, images, strict=False):
        extent = (start_s + 0.03, stop_s - 0.03, -0.52, top)
        axes.imshow(image, extent=extent, aspect="auto", interpolation="none")
    axes.set_ylim(bottom, top)
    axes.set_xlim(0, seconds.max() + 0.8)


def _thumbnails(path: Path, seconds: NDArray[np.float64]) -> list[NDArray[Any]]:
    """Return small images of the frames at these ascending times, as far as they exist."""
    numbers = frame_numbers(path)
    wanted = set(np.floor(seconds * numbers.rate).astype(int).tolist())
    images = []
    with closing(read_frames(path, "decoded", numbers, wanted=wanted)) as frames:
        for number, frame in enumerate(frames):
            if number in wanted:
                image = frame()
                height, width = image.shape[:2]
                size = (max(round(width * THUMBNAIL_HEIGHT / height), 1), THUMBNAIL_HEIGHT)
                images.append(cv2.resize(image, size, interpolation=cv2.INTER_AREA))
            if number >= max(wanted):
                break
    return images


def _draw_legend(figure: Figure, looks: Looks) -> None:
    handles = [
        Patch(facecolor=look.color, label=f"{look.letter}  {label}".strip())
        for label, look in looks.items()
    ]
    handles.append(Patch(facecolor="white", edgecolor="black", hatch="//////", label="wrong"))
    figure.legend(handles=handles, loc="outside lower center", ncols=4, fontsize="small")
