"""New files labelled by the networks of soundtracks: one event, from start to end of the file.

The published scores of a soundtrack are the mean over all its clips, so that is what a file has,
however long it is. The probabilities of the networks of several folds are averaged, as none of them
was trained on all files.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from avlib.evaluation.class_names import read_classes
from avlib.io.tables import read_table, write_table
from avlib.media.tables import MANIFEST
from avlib.media.videos import SOUND_SUFFIXES, Video
from avlib.memory import return_memory
from avlib.predict.formats import Labelled, write_all
from avlib.predict.inputs import SPLIT
from avlib.predict.soundtrack_description import TrainedSoundtracks
from avlib.predict.tables import Event, LeftOut
from avlib.predict.working import length_s, pack_sound, probe_files, working_folder
from avlib.soundtracks.clips import ImageFiles
from avlib.soundtracks.folds import Labels
from avlib.soundtracks.image_packs import ImageShardFiles, pack_audio_images
from avlib.soundtracks.mel import Mel
from avlib.soundtracks.metrics import in_space
from avlib.soundtracks.score_files import ScoreFiles
from avlib.soundtracks.scoring import score_soundtracks
from avlib.soundtracks.sweep import Space
from avlib.soundtracks.tables import AUDIO_IMAGES, LABELLED_FILES

TRACK = "events"

Scores = NDArray[np.float64]


def label_soundtracks(
    study: TrainedSoundtracks, videos: Sequence[Video], target: Path
) -> tuple[list[Labelled], list[LeftOut]]:
    """Write the class of each file of a batch in all formats.

    Args:
        study: whose networks label them.
        videos: the files.
        target: folder to write to.

    Returns:
        the files with their events, and those that are left out.
    """
    with working_folder(target) as work:
        manifest, index = make_images(study, videos, work)
        rows = index.assign(path=index["video_id"].map(manifest["path"]))
        bad = rows[rows["clips"] == 0].itertuples()
        left_out = [LeftOut(row.path, row.status, row.message) for row in bad]
        good = rows.loc[rows["clips"] > 0, ["video_id", "split", "path"]]
        scores = soundtrack_scores(study, good, work)
    lengths_s = length_s(manifest)
    done = [
        Labelled(
            row.video_id,
            Path(row.path),
            float(lengths_s[row.video_id]),
            {TRACK: [event]},
            study=study.description.study,
            models={TRACK: ", ".join(study.description.models)},
        )
        for row, event in zip(
            good.itertuples(), _events(study, scores, lengths_s[good["video_id"]]), strict=True
        )
    ]
    for labelled in done:
        write_all(labelled, target)
    return done, left_out


def make_images(
    study: TrainedSoundtracks, videos: Sequence[Video], work: Path
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Make the audio images of files.

    Args:
        study: whose settings say how.
        videos: the files.
        work: folder to write to.

    Returns:
        tables of kind MANIFEST, by video_id, and AUDIO_IMAGES, in which a file that cannot be used
        has no clips.
    """
    description = study.description
    probe_files([_as_in_study(video) for video in videos], work)
    pack, files = pack_sound(work, description.sound), _image_files(work)
    manifest = pack.with_suffix(".parquet")
    pack_audio_images(
        ImageShardFiles(
            manifest=manifest,
            sounds=pack,
            previous=work / "previous_images.h5",
            pack=files.packs[0],
            index=files.indices[0],
        ),
        mel=Mel(**description.mel),
        pads_short=description.pads_short,
    )
    return_memory()
    rows = read_table(manifest, MANIFEST).set_index("video_id", drop=False)
    return rows, read_table(files.indices[0], AUDIO_IMAGES)


def soundtrack_scores(
    study: TrainedSoundtracks, files: pd.DataFrame, work: Path
) -> dict[str, Scores]:
    """Return the scores of files by each network, pooled over their clips: (N, K) by model.

    Args:
        study: whose networks score them.
        files: columns video_id, split and path, of those that have audio images.
        work: folder that `make_images` wrote to.

    Raises:
        CheckpointError, ConfigError: if weights are missing, have changed or do not fit.
    """
    if files.empty:
        return {}
    labels = Labels(work / "labels.parquet", study.classes)
    # The stage names the true class beside the scores; here it is not known, and not used.
    unknown = files.assign(label=read_classes(study.classes)[0], class_id=0, fold=None)
    write_table(unknown, labels.labelled_files, LABELLED_FILES)
    targets = ScoreFiles(work / "scores.npy", work / "scores.parquet")
    found = {}
    for name in study.description.models:
        score_soundtracks(
            labels,
            _image_files(work),
            weights=study.model(name),
            space=study.description.pooling,
            device=study.description.device,
            clip_targets=ScoreFiles(work / "clips.npy", work / "clips.parquet"),
            targets=targets,
        )
        found[name] = np.load(targets.scores, allow_pickle=False)
    return found


def probabilities(scores: Scores, pooling: Space) -> Scores:
    """Return the probabilities of the classes of pooled scores (N, K), of which the sum is 1."""
    return scores if pooling == "softmax" else in_space(scores, "softmax")


def _events(
    study: TrainedSoundtracks, scores: Mapping[str, Scores], lengths_s: "pd.Series[float]"
) -> list[Event]:
    if not scores:
        return []
    names = read_classes(study.classes)
    pooling = study.description.pooling
    shares = np.mean([probabilities(found, pooling) for found in scores.values()], axis=0)
    return [
        Event(0.0, float(length), names[share.argmax()], float(share.max()))
        for share, length in zip(shares, lengths_s, strict=True)
    ]


def _image_files(work: Path) -> ImageFiles:
    return ImageFiles([work / "images.h5"], [work / "images.parquet"])


def _as_in_study(video: Video) -> Video:
    """Return a file as these studies list it: a sound file is its own sound."""
    path = video.path or ""
    is_sound = Path(path).suffix.lower() in SOUND_SUFFIXES
    return replace(video, split=SPLIT, sound=path if is_sound else None)
