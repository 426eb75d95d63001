"""Figure of some test videos: the true class of each second, and the predictions of the models."""

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
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
from avlib.report.class_looks import HATCH, ClassLook, class_looks, draw_span
from avlib.report.event_timelines import draw_event_timelines
from avlib.report.svg import svg_figure
from avlib.tim.ave_metrics import DECISIVE
from avlib.tim.tables import PREDICTIONS

ROWS = {"audio_visual": "audio-visual", "audio": "audio", "visual": "visual"}
COLUMNS = 2  # of videos
MOST_SECONDS = 60  # of a video that are drawn
WITHOUT_SCORES = [column.name for column in PREDICTIONS.columns if column.name != "probs"]
THUMBNAIL_HEIGHT = 48  # pixels


Looks = Mapping[str, ClassLook]


def draw_timelines(
    predictions: Path, manifest: Path | None, target: Path, *, n_videos: int = 8
) -> None:
    """Draw the seconds of some videos of different classes as SVG, with a letter for each class.

    Each has a row with the truth and a row for each model, with the number of correct seconds.
    Wrong seconds are hatched. Of a long video a minute is drawn. Of a study that is not annotated
    by the second, a minute of some videos is drawn, with the events in it.

    Args:
        predictions: table of kind PREDICTIONS.
        manifest: table of kind MANIFEST, to show a frame of each second; None shows none.
        target: SVG file to write.
        n_videos: how many annotations are drawn, where there are as many.
    """
    table = read_table(predictions, PREDICTIONS, columns=WITHOUT_SCORES)
    if not _is_by_the_second(table):
        draw_event_timelines(table, target)
        return
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
            rows = _part(table[table["event"] == event])
            _draw_event(axes, rows, looks)
            _draw_frames(axes, rows, paths)
        for axes in grid[len(events) :]:
            axes.axis("off")
        for axes in grid[max(len(events) - COLUMNS, 0) : len(events)]:
            axes.set_xlabel("seconds", fontsize="small")
        _draw_legend(figure, looks)


def _part(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the seconds of a video that are drawn: all, or of many those from an event on."""
    last_s = rows["stop_s"].max() - MOST_SECONDS
    event_s = rows.loc[rows["label"] != BACKGROUND, "start_s"].to_numpy()
    start_s = max(min(event_s.min(initial=np.inf), last_s), 0.0)
    return rows[(rows["start_s"] >= start_s) & (rows["stop_s"] <= start_s + MOST_SECONDS)]


def _is_by_the_second(table: pd.DataFrame) -> bool:
    """Return whether all queries are whole seconds, as those of AVE are."""
    lengths = table["stop_s"] - table["start_s"]
    return bool(((lengths == 1) & (table["start_s"] % 1 == 0)).all())


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
            draw_span(axes, y, (start_s, stop_s), looks[label], is_wrong=not correct)
        if title != "truth":
            share = f"{int(is_correct.sum())}/{len(found)}"
            axes.text(found["stop_s"].max() + 0.1, y, share, va="center", fontsize="small")
    axes.set_yticks(range(len(lines)), [title for title, _, _ in lines], fontsize="small")
    start_s, stop_s = int(first["start_s"].min()), int(first["stop_s"].max())
    axes.set_xticks(range(start_s, stop_s + 1, max(2, (stop_s - start_s) // 10)))
    axes.tick_params(length=0, labelsize="small")
    axes.set_ylim(len(lines) - 0.5, -0.5)
    axes.set_xlim(start_s, stop_s + 0.8)
    labels = first.loc[first["label"] != BACKGROUND, "label"].unique()
    title = f"{', '.join(labels[:3])}   {first['video_id'].iloc[0]}"
    axes.set_title(title, fontsize="small", loc="left")
    axes.spines[:].set_visible(False)


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
    axes.set_xlim(seconds.min(), seconds.max() + 0.8)


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
    handles.append(Patch(facecolor="white", edgecolor="black", hatch=HATCH, label="wrong"))
    figure.legend(handles=handles, loc="outside lower center", ncols=4, fontsize="small")
