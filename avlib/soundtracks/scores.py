"""Scores of clips by a soundtrack network, and of whole soundtracks by their clips.

Source: the published soundtrack classification of Kinetics-600.
"""

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from avlib.errors import CheckpointError, DataError
from avlib.io.atomic import atomic_path
from avlib.io.checkpoints import fit_state_dict, load_metadata, load_state_dict
from avlib.io.tables import read_table, write_table
from avlib.prefetch import prefetched
from avlib.progress import progress
from avlib.soundtracks.clips import AudioImages, asked_starts, cut_frames
from avlib.soundtracks.fusion_metrics import Space, pool_clips, soundtrack_metrics
from avlib.soundtracks.images import CLIP_S
from avlib.soundtracks.network import (
    IMAGE_FRAMES,
    Pool,
    SoundtrackNetwork,
    infer_network,
    noted_options,
    published_name,
)
from avlib.soundtracks.score_files import save_array
from avlib.soundtracks.tables import CLIPS, SOUNDTRACKS

POOLED_AT_ONCE = 1024  # soundtracks


def load_soundtrack_network(checkpoint: Path, *, pool: Pool | None = None) -> SoundtrackNetwork:
    """Return the network of a checkpoint with its weights, in evaluation mode.

    Args:
        checkpoint: weights under the published names, of any of the networks and sizes.
        pool: as in `ResNet`; None takes what the file notes, else what was published.

    Raises:
        CheckpointError: if the file cannot be read, or is of no such network.
    """
    state, options = load_state_dict(checkpoint), noted_options(load_metadata(checkpoint))
    if pool is not None:
        options["pool"] = pool
    try:
        network = infer_network(state, **options)
    except KeyError as error:
        raise CheckpointError(f"{checkpoint}: no soundtrack network, it lacks {error}") from error
    fit_state_dict(network, state, checkpoint, names=published_name)
    return network.eval()


class Asked(NamedTuple):
    """What a network is asked about, as `asked_starts` takes it; the clips alone, as published."""

    drops_silence: bool = False
    half_steps: bool = False


def noted_questions(checkpoint: Path) -> Asked:
    """Return what a network is to be asked about, after the recipe that it was trained by."""
    noted = load_metadata(checkpoint)
    return Asked(*(noted.get(name) == "True" for name in Asked._fields))


def number_of_classes(network: SoundtrackNetwork) -> int:
    """Return how many classes a network tells apart."""
    return network.get_parameter(f"{network.classifier_name}bias").numel()


def score_clips(
    network: SoundtrackNetwork,
    images: AudioImages,
    soundtracks: pd.DataFrame,
    *,
    asked: Asked,
    batch_size: int,
    scores_target: Path,
    index_target: Path,
) -> None:
    """Write the logits of every clip that is asked about, and a table that names the rows.

    Args:
        network: on the device that is to be used, in evaluation mode.
        images: audio images of the videos; a soundtrack without any has no row.
        soundtracks: columns video_id and class_id, one row a soundtrack.
        asked: which clips.
        batch_size: clips at once.
        scores_target: `.npy` file, float32 (clips, K).
        index_target: table of kind CLIPS.
    """
    starts = {
        video_id: asked_starts(images[video_id], **asked._asdict())
        for video_id in soundtracks["video_id"]
        if video_id in images
    }
    shape = (sum(map(len, starts.values())), number_of_classes(network))
    with atomic_path(scores_target) as partial, partial.open("wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        batches = prefetched(_image_batches(images, starts, batch_size))
        total = -(-shape[0] // batch_size)
        for batch in progress(batches, "scoring clips", "batches", total=total):
            file.write(_logits(network, batch).tobytes())
    class_ids = soundtracks.set_index("video_id")["class_id"].reindex(list(starts)).to_numpy()
    write_table(_clip_index(starts, class_ids), index_target, CLIPS)


def _clip_index(
    starts: Mapping[str, NDArray[np.int64]], class_ids: NDArray[np.int64]
) -> pd.DataFrame:
    counts = [len(frames) for frames in starts.values()]
    clip = np.concatenate([np.empty(0, dtype=np.int64), *starts.values()]) / IMAGE_FRAMES
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
    """Yield what begins at the frames of all videos in order: (at most B, N_MELS, IMAGE_FRAMES)."""
    cuts = (cut_frames(images[v], int(start)) for v, frames in starts.items() for start in frames)
    while batch := list(islice(cuts, batch_size)):
        yield np.stack(batch)


@torch.inference_mode()
def _logits(network: SoundtrackNetwork, images: NDArray[np.float32]) -> NDArray[np.float32]:
    parameter = next(network.parameters())
    logits = network(torch.from_numpy(images).to(parameter.device, parameter.dtype))
    return np.asarray(logits.float().cpu().numpy(), dtype="<f4")


def pool_soundtracks(
    *,
    clip_scores: Path,
    clip_index: Path,
    soundtracks: pd.DataFrame,
    space: Space,
    scores_target: Path,
    table_target: Path,
) -> dict[str, Any]:
    """Write the scores of whole soundtracks, and a table that names the rows.

    Args:
        clip_scores: `.npy` file from `score_clips`.
        clip_index: its table.
        soundtracks: columns video_id, split and class_id, one row a soundtrack; one without a
            clip has scores of 0.
        space: what is averaged; the logits, as published.
        scores_target: `.npy` file, float64 (N, K).
        table_target: table of kind SOUNDTRACKS.

    Returns:
        What `soundtrack_metrics` does.

    Raises:
        DataError: if scores, table and soundtracks do not go together.
    """
    logits = np.load(clip_scores, mmap_mode="r", allow_pickle=False)
    index = read_table(clip_index, CLIPS)
    by_video = index.groupby("video_id", sort=False).size()
    counts = by_video.reindex(soundtracks["video_id"], fill_value=0).to_numpy()
    scored = soundtracks["video_id"][counts > 0].tolist()
    if len(logits) != len(index) or scored != by_video.index.tolist():
        raise DataError(
            f"{clip_scores}: {len(logits)} rows, {clip_index}: {len(index)} clips of "
            f"{len(by_video)} soundtracks, {len(scored)} of them asked for; score the clips anew"
        )
    pooled = np.zeros((len(counts), logits.shape[1]))
    ends = np.cumsum(counts)
    for first in range(0, len(counts), POOLED_AT_ONCE):
        part = slice(first, first + POOLED_AT_ONCE)
        rows = slice(int(ends[first] - counts[first]), int(ends[part][-1]))
        pooled[part] = pool_clips(logits[rows], counts[part], space=space)
    save_array(pooled, scores_target)
    table = soundtracks[["video_id", "split", "class_id"]].assign(clips=counts)
    write_table(table, table_target, SOUNDTRACKS)
    return soundtrack_metrics(pooled, table["class_id"], counts)
