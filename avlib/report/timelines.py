"""Figure of some test videos: what there is in each second, and what the models say."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from avlib.errors import DataError
from avlib.io.tables import read_table
from avlib.media.frames import read_frames
from avlib.media.tables import MANIFEST
from avlib.report.svg import svg_figure
from avlib.tim.ave_metrics import DECISIVE
from avlib.tim.tables import PREDICTIONS

BACKGROUND = "background"
ROWS = {"audio_visual": "sound + picture", "audio": "sound", "visual": "picture"}
COLUMNS = 2  # of videos
THUMBNAIL_HEIGHT = 48  # pixels

Colors = Mapping[str, Any]


def draw_timelines(
    predictions: Path, manifest: Path | None, target: Path, *, n_videos: int = 8
) -> None:
    """Draw the seconds of some videos of different classes as SVG, coloured by class.

    Each has a row with the truth and a row for each model, with the number of right seconds.

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
    colors = _colors(table)
    n_rows = max(1, -(-len(events) // COLUMNS))
    paths = _paths(manifest)
    with svg_figure(target, 11, 1.9 * n_rows + 0.3 + 0.25 * (len(colors) // 4 + 1)) as figure:
        grid = figure.subplots(n_rows, COLUMNS, squeeze=False).ravel()
        for axes, event in zip(grid, events, strict=False):
            rows = table[table["event"] == event]
            _draw_event(axes, rows, colors)
            _draw_frames(axes, rows, paths)
        for axes in grid[len(events) :]:
            axes.axis("off")
        for axes in grid[max(len(events) - COLUMNS, 0) : len(events)]:
            axes.set_xlabel("seconds", fontsize="small")
        _draw_legend(figure, colors)


def _chosen_events(table: pd.DataFrame, n_videos: int) -> list[str]:
    """Return annotations of classes spread evenly, then further ones of the same classes."""
    truth = table[table["label"] != BACKGROUND].drop_duplicates("event")
    truth = truth.sort_values(["class_id", "event"])
    truth["turn"] = truth.groupby("class_id").cumcount()
    classes = truth["class_id"].unique()
    places = np.linspace(0, len(classes) - 1, min(n_videos, len(classes))).round().astype(int)
    truth = truth[truth["class_id"].isin(classes[places])].sort_values("turn", kind="stable")
    return truth.head(n_videos).sort_values(["class_id", "event"])["event"].to_list()


def _colors(table: pd.DataFrame) -> dict[str, Any]:
    """Return a colour for each class that occurs, in the order of their numbers."""
    pairs = pd.concat(
        [
            table[["class_id", "label"]],
            table[["predicted_class", "predicted_label"]].set_axis(["class_id", "label"], axis=1),
        ]
    )
    labels = pairs.drop_duplicates().sort_values("class_id")["label"].to_list()
    palette = [colormaps["tab20"](i) for i in [*range(0, 20, 2), *range(1, 20, 2)]]
    palette = [color for color in palette if len(set(color[:3])) > 1]  # grey is background
    things = [label for label in labels if label != BACKGROUND]
    colors = {label: palette[i % len(palette)] for i, label in enumerate(things)}
    return colors | {BACKGROUND: (0.9, 0.9, 0.9)}


def _draw_event(axes: Axes, rows: pd.DataFrame, colors: Colors) -> None:
    """Draw the truth and the answers about one annotation as rows of seconds, from the top."""
    models = {title: rows[rows["modality"] == m] for m, title in ROWS.items()}
    models = {title: answers for title, answers in models.items() if len(answers)}
    first = next(iter(models.values()))
    lines = [("truth", first, first["label"])]
    lines += [(title, answers, answers["predicted_label"]) for title, answers in models.items()]
    for y, (title, answers, labels) in enumerate(lines):
        lengths = (answers["stop_s"] - answers["start_s"]).to_numpy()
        axes.barh(
            np.full(len(answers), y),
            lengths,
            left=answers["start_s"].to_numpy(),
            height=0.86,
            color=[colors[label] for label in labels],
            edgecolor="white",
            linewidth=0.8,
        )
        if title != "truth":
            right = int((labels == answers["label"]).sum())
            stop_s = answers["stop_s"].max()
            axes.text(stop_s + 0.1, y, f"{right}/{len(answers)}", va="center", fontsize="small")
    axes.set_yticks(range(len(lines)), [title for title, _, _ in lines], fontsize="small")
    axes.set_xticks(range(0, int(first["stop_s"].max()) + 1, 2))
    axes.tick_params(length=0, labelsize="small")
    axes.set_ylim(len(lines) - 0.5, -0.5)
    axes.set_xlim(0, first["stop_s"].max() + 0.8)
    event = first.loc[first["label"] != BACKGROUND, "label"].iloc[0]
    axes.set_title(f"{event}   {first['video_id'].iloc[0]}", fontsize="small", loc="left")
    axes.spines[:].set_visible(False)


def _paths(manifest: Path | None) -> dict[tuple[str, str], tuple[str, float]]:
    """Return file and frame rate of each video and split."""
    if manifest is None:
        return {}
    rows = read_table(manifest, MANIFEST).dropna(subset=["fps"])
    values = zip(rows["path"], rows["fps"], strict=True)
    return dict(zip(zip(rows["video_id"], rows["split"], strict=True), values, strict=True))


def _draw_frames(
    axes: Axes, rows: pd.DataFrame, paths: Mapping[tuple[str, str], tuple[str, float]]
) -> None:
    """Show the frame in the middle of each second above the rows, if the video can be read."""
    video = (rows["video_id"].iloc[0], rows["split"].iloc[0])
    if video not in paths:
        return
    path, fps = paths[video]
    seconds = rows[["start_s", "stop_s"]].drop_duplicates().to_numpy()
    try:
        pictures = _thumbnails(Path(path), np.floor(seconds.mean(axis=1) * fps).astype(int))
    except DataError:
        return
    bottom, _ = axes.get_ylim()
    top = -0.5 - 1.4
    for (start_s, stop_s), picture in zip(seconds, pictures, strict=False):
        extent = (start_s + 0.03, stop_s - 0.03, -0.52, top)
        axes.imshow(picture, extent=extent, aspect="auto", interpolation="none")
    axes.set_ylim(bottom, top)
    axes.set_xlim(0, seconds.max() + 0.8)


def _thumbnails(path: Path, numbers: Sequence[int] | NDArray[Any]) -> list[NDArray[Any]]:
    """Return small pictures of frames, which are in ascending order, as far as there are any."""
    wanted = set(np.asarray(numbers).tolist())
    pictures = []
    with closing(read_frames(path, "decoded")) as frames:
        for number, frame in enumerate(frames):
            if number in wanted:
                picture = frame()
                height, width = picture.shape[:2]
                size = (max(round(width * THUMBNAIL_HEIGHT / height), 1), THUMBNAIL_HEIGHT)
                pictures.append(cv2.resize(picture, size, interpolation=cv2.INTER_AREA))
            if number >= max(wanted):
                break
    return pictures


def _draw_legend(figure: Figure, colors: Colors) -> None:
    handles = [Patch(color=color, label=label) for label, color in colors.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, fontsize="small")
