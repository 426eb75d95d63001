"""What a search found: lines for a terminal, and a page with a player of each place."""

import os
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import pandas as pd

from avlib.io.tables import read_table
from avlib.media.tables import MANIFEST
from avlib.media.videos import readable
from avlib.report.clock import clock
from avlib.report.html import write_page
from avlib.tagging.queries import Hit
from avlib.tagging.search import Found

AROUND_S = 1  # that a player shows before and after a place
UNITS = {
    "deviations": "deviations from their mean",
    "probability": "probabilities, since what is looked for is not rare here",
    "cosine": "cosines of embeddings",
}
PAGE_STYLE = (
    "<style>figure { margin: 1.5em 0; } video { max-width: 30em; max-height: 20em; }</style>"
)


class Place(NamedTuple):
    """Successive seconds of a video among the hits.

    Attributes:
        best: the hit with the highest score.
        start_s, stop_s: from the first second to the end of the last.
    """

    best: Hit
    start_s: float
    stop_s: float


class Media(NamedTuple):
    """The file of a video.

    Attributes:
        path: as configured.
        has_picture: whether it is more than a sound file.
    """

    path: Path
    has_picture: bool


def search_lines(found: Found) -> list[str]:
    """Return a result as lines of text: what was understood, and the hits with their scores."""
    lines = [f"{found.query}: the {len(found.hits)} best of {_searched(found)}"]
    lines += [f"  {line}" for line in _meanings(found)]
    lines += [f"  {found.remark}"] if found.remark else []
    widths = {leg: max(9, len(leg) + 2) for leg in found.legs}
    if found.hits:
        legs = "".join(f"{leg:>{width}}" for leg, width in widths.items())
        lines.append(f"{'score':>8}{legs}{'time':>10}  video")
    for hit in found.hits:
        parts = {leg: _number(hit.parts[leg]) if leg in hit.parts else "-" for leg in widths}
        legs = "".join(f"{part:>{widths[leg]}}" for leg, part in parts.items())
        video = readable(hit.video_id)
        lines.append(f"{_number(hit.score):>8}{legs}{clock(hit.start_s):>10}  {video}")
    return lines


def _searched(found: Found) -> str:
    return f"{found.searched:,} {found.items}; scores are {UNITS[found.unit]}"


def _meanings(found: Found) -> Iterator[str]:
    """Yield what was looked for in each leg, where words were."""
    width = max(map(len, found.legs), default=0)
    for leg, meaning in found.legs.items():
        line = f"{leg:<{width}} weight {meaning.weight:.2f}"
        if meaning.reliability is not None:
            names = ", ".join(f"{name} {weight:.2f}" for name, weight in meaning.classes.items())
            line += f", r {meaning.reliability:.2f}: {names}"
        yield line


def _number(value: float) -> str:
    return f"{value:.3f}" if abs(value) < 1 else f"{value:.2f}"


def media_files(folder: Path, hits: Sequence[Hit]) -> dict[str, Media]:
    """Return the files of the videos of hits, by id.

    Args:
        folder: results of the study.
        hits: what was found in it.
    """
    wanted = {hit.video_id for hit in hits}
    files: dict[str, Media] = {}
    for path in sorted(folder.glob("seconds/*.parquet")) or sorted(folder.glob("manifest.parquet")):
        table = read_table(path, MANIFEST)
        for row in table[table["video_id"].isin(wanted)].itertuples():
            media = Media(Path(row.path), not pd.isna(row.duration_s))
            files.setdefault(row.video_id, media)  # of several files with an id the first is used
    return files


def places(hits: list[Hit]) -> list[Place]:
    """Return the hits with successive seconds joined, by their best scores."""
    joined: list[Place] = []
    for hit in sorted(hits, key=lambda hit: (hit.video_id, hit.start_s)):
        last = joined[-1] if joined else None
        if last and (last.best.video_id, last.stop_s) == (hit.video_id, hit.start_s):
            best = hit if hit.score > last.best.score else last.best
            joined[-1] = Place(best, last.start_s, hit.stop_s)
        else:
            joined.append(Place(hit, hit.start_s, hit.stop_s))
    return sorted(joined, key=lambda place: -place.best.score)


def write_search_page(found: Found, media: Mapping[str, Media], target: Path) -> None:
    """Write a page with a player of each place that was found.

    Args:
        found: the result.
        media: files of the videos by id.
        target: HTML file to write; players refer to the files by their place from there.
    """
    write_page(target, escape(found.query), _body(found, media, target))


def _body(found: Found, media: Mapping[str, Media], target: Path) -> Iterator[str]:
    yield PAGE_STYLE
    yield f"<h1>{escape(found.query)}</h1>"
    said = [_searched(found), *_meanings(found)]
    said += [found.remark] if found.remark else []
    yield f"<p>{'<br>'.join(map(escape, said))}</p>"
    for place in places(found.hits):
        yield from _figure(place, media.get(place.best.video_id), target)


def _figure(place: Place, media: Media | None, target: Path) -> Iterator[str]:
    best = place.best
    yield "<figure>"
    name = escape(readable(best.video_id))
    if media is not None and media.path.is_file():
        source = quote(os.fsencode(os.path.relpath(media.path.resolve(), target.parent.resolve())))
        kind = "video" if media.has_picture else "audio"
        times = f"{max(place.start_s - AROUND_S, 0):g},{place.stop_s + AROUND_S:g}"
        yield f'<{kind} controls preload="metadata" src="{source}#t={times}"></{kind}>'
        name = f'<a href="{source}">{name}</a>'
    legs = ", ".join(f"{leg} {_number(value)}" for leg, value in best.parts.items())
    yield (
        f"<figcaption>{name}, {clock(place.start_s)} to {clock(place.stop_s)}: "
        f"{_number(best.score)} ({legs})</figcaption></figure>"
    )
