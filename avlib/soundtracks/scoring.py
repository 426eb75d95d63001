"""Stage score_soundtracks: scores of the held-out soundtracks of a study, by a trained network."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from avlib.device import resolve_device
from avlib.errors import DataError
from avlib.evaluation.class_names import check_classifier, read_classes
from avlib.io.packs import ImageStore
from avlib.io.tables import read_table
from avlib.soundtracks.clips import AudioImages
from avlib.soundtracks.folds import HELD_OUT, splits_of_fold
from avlib.soundtracks.fusion_metrics import Space
from avlib.soundtracks.images import SAMPLE_RATE
from avlib.soundtracks.scores import (
    load_soundtrack_network,
    noted_questions,
    number_of_classes,
    pool_soundtracks,
    score_clips,
)
from avlib.soundtracks.tables import AUDIO_IMAGES, LABELLED_FILES

logger = logging.getLogger(__name__)


def score_soundtracks(
    *,
    labels: Path,
    classes: Path,
    packs: Sequence[Path],
    indices: Sequence[Path],
    weights: Path,
    fold: str,
    space: Space,
    batch_size: int,
    device: str,
    clip_scores_target: Path,
    clip_index_target: Path,
    scores_target: Path,
    table_target: Path,
) -> None:
    """Write the scores of the soundtracks of splits `val` and `test`, and of their clips.

    A file without sound has no row. A soundtrack that is shorter than a clip has one, with scores
    of 0 and 0 clips.

    Args:
        labels: table of kind LABELLED_FILES.
        classes: JSON with the names of the classes, as `class_id`.
        packs: audio images of the files.
        indices: tables of kind AUDIO_IMAGES, of the same files.
        weights: of a soundtrack network, trained without the files that are scored.
        fold: as in `splits_of_fold`.
        space: what is averaged over the clips; the logits, as published.
        batch_size: clips at once.
        device: cpu, cuda, or auto for cuda where there is one.
        clip_scores_target: `.npy` file of the clips' logits, float32 (clips, K).
        clip_index_target: table of kind CLIPS.
        scores_target: `.npy` file of the soundtracks, float64 (N, K).
        table_target: table of kind SOUNDTRACKS.

    Raises:
        CheckpointError: if the weights are for other classes, or of no soundtrack network.
        DataError: if the fold has no files, images are missing without a reason, or no file of
            split `test` has sound.
    """
    torch.set_num_threads(1)  # another number gives other last bits
    files = splits_of_fold(read_table(labels, LABELLED_FILES), fold)
    network = load_soundtrack_network(weights)
    check_classifier(weights, number_of_classes(network), read_classes(classes))
    index = pd.concat([read_table(path, AUDIO_IMAGES) for path in indices], ignore_index=True)
    with ImageStore(packs, sample_rate=SAMPLE_RATE) as images:
        soundtracks = _with_sound(files[files["split"].isin(HELD_OUT)], images, index)
        if not (soundtracks["split"] == "test").any():
            raise DataError(f"{labels}: no file of split test has sound (fold {fold})")
        score_clips(
            network.to(resolve_device(device)),
            images,
            soundtracks,
            asked=noted_questions(weights),
            batch_size=batch_size,
            scores_target=clip_scores_target,
            index_target=clip_index_target,
        )
    pool_soundtracks(
        clip_scores=clip_scores_target,
        clip_index=clip_index_target,
        soundtracks=soundtracks,
        space=space,
        scores_target=scores_target,
        table_target=table_target,
    )


def _with_sound(files: pd.DataFrame, images: AudioImages, index: pd.DataFrame) -> pd.DataFrame:
    """Return the files that have an entry in the packs; say why others have none."""
    status = files["video_id"].map(index.set_index("video_id")["status"])
    has_sound = np.array([video_id in images for video_id in files["video_id"]], dtype=bool)
    lost = files["video_id"][~has_sound & (status.isna() | (status == "ok"))]
    if len(lost):
        raise DataError(
            f"{lost.iloc[0]}: one of {len(lost)} labelled files whose audio images are in no pack, "
            "without a reason in the tables; pack the images again"
        )
    for reason, named in files["video_id"][~has_sound].groupby(status[~has_sound]):
        first = named.iloc[0]
        logger.warning(
            "%d files are %s and have no scores, %s the first", len(named), reason, first
        )
    return files[has_sound]
