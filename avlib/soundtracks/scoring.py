"""Stage score_soundtracks: scores of clips by a trained network, and of whole soundtracks.

Source: the published soundtrack classification of Kinetics-600.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from avlib.device import resolve_device
from avlib.errors import DataError
from avlib.evaluation.class_names import check_classifier, read_classes
from avlib.io.atomic import atomic_path
from avlib.io.packs import ImageStore
from avlib.io.tables import read_table, write_table
from avlib.io.torn import torn
from avlib.prefetch import prefetched
from avlib.progress import progress
from avlib.soundtracks.clips import AudioImages, ImageFiles, cut_frames, window_starts
from avlib.soundtracks.folds import SCORED_SPLITS, Labels
from avlib.soundtracks.mel import CLIP_S, N_FRAMES, SAMPLE_RATE
from avlib.soundtracks.metrics import pool_clips, soundtrack_metrics
from avlib.soundtracks.network import SoundtrackNetwork
from avlib.soundtracks.score_files import ScoreFiles, save_array
from avlib.soundtracks.sweep import Space
from avlib.soundtracks.tables import AUDIO_IMAGES, CLIPS, SOUNDTRACKS
from avlib.soundtracks.weights import (
    Windows,
    load_soundtrack_network,
    load_windows,
    number_of_classes,
)

logger = logging.getLogger(__name__)

SCORED_AT_ONCE = 64  # clips
POOLED_AT_ONCE = 1024  # soundtracks


def score_soundtracks(
    labels: Labels,
    images: ImageFiles,
    *,
    weights: Path,
    space: Space,
    device: str,
    clip_targets: ScoreFiles,
    targets: ScoreFiles,
) -> None:
    """Write the scores of the soundtracks of splits `val` and `test`, and of their clips.

    A file without sound has no row; a soundtrack shorter than a clip has one, of 0 clips.

    Args:
        labels: of the files, and the fold that is scored.
        images: audio images of the files.
        weights: of a soundtrack network, trained without the files that are scored.
        space: what is averaged over the clips; the logits, as published.
        device: cpu, cuda, or auto for cuda where there is one.
        clip_targets: files to write, of the clips' logits: float32 (clips, K), table CLIPS.
        targets: files to write, of the soundtracks: float64 (N, K), table SOUNDTRACKS.

    Raises:
        CheckpointError: if the weights are not of a soundtrack network with these classes.
        DataError: if the fold has no files, images are missing without a reason, or no file of
            split `test` has sound.
    """
    torch.set_num_threads(1)  # another number gives other last bits
    network = load_soundtrack_network(weights).to(resolve_device(device))
    check_classifier(weights, number_of_classes(network), read_classes(labels.classes))
    with ImageStore(images.packs, sample_rate=SAMPLE_RATE) as store:
        soundtracks = _scored(labels, store, images.indices)
        windows = load_windows(weights)
        score_clips(network, store, soundtracks, windows=windows, targets=clip_targets)
    pool_soundtracks(clip_targets, soundtracks, space=space, targets=targets)


def _scored(labels: Labels, images: AudioImages, indices: Sequence[Path]) -> pd.DataFrame:
    """Return the files of a fold that are scored, some of them of split `test`."""
    files = labels.read()
    index = pd.concat([read_table(path, AUDIO_IMAGES) for path in indices], ignore_index=True)
    found = _with_sound(files[files["split"].isin(SCORED_SPLITS)], images, index)
    if not (found["split"] == "test").any():
        raise DataError(
            f"{labels.labelled_files}: no file of split test has sound (fold {labels.fold})"
        )
    return found


def _with_sound(files: pd.DataFrame, images: AudioImages, index: pd.DataFrame) -> pd.DataFrame:
    """Return the files that have an entry in the packs; log why others have none."""
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


def score_clips(
    network: SoundtrackNetwork,
    images: AudioImages,
    soundtracks: pd.DataFrame,
    *,
    windows: Windows,
    batch_size: int = SCORED_AT_ONCE,
    targets: ScoreFiles,
) -> None:
    """Write the logits of every window, and a table that names the rows.

    Args:
        network: on its device, in evaluation mode.
        images: audio images of the videos; a soundtrack without any has no row.
        soundtracks: columns video_id and class_id, one row a soundtrack.
        windows: which windows are scored.
        batch_size: clips at once.
        targets: files to write: scores float32 (clips, K), rows of kind CLIPS.
    """
    starts = {
        video_id: window_starts(images[video_id], **windows._asdict())
        for video_id in soundtracks["video_id"]
        if video_id in images
    }
    shape = (sum(map(len, starts.values())), number_of_classes(network))
    with atomic_path(targets.scores) as partial, partial.open("wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        batches = prefetched(_image_batches(images, starts, batch_size))
        total = -(-shape[0] // batch_size)
        for batch in progress(batches, "scoring clips", "batches", total=total):
            file.write(_logits(network, batch).tobytes())
    class_ids = soundtracks.set_index("video_id")["class_id"].reindex(list(starts)).to_numpy()
    write_table(_clip_index(starts, class_ids), targets.rows, CLIPS)


def _clip_index(
    starts: Mapping[str, NDArray[np.int64]], class_ids: NDArray[np.int64]
) -> pd.DataFrame:
    counts = [len(frames) for frames in starts.values()]
    clip = np.concatenate([np.empty(0, dtype=np.int64), *starts.values()]) / N_FRAMES
    return pd.DataFrame(
        {
            "video_id": np.repeat(np.array(list(starts), dtype=object), counts),
            "clip": clip.astype(np.int64),
            "start_s": clip * CLIP_S,
            "stop_s": (clip + 1) * CLIP_S,
            "class_id": np.repeat(class_ids, counts),
        }
    )


def _image_batches(
    images: AudioImages, starts: Mapping[str, NDArray[np.int64]], batch_size: int
) -> Iterator[NDArray[np.float32]]:
    """Yield the windows of all videos in order: (at most B, N_MELS, N_FRAMES)."""
    cuts = (cut_frames(images[v], int(start)) for v, frames in starts.items() for start in frames)
    while batch := list(islice(cuts, batch_size)):
        yield np.stack(batch)


@torch.inference_mode()
def _logits(network: SoundtrackNetwork, images: NDArray[np.float32]) -> NDArray[np.float32]:
    parameter = next(network.parameters())
    logits = network(torch.from_numpy(images).to(parameter.device, parameter.dtype))
    return np.asarray(logits.float().cpu().numpy(), dtype="<f4")


def pool_soundtracks(
    clips: ScoreFiles, soundtracks: pd.DataFrame, *, space: Space, targets: ScoreFiles
) -> dict[str, Any]:
    """Write the scores of whole soundtracks, and a table that names the rows.

    Args:
        clips: files of `score_clips`.
        soundtracks: columns video_id, split and class_id, one row a soundtrack; one without a
            clip has scores of 0.
        space: what is averaged; the logits, as published.
        targets: files to write: scores float64 (N, K), rows of kind SOUNDTRACKS.

    Returns:
        those of `soundtrack_metrics`.

    Raises:
        DataError: if scores, table and soundtracks do not match.
    """
    logits = _mapped(clips.scores)
    index = read_table(clips.rows, CLIPS)
    by_video = index.groupby("video_id", sort=False).size()
    counts = by_video.reindex(soundtracks["video_id"], fill_value=0).to_numpy()
    scored = soundtracks["video_id"][counts > 0].tolist()
    if len(logits) != len(index) or scored != by_video.index.tolist():
        raise DataError(
            f"{clips.scores}: {len(logits)} rows, {clips.rows}: {len(index)} clips of "
            f"{len(by_video)} soundtracks, {len(scored)} of them listed; score the clips again"
        )
    pooled = np.zeros((len(counts), logits.shape[1]))
    ends = np.cumsum(counts)
    for first in range(0, len(counts), POOLED_AT_ONCE):
        part = slice(first, first + POOLED_AT_ONCE)
        rows = slice(int(ends[first] - counts[first]), int(ends[part][-1]))
        pooled[part] = pool_clips(logits[rows], counts[part], space=space)
    save_array(pooled, targets.scores)
    table = soundtracks[["video_id", "split", "class_id"]].assign(clips=counts)
    write_table(table, targets.rows, SOUNDTRACKS)
    return soundtrack_metrics(pooled, table["class_id"], counts)


def _mapped(path: Path) -> NDArray[np.float32]:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise torn(path, ".npy file", error) from error
