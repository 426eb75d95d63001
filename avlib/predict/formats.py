"""Found events as files of other programs; times in seconds from the start of the recording.

JSON and CSV; label tracks of Audacity (manual, "Importing and Exporting Labels"); annotations of
ELAN (EAF 3.0, MPI Nijmegen, ELAN Annotation Format); TextGrid files of Praat (manual, "TextGrid
file formats", the long form).
"""

import csv
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree as etree

from avlib.io.atomic import atomic_path, write_json
from avlib.media.videos import SOUND_SUFFIXES
from avlib.predict.tables import Event, Tracks

SHOWN_DIGITS = 3  # of seconds, a thousandth
CSV_COLUMNS = ("video_id", "track", "start_s", "stop_s", "label", "score")
_SCHEMA = "http://www.w3.org/2001/XMLSchema-instance"
_EAF_SCHEMA = "http://www.mpi.nl/tools/elan/EAFv3.0.xsd"
_XML = '<?xml version="1.0" encoding="UTF-8"?>\n'
_NO_DATE = "1970-01-01T00:00:00+00:00"  # the same events give the same file


class Labelled(NamedTuple):
    """A file with its events.

    Attributes:
        video_id: its name without the suffix.
        path: of the file.
        duration_s: its length.
        tracks: events by track.
        study: whose models found them.
        models: name of the model by track.
    """

    video_id: str
    path: Path
    duration_s: float
    tracks: Tracks
    study: str
    models: Mapping[str, str]


def write_all(labelled: Labelled, folder: Path) -> None:
    """Write the events of a file in all formats: `<folder>/<video_id><suffix>`."""
    for suffix, write in WRITERS.items():
        write(labelled, folder / f"{labelled.video_id}{suffix}")


def write_events_json(labelled: Labelled, target: Path) -> None:
    """Write the file, the study, and a list of events by track."""
    tracks = {
        track: [
            {**event._asdict(), **_times(event), "score": round(event.score, 4)} for event in events
        ]
        for track, events in labelled.tracks.items()
    }
    content = {
        "video_id": labelled.video_id,
        "path": str(labelled.path),
        "duration_s": round(labelled.duration_s, SHOWN_DIGITS),
        "study": labelled.study,
        "models": dict(labelled.models),
        "tracks": tracks,
    }
    write_json(target, content)


def write_csv(files: Sequence[Labelled], target: Path) -> None:
    """Write a row an event, of several files."""
    with (
        atomic_path(target) as partial,
        partial.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file,
    ):
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(CSV_COLUMNS)
        for labelled in files:
            for track, event in _in_order(labelled.tracks):
                start, stop = (f"{t:.3f}" for t in (event.start_s, event.stop_s))
                # The csv module quotes a \n, but no lone \r, where readers begin a row.
                label = event.label.replace("\r\n", "\n").replace("\r", "\n")
                score = f"{event.score:.4f}"
                rows.writerow([labelled.video_id, track, start, stop, label, score])


def write_audacity(labelled: Labelled, target: Path) -> None:
    """Write a line an event: start, stop and label; with the track where there are several."""
    has_several = len(labelled.tracks) > 1
    lines = [
        f"{event.start_s:.6f}\t{event.stop_s:.6f}\t"
        f"{f'{track}: ' if has_several else ''}{_one_line(event.label)}\n"
        for track, event in _in_order(labelled.tracks)
    ]
    _write_text("".join(lines), target)


def write_eaf(labelled: Labelled, target: Path) -> None:
    """Write a tier a track, with the path of the recording, absolute and relative."""
    root = etree.Element(
        "ANNOTATION_DOCUMENT",
        {
            "AUTHOR": "avlib",
            "DATE": _NO_DATE,
            "FORMAT": "3.0",
            "VERSION": "3.0",
            "xmlns:xsi": _SCHEMA,
            "xsi:noNamespaceSchemaLocation": _EAF_SCHEMA,
        },
    )
    n_annotations = sum(map(len, labelled.tracks.values()))
    _add_header(root, labelled.path, target, n_annotations)
    _add_tiers(root, labelled.tracks)
    etree.SubElement(
        root,
        "LINGUISTIC_TYPE",
        GRAPHIC_REFERENCES="false",
        LINGUISTIC_TYPE_ID="default-lt",
        TIME_ALIGNABLE="true",
    )
    etree.indent(root)
    _write_text(etree.tostring(root, "unicode", xml_declaration=False), target, _XML)


def _add_tiers(root: etree.Element, tracks: Tracks) -> None:
    """Add the times of all events, and a tier a track with annotations that refer to them."""
    slots = etree.SubElement(root, "TIME_ORDER")
    n_annotations = 0
    for track, events in tracks.items():
        tier = etree.SubElement(root, "TIER", LINGUISTIC_TYPE_REF="default-lt", TIER_ID=track)
        for event in events:
            n_annotations += 1
            references = {}
            for name, seconds in (("1", event.start_s), ("2", event.stop_s)):
                slot = f"ts{len(slots) + 1}"
                value = str(round(seconds * 1000))
                etree.SubElement(slots, "TIME_SLOT", TIME_SLOT_ID=slot, TIME_VALUE=value)
                references[f"TIME_SLOT_REF{name}"] = slot
            annotation = etree.SubElement(
                etree.SubElement(tier, "ANNOTATION"),
                "ALIGNABLE_ANNOTATION",
                {"ANNOTATION_ID": f"a{n_annotations}", **references},
            )
            etree.SubElement(annotation, "ANNOTATION_VALUE").text = _xml_text(event.label)


def _add_header(root: etree.Element, path: Path, target: Path, n_annotations: int) -> None:
    """Add where the recording is, as seen from anywhere and from the file itself."""
    header = etree.SubElement(root, "HEADER", MEDIA_FILE="", TIME_UNITS="milliseconds")
    is_wav = path.suffix.lower() == ".wav"
    kind = "audio" if path.suffix.lower() in SOUND_SUFFIXES else "video"
    suffix = "x-wav" if is_wav else path.suffix.lower().lstrip(".") or "mp4"
    whole = path.resolve()
    relative = os.path.relpath(whole, target.parent.resolve())
    etree.SubElement(
        header,
        "MEDIA_DESCRIPTOR",
        MEDIA_URL=_xml_text(whole.as_uri()),
        MIME_TYPE=f"{kind}/{suffix}",
        RELATIVE_MEDIA_URL=_xml_text(relative),
    )
    last_used = etree.SubElement(header, "PROPERTY", NAME="lastUsedAnnotationId")
    last_used.text = str(n_annotations)  # ELAN numbers new annotations from here


def write_textgrid(labelled: Labelled, target: Path) -> None:
    """Write an interval tier a track; between events there are empty intervals."""
    end = labelled.duration_s
    for events in labelled.tracks.values():
        end = max([end, *(event.stop_s for event in events)])
    end = round(end, SHOWN_DIGITS)  # as all times are, or an interval of no length may be left
    lines = [
        'File type = "ooTextFile"',
        'Object class = "TextGrid"',
        "",
        "xmin = 0",
        f"xmax = {_number(end)}",
        "tiers? <exists>",
        f"size = {len(labelled.tracks)}",
        "item []:",
    ]
    for number, (track, events) in enumerate(labelled.tracks.items(), 1):
        intervals = _filled(events, end)
        lines += [
            f"    item [{number}]:",
            '        class = "IntervalTier"',
            f"        name = {_quoted(track)}",
            "        xmin = 0",
            f"        xmax = {_number(end)}",
            f"        intervals: size = {len(intervals)}",
        ]
        for place, (start_s, stop_s, label) in enumerate(intervals, 1):
            lines += [
                f"        intervals [{place}]:",
                f"            xmin = {_number(start_s)}",
                f"            xmax = {_number(stop_s)}",
                f"            text = {_quoted(label)}",
            ]
    _write_text("\n".join(lines) + "\n", target)


def _filled(events: list[Event], end: float) -> list[tuple[float, float, str]]:
    """Return the events of a track with empty intervals between them, from 0 to `end`."""
    found, last = list[tuple[float, float, str]](), 0.0
    for event in events:
        start_s, stop_s = (round(t, SHOWN_DIGITS) for t in (event.start_s, event.stop_s))
        if start_s > last:
            found.append((last, start_s, ""))
        found.append((start_s, stop_s, event.label))
        last = stop_s
    if last < end or not found:
        found.append((last, end, ""))
    return found


WRITERS: Mapping[str, Callable[[Labelled, Path], None]] = {
    ".json": write_events_json,
    ".csv": lambda labelled, target: write_csv([labelled], target),
    ".txt": write_audacity,
    ".eaf": write_eaf,
    ".TextGrid": write_textgrid,
}


def _in_order(tracks: Tracks) -> list[tuple[str, Event]]:
    rows = [(track, event) for track, events in tracks.items() for event in events]
    return sorted(rows, key=lambda row: (row[1].start_s, row[1].stop_s, row[0]))


def _times(event: Event) -> dict[str, float]:
    return {
        name: round(seconds, SHOWN_DIGITS)
        for name, seconds in (("start_s", event.start_s), ("stop_s", event.stop_s))
    }


def _number(seconds: float) -> str:
    return f"{round(seconds, SHOWN_DIGITS):g}" if seconds < 1000 else f"{seconds:.3f}"


def _quoted(text: str) -> str:
    return '"{}"'.format(_one_line(text).replace('"', '""'))


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _xml_text(text: str) -> str:
    """Return text without the characters that XML 1.0 has no form for."""
    return "".join(c for c in text if c in "\t\n\r" or (c >= " " and c not in "\ufffe\uffff"))


def _write_text(text: str, target: Path, head: str = "") -> None:
    with atomic_path(target) as partial:
        partial.write_bytes((head + text).encode("utf-8", "backslashreplace"))
