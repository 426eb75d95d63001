"""What was heard and seen without labels, in words: the last lines of a run."""

from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

from avlib.report.clock import clock

PLACES_SHOWN = 3  # videos of an event's label
TIMES_SHOWN = 3  # of a video


def tag_lines(path: Path, content: Mapping[str, Any]) -> list[str]:
    """Return how many events there are, and the commonest ones with their times.

    Args:
        path: of the summary `tags.json`.
        content: of it.
    """
    counts = f"{content['events']} events in {content['seconds']} s of {_videos(content)}"
    pictures = path.parent / "timelines" / "index.html"
    lines = [f"{counts}: {path.with_name('events.csv')}", f"pictures: {pictures}"]
    for label in content["left_out"]:
        lines.append(f"left out: {label}")
    common = content["commonest"]
    width = max((len(entry["label"]) for entry in common), default=0)
    if common:
        lines.append("commonest, with the best of their times:")
    for entry in common:
        length = f"{entry['events']} x, {entry['seconds']:g} s"
        lines.append(f"  {entry['label']:<{width}}  {length:>12}: {', '.join(_places(entry))}")
    return lines


def _videos(content: Mapping[str, Any]) -> str:
    return f"{content['videos']['used']} videos"


def _places(entry: Mapping[str, Any]) -> Iterator[str]:
    """Yield videos with times, and at last that there are more."""
    shown = 0
    for number, (video_id, times) in enumerate(
        groupby(entry["times"], key=lambda time: time["video_id"])
    ):
        if number == PLACES_SHOWN:
            break
        found = [f"{clock(t['start_s'])}-{clock(t['stop_s'])}" for t in times][:TIMES_SHOWN]
        shown += len(found)
        yield f"{video_id} {' '.join(found)}"
    if shown < entry["events"]:
        yield "..."
