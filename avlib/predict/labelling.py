"""A batch of new files: which can be used, by which models, and their events."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from avlib.media.videos import Video
from avlib.predict.description import TrainedStudy
from avlib.predict.features import Batch
from avlib.predict.formats import Labelled, write_all
from avlib.predict.predictions import Predictor, Sources, features_of, sources
from avlib.predict.tables import LeftOut, Tracks
from avlib.predict.working import length_s, working_folder
from avlib.tim.recipes import Modality

_BOTH: tuple[Modality, ...] = ("audio", "visual")  # the second takes more memory


def label_batch(
    study: TrainedStudy, videos: Sequence[Video], target: Path, threshold: float
) -> tuple[list[Labelled], list[LeftOut]]:
    """Write the events of a batch of files in all formats.

    Args:
        study: whose models label them.
        videos: the files.
        target: folder to write to.
        threshold: as `Predictor` takes it.

    Returns:
        the files with their events, and those that are left out.
    """
    with working_folder(target) as work:
        return _label(Batch(study, work), {v.video_id: v for v in videos}, target, threshold)


def _label(
    batch: Batch, videos: Mapping[str, Video], target: Path, threshold: float
) -> tuple[list[Labelled], list[LeftOut]]:
    manifest = batch.read(list(videos.values())).set_index("video_id", drop=False)
    chosen, left_out = _chosen(batch.study, manifest)
    needed = {v: _features(found) for v, found in chosen.items()}
    batch.extract({m: manifest[[m in needed.get(v, ()) for v in manifest.index]] for m in _BOTH})
    for failure in batch.failures():
        if chosen.pop(failure.video_id, None):
            path = manifest.loc[failure.video_id, "path"]
            left_out.append(LeftOut(path, failure.status, failure.message))
    lengths_s = length_s(manifest)
    done = []
    for models, video_ids in _by_models(chosen).items():
        own_lengths_s = {v: lengths_s[v] for v in video_ids}
        tracks = Predictor(batch, threshold).events(own_lengths_s, dict(models))
        for video_id in video_ids:
            labelled = Labelled(
                video_id,
                Path(videos[video_id].path or ""),
                float(lengths_s[video_id]),
                _within(tracks[video_id], lengths_s[video_id]),
                study=batch.study.description.study,
                models={track: source.model for track, source in models},
            )
            write_all(labelled, target)
            done.append(labelled)
    return done, left_out


def _features(chosen: Sources) -> set[Modality]:
    return set[Modality]().union(*(features_of(source.model) for source in chosen.values()))


def _by_models(chosen: Mapping[str, Sources]) -> dict[tuple[Any, ...], list[str]]:
    """Return the files that the same models label."""
    groups: dict[tuple[Any, ...], list[str]] = defaultdict(list)
    for video_id, found in chosen.items():
        groups[tuple(found.items())].append(video_id)
    return groups


def _chosen(
    study: TrainedStudy, manifest: pd.DataFrame
) -> tuple[dict[str, Sources], list[LeftOut]]:
    """Return the models that label each file, and the files that cannot be used."""
    chosen, left_out = {}, []
    for row in manifest.itertuples():
        available = _available(row)
        found = sources(study.description, available)
        is_whole = row.status == "ok" or (row.status == "no_rate" and not found)
        if not is_whole:
            left_out.append(LeftOut(row.path, row.status, row.message))
        elif not found:
            left_out.append(_lacking(study, row.path, available))
        else:
            chosen[row.video_id] = found
    return chosen, left_out


def _available(row: Any) -> set[Modality]:
    """Return what a file of the manifest has."""
    has = {"visual": pd.notna(row.frames) and pd.notna(row.fps), "audio": row.has_audio is True}
    return {modality for modality in _BOTH if has[modality]}


def _lacking(study: TrainedStudy, path: str, available: set[Modality]) -> LeftOut:
    status, lacking = ("no_picture", "picture") if "audio" in available else ("no_audio", "sound")
    models = study.description.models
    own = " or ".join(sorted(available))
    return LeftOut(
        path,
        status,
        f"no {lacking}, which every model of {study.folder} takes ({', '.join(models)}); name "
        f"files with it, or add {own} to {study.description.section}.tim.models and run the "
        "study again",
    )


def _within(tracks: Tracks, length_s: float) -> Tracks:
    """Return events that end where the file does."""
    return {
        track: [
            event._replace(stop_s=min(event.stop_s, length_s))
            for event in events
            if event.start_s < length_s
        ]
        for track, events in tracks.items()
    }
