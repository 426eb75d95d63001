"""Figure of a minute of some videos: annotated events, which overlap, and their predictions."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from avlib.report.class_looks import GREY, HATCH, LETTERS, ClassLook, class_looks, draw_span
from avlib.report.svg import svg_figure

SHOWN_S = 60.0  # of a video
MOST_VIDEOS = 4
SPACES = {"action": "actions", "audio": "sounds"}  # the heads that are drawn
NUMBERS = [str(number) for number in range(1, 100)]
SIGNS = {"action": LETTERS, "audio": NUMBERS}  # that stand for classes
MODELS = {
    "audio_visual": "audio-visual",
    "actions": "audio-visual",
    "sounds": "audio-visual",
    "visual": "visual",
    "audio": "audio",
}
MOST_CLASSES = 32  # of a head, that have a look of their own
ANOTHER = ClassLook("", GREY, "black")
MOST_LANES = 4  # of events at one time
LANE_HEIGHT, PANEL_MARGIN, LEGEND_LINE = 0.13, 0.45, 0.16  # inches
LARGEST_HEIGHT = 9.4  # inches
COLUMNS, LONGEST_NAME = 4, 24  # of the legend; letters of a name
SMALLEST_LETTERED_S = 1.0  # of a minute on a page

Looks = Mapping[str, Mapping[str, ClassLook]]  # by head and class


def draw_event_timelines(table: pd.DataFrame, target: Path) -> None:
    """Draw the minute with most events of some videos as SVG.

    The videos are spread evenly over all of them, as many as a page has room for. Actions and
    sounds have a row with the truth, and a row for each model with the number of right events;
    events at one time lie below each other. Wrong predictions are hatched. The commonest classes
    have a letter or number and a colour, the others are grey.

    Args:
        table: of kind PREDICTIONS.
        target: SVG file to write.
    """
    table = table[table["head"].isin(list(SPACES)) & table["modality"].isin(list(MODELS))]
    videos = sorted(table["video_id"].unique())
    places = np.linspace(0, len(videos) - 1, min(MOST_VIDEOS, len(videos))).round().astype(int)
    minutes = [_minute(table[table["video_id"] == videos[place]]) for place in places]
    legend = LEGEND_LINE * (2 + len(SPACES) * MOST_CLASSES // COLUMNS)
    heights = np.array([PANEL_MARGIN + LANE_HEIGHT * _lanes(rows) for rows in minutes])
    n_shown = max(1, int((heights.cumsum() <= LARGEST_HEIGHT - legend).sum()))
    minutes, heights = minutes[:n_shown], heights[:n_shown]
    looks = _looks(pd.concat(minutes))
    n_classes = sum(len(found) for found in looks.values())
    height = heights.sum() + LEGEND_LINE * (2 + -(-n_classes // COLUMNS))
    with svg_figure(target, min(height, LARGEST_HEIGHT)) as figure:
        grid = figure.subplots(
            len(minutes), 1, squeeze=False, gridspec_kw={"height_ratios": heights}
        ).ravel()
        for axes, rows in zip(grid, minutes, strict=True):
            _draw_minute(axes, rows, looks)
        grid[-1].set_xlabel("minutes and seconds of the video", fontsize="small")
        _draw_legend(figure, looks)


def _minute(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the events that begin in the minute in which most of them do, each with its lane."""
    events = rows.drop_duplicates(["head", "annotation_id"])
    starts = np.sort(events["start_s"].to_numpy())
    counts = np.searchsorted(starts, starts + SHOWN_S) - np.arange(len(starts))
    first = starts[counts.argmax()]
    shown = rows[rows["start_s"].between(first, first + SHOWN_S, inclusive="left")]
    parts = []
    for _, part in shown.groupby("head"):
        spans = part.drop_duplicates("annotation_id").sort_values(["start_s", "stop_s"])
        taken = lanes(spans["start_s"].to_numpy(), spans["stop_s"].to_numpy())
        lane = dict(zip(spans["annotation_id"], taken.tolist(), strict=True))
        parts.append(part.assign(lane=part["annotation_id"].map(lane), first_s=first))
    found = pd.concat(parts)
    return found[found["lane"] < MOST_LANES]


def lanes(starts: NDArray[np.float64], stops: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the first lane that is free for each event: (N,).

    Args:
        starts: (N,) in seconds, ascending.
        stops: (N,) in seconds.
    """
    ends: list[float] = []
    found = []
    for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
        lane = next((k for k, end in enumerate(ends) if end <= start), len(ends))
        ends[lane : lane + 1] = [stop]
        found.append(lane)
    return np.array(found, dtype=np.int64)


def _groups(rows: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Yield head, title and events of each row of a panel: the truth, then the models."""
    for head, space in SPACES.items():
        of_head = rows[rows["head"] == head]
        models = [model for model in MODELS if (of_head["modality"] == model).any()]
        if models:
            yield head, f"{space}, truth", of_head[of_head["modality"] == models[0]]
        for model in models:
            yield head, MODELS[model], of_head[of_head["modality"] == model]


def _lanes(rows: pd.DataFrame) -> int:
    """Return the number of lanes of a panel."""
    return sum(int(part["lane"].max()) + 1 for _, _, part in _groups(rows))


def _looks(rows: pd.DataFrame) -> Looks:
    """Return the looks of the commonest classes of each head, true ones before predicted ones."""
    looks = {}
    for head in [head for head in SPACES if (rows["head"] == head).any()]:
        part = rows[rows["head"] == head]
        common = [
            *part["label"].value_counts().index,
            *part["predicted_label"].value_counts().index,
        ]
        shown = list(dict.fromkeys(common))[:MOST_CLASSES]
        names = class_looks(sorted(shown), SIGNS[head])
        looks[head] = {name: names[name] for name in sorted(shown)}
    return looks


def _draw_minute(axes: Axes, rows: pd.DataFrame, looks: Looks) -> None:
    """Draw the events of a video, a row for the truth and each model, from the top."""
    first, top, ticks = rows["first_s"].iloc[0], 0, {}
    last = min(max(rows["stop_s"].max(), first + 1), first + SHOWN_S)
    for head, title, part in _groups(rows):
        is_truth = title.endswith("truth")
        is_right = (part["predicted_class"] == part["class_id"]).fillna(False).to_numpy(dtype=bool)
        labels = part["label" if is_truth else "predicted_label"]
        stops = part["stop_s"].clip(upper=last)
        spans = zip(part["start_s"], stops, part["lane"], labels, is_right, strict=True)
        for start_s, stop_s, lane, label, right in spans:
            look = looks[head].get(label, ANOTHER)
            if stop_s - start_s < SMALLEST_LETTERED_S:
                look = ClassLook("", look.color, look.ink)
            draw_span(axes, top + lane, (start_s, stop_s), look, is_wrong=not (is_truth or right))
        n_lanes = int(part["lane"].max()) + 1
        ticks[top + (n_lanes - 1) / 2] = title
        if not is_truth:
            share = f"{int(is_right.sum())}/{len(part)}"
            axes.text(last + 0.3, top + (n_lanes - 1) / 2, share, va="center", fontsize="small")
        top += n_lanes
        axes.axhline(top - 0.5, color="black" if is_truth else "grey", linewidth=0.3)
    axes.set_yticks(list(ticks), list(ticks.values()), fontsize="small")
    axes.set_ylim(top - 0.5, -0.5)
    axes.set_xlim(first, last + (last - first) / 14)  # room for the number of right events
    axes.xaxis.set_major_formatter(lambda s, _: f"{int(s // 60)}:{int(s % 60):02d}")
    axes.tick_params(length=0, labelsize="small")
    axes.set_title(rows["video_id"].iloc[0], fontsize="small", loc="left")
    axes.spines[:].set_visible(False)


def _draw_legend(figure: Figure, looks: Looks) -> None:
    handles = [
        Patch(facecolor=look.color, label=f"{look.letter}  {_short(name)}")
        for found in looks.values()
        for name, look in found.items()
    ]
    handles.append(Patch(facecolor=ANOTHER.color, label="another class"))
    handles.append(Patch(facecolor="white", edgecolor="black", hatch=HATCH, label="wrong"))
    figure.legend(handles=handles, loc="outside lower center", ncols=COLUMNS, fontsize="small")


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"
