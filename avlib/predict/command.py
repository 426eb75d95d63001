"""The command `predict`: files and folders in, events out, batch by batch."""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from avlib.errors import ConfigError, DataError
from avlib.io.atomic import write_json
from avlib.io.json_files import read_cached_json
from avlib.io.lock import locked
from avlib.media.videos import Video, readable
from avlib.predict.description import TrainedStudy, read_study
from avlib.predict.formats import WRITERS, Labelled, write_csv
from avlib.predict.inputs import batches, find_inputs
from avlib.predict.soundtrack_description import TrainedSoundtracks, read_soundtracks
from avlib.predict.tables import LeftOut
from avlib.progress import progress_in_parts

FOLDER = "predicted"  # in the results of a study
THRESHOLD = 0.4  # the best for the rendered miniatures of epic and perception
EVENTS, SUMMARY = "events.csv", "summary.json"  # of all files
RESERVED = {Path(EVENTS).stem, Path(SUMMARY).stem}  # no file of results may have their names
MARKS = {"study", "models"}  # keys of JSON files that earlier predictions have left
MOST_SHOWN = 20  # files that are left out, on the console

AnyStudy: TypeAlias = TrainedStudy | TrainedSoundtracks


def predict_files(
    paths: Sequence[Path], model: Path, output: Path | None = None, threshold: float = THRESHOLD
) -> list[str]:
    """Label files by a trained study, and write their events in all formats.

    A file that cannot be used is left out with its reason, and the others go on.

    Args:
        paths: files, and folders that are searched.
        model: results of a study, `results/<study>`.
        output: folder to write to; None: FOLDER in the results of the study.
        threshold: probability that a query must exceed, where events may have any length.

    Returns:
        what is to be said at the end; the last line says where the files are.

    Raises:
        ConfigError: if the study has no trained model, its weights are gone or have changed, or a
            file that no prediction has written would be written over.
        DataError: if a path does not exist, a folder holds no media, or no file can be used.
    """
    study = read_soundtracks(model) or read_study(model)
    study.check()
    found, left_out = find_inputs(paths)
    videos = [video for video in found if video.video_id not in RESERVED]
    left_out += [_reserved(video) for video in found if video.video_id in RESERVED]
    target = output or model / FOLDER
    _check_target(target, videos)
    done: list[Labelled] = []
    parts = batches(videos, are_single=_has_common_seconds(study))
    with locked(target):
        for batch in progress_in_parts(parts, "predicting", "files", total=len(videos), size=len):
            labelled, without = _label(study, batch, target, threshold)
            done += labelled
            left_out += without
        write_csv(done, target / EVENTS)
        _write_summary(study, done, left_out, target)
        if not done:
            raise DataError(_nothing_done(left_out, target))
    return _closing_lines(done, left_out, target)


def _check_target(target: Path, videos: Sequence[Video]) -> None:
    """Check that nothing but earlier predictions would be written over.

    Raises:
        ConfigError: if another file would be.
    """
    written = {f"{v.video_id}.json": [f"{v.video_id}{kind}" for kind in WRITERS] for v in videos}
    for marked, names in (written | {SUMMARY: [EVENTS, SUMMARY]}).items():
        content = read_cached_json(target / marked)
        if isinstance(content, dict) and content.keys() >= MARKS:
            continue
        for name in names:
            if (target / name).exists():
                raise ConfigError(
                    f"{target / name}: not written by predict, and would be written over; name "
                    "another folder with --output"
                )


def _reserved(video: Video) -> LeftOut:
    reason = "its results would take the place of those of all files; rename the file"
    return LeftOut(readable(video.path or ""), "invalid_id", reason)


def _label(
    study: AnyStudy, videos: Sequence[Video], target: Path, threshold: float
) -> tuple[list[Labelled], list[LeftOut]]:
    """Write the events of a batch; the networks of the other kind take no memory."""
    if isinstance(study, TrainedSoundtracks):
        from avlib.predict.soundtracks import label_soundtracks

        return label_soundtracks(study, videos, target)
    from avlib.predict.labelling import label_batch

    return label_batch(study, videos, target, threshold)


def _has_common_seconds(study: AnyStudy) -> bool:
    """Say whether all files of a batch get the intervals of the longest one."""
    if isinstance(study, TrainedSoundtracks):
        return False
    return isinstance(study.description.intervals["seconds"], int)


def _write_summary(
    study: AnyStudy, done: Sequence[Labelled], left_out: Sequence[LeftOut], target: Path
) -> None:
    models = {name: entry["sha256"] for name, entry in study.description.models.items()}
    content = {
        "study": study.description.study,
        "models": models,
        "files": [
            {
                "video_id": labelled.video_id,
                "path": str(labelled.path),
                "models": dict(labelled.models),
                "events": {track: len(found) for track, found in labelled.tracks.items()},
            }
            for labelled in done
        ],
        "left_out": [entry._asdict() for entry in left_out],
    }
    write_json(target / SUMMARY, content)


def _nothing_done(left_out: Sequence[LeftOut], target: Path) -> str:
    first = left_out[0]
    if len(left_out) == 1:
        return f"{first.path}: {first.message}"
    return (
        f"none of {len(left_out)} files can be used ({_counts(left_out)}), the first: "
        f"{first.path}: {first.message}; {target / SUMMARY} has all reasons"
    )


def _counts(left_out: Sequence[LeftOut]) -> str:
    counts = Counter(entry.status for entry in left_out)
    return ", ".join(f"{count} {status}" for status, count in counts.items())


def _closing_lines(
    done: Sequence[Labelled], left_out: Sequence[LeftOut], target: Path
) -> list[str]:
    lines = [f"left out: {e.path}: {e.message}" for e in left_out[:MOST_SHOWN]]
    if len(left_out) > MOST_SHOWN:
        lines.append(f"left out: {len(left_out) - MOST_SHOWN} more, see {target / SUMMARY}")
    labels = Counter(e.label for f in done for events in f.tracks.values() for e in events)
    n_events = sum(labels.values())
    common = ", ".join(f"{label} ({count})" for label, count in labels.most_common(5))
    found = f"{len(done)} files, {n_events} events{f': {common}' if common else ''}"
    kinds = ", ".join(suffix for suffix in WRITERS)
    return [*lines, found, f"{target}/<file>{{{kinds}}}, all events in {target / EVENTS}"]


@contextmanager
def quiet_stages() -> Iterator[None]:
    """Say of the stages only how far long ones are, and warnings.

    Files that are left out are named at the end, with what was found.
    """
    library, shown = logging.getLogger("avlib"), logging.getLogger("avlib.progress")
    levels, handlers = (library.level, shown.level), list(logging.getLogger().handlers)
    library.setLevel(logging.WARNING)
    shown.setLevel(logging.INFO)
    for handler in handlers:
        handler.addFilter(_is_for_the_console)
    try:
        yield
    finally:
        library.setLevel(levels[0])
        shown.setLevel(levels[1])
        for handler in handlers:
            handler.removeFilter(_is_for_the_console)


def _is_for_the_console(record: logging.LogRecord) -> bool:
    is_rate = record.name != "avlib.progress" or "left" in str(record.msg)
    return is_rate and not str(record.msg).startswith("left out: ")
