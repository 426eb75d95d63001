"""Found events on a line of time, an SVG a video, and a page with all of them.

The pictures are written as text: there may be thousands, and a library that draws takes a tenth of
a second for each.
"""

import os
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pandas as pd

from avlib.io.atomic import atomic_folder
from avlib.io.tables import read_table
from avlib.media.videos import readable
from avlib.report.clock import clock
from avlib.report.html import write_page
from avlib.tagging.tables import FOUND_EVENTS, TAGGED_SECONDS

WIDTH, NAMES_WIDTH, RIGHT, ROW_HEIGHT, TOP, AXIS_HEIGHT = 900, 220, 20, 20, 26, 22  # pixels
MOST_LABELS = 30  # of a video: those with the highest scores
LONGEST_NAME = 32  # letters
STEPS_S = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14_400, 86_400)
MOST_TICKS = 12
FAINTEST = 0.4  # opacity of the lowest score of a video
COLOR, GRID = "#1f5fa8", "#dddddd"


def draw_found_events(events: Path, seconds: Path, page: Path) -> None:
    """Draw the found events of every video, and write a page that shows all pictures.

    Args:
        events: table of kind FOUND_EVENTS.
        seconds: table of kind TAGGED_SECONDS, which says how long each video is.
        page: HTML file to write; its folder is written anew, with a picture a video.
    """
    lengths = read_table(seconds, TAGGED_SECONDS, columns=["video_id", "stop_s"])
    stops = lengths.groupby("video_id", sort=True)["stop_s"].max()
    found = read_table(events, FOUND_EVENTS)
    of_video = dict(list(found.groupby("video_id")))
    with atomic_folder(page.parent) as folder:
        for video_id, stop_s in stops.items():
            rows = of_video.get(video_id, found[:0])
            lines = draw_video(str(video_id), rows, float(stop_s))
            (folder / f"{video_id}.svg").write_text("\n".join(lines) + "\n", "utf-8")
        write_page(folder / page.name, "Found events", _body(list(stops.index)))


def _body(video_ids: Sequence[str]) -> Iterator[str]:
    yield f"<h1>Found events of {len(video_ids)} videos</h1>"
    for video_id in video_ids:
        source = quote(os.fsencode(f"{video_id}.svg"))
        name = escape(readable(video_id))
        yield f'<p><img src="{source}" alt="{name}" loading="lazy" width="{WIDTH}"></p>'


def draw_video(video_id: str, events: pd.DataFrame, stop_s: float) -> Iterator[str]:
    """Yield the lines of an SVG: a row a label, in the order in which they begin.

    Args:
        video_id: name of the video.
        events: its rows of a table of kind FOUND_EVENTS.
        stop_s: length of the video.
    """
    scores = events.groupby("label")["score"].max()
    best = scores.sort_values(ascending=False, kind="stable").index[:MOST_LABELS]
    shown = events[events["label"].isin(best)].sort_values(["start_s", "stop_s", "label"])
    labels = list(dict.fromkeys(shown["label"]))
    bottom = TOP + ROW_HEIGHT * max(1, len(labels))
    height = bottom + AXIS_HEIGHT
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12">'
    )
    yield f'<rect width="{WIDTH}" height="{height}" fill="white"/>'
    hidden = events["label"].nunique() - len(labels)
    more = f" (and {hidden} more labels)" if hidden else "" if labels else ": no events"
    yield f'<text x="4" y="16" font-weight="bold">{escape(readable(video_id))}{more}</text>'
    yield from _axis(stop_s, bottom)
    for number, label in enumerate(labels):
        y = TOP + ROW_HEIGHT * number
        yield f'<text x="{NAMES_WIDTH - 8}" y="{y + 14}" text-anchor="end">{_short(label)}</text>'
    yield from _bars(shown, labels, stop_s)
    yield "</svg>"


def _axis(stop_s: float, bottom: int) -> Iterator[str]:
    step = next((s for s in STEPS_S if stop_s / s <= MOST_TICKS), STEPS_S[-1])
    for second in range(0, int(stop_s) + 1, step):
        x = _place(second, stop_s)
        yield f'<path d="M{x} {TOP}V{bottom}" stroke="{GRID}"/>'
        text = clock(second)
        yield f'<text x="{x}" y="{bottom + 15}" text-anchor="middle">{text}</text>'


def _bars(events: pd.DataFrame, labels: Sequence[str], stop_s: float) -> Iterator[str]:
    scores = events["score"].to_numpy(np.float64)
    span = float(np.ptp(scores)) if len(scores) else 0.0
    for event in events.itertuples(index=False):
        rank = (event.score - scores.min()) / span if span else 1.0
        x, end = _place(event.start_s, stop_s), _place(event.stop_s, stop_s)
        y = TOP + ROW_HEIGHT * labels.index(event.label) + 2
        says = f"{event.label}, {event.start_s:g} to {event.stop_s:g} s, score {event.score:.2f}"
        yield (
            f'<rect x="{x}" y="{y}" width="{round(end - x, 1)}" height="{ROW_HEIGHT - 4}" '
            f'fill="{COLOR}" opacity="{FAINTEST + (1 - FAINTEST) * rank:.2f}">'
            f"<title>{escape(says)}</title></rect>"
        )


def _place(second: float, stop_s: float) -> float:
    """Return where a time is, in pixels from the left."""
    return round(NAMES_WIDTH + (WIDTH - NAMES_WIDTH - RIGHT) * second / stop_s, 1)


def _short(name: str) -> str:
    return escape(name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…")
