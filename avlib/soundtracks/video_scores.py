"""Stage score_videos: visual scores of whole videos, by an Omnivore trained on the study.

The score of a class is its log-probability, so that scores do not depend on the level of the
logits; the softmax of the scores are the probabilities, which are means over parts of a video, as
in the validation of the training.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from avlib.datasets.tables import EVENTS
from avlib.device import resolve_device
from avlib.errors import CheckpointError, DataError
from avlib.evaluation.class_names import check_classifier, read_classes
from avlib.extractors.omnivore.network import Omnivore, infer_sizes
from avlib.extractors.omnivore.recipes import OMNIVORE_RECIPES, OmnivoreRecipe
from avlib.extractors.omnivore.task import VisualEvents
from avlib.extractors.omnivore.weights import NOT_OF_THE_TRUNK, ClipSize, clip_size
from avlib.io.checkpoints import fit_state_dict, read_weights
from avlib.io.packs import FrameStore
from avlib.io.tables import read_table, write_table
from avlib.io.weights import lost_settings
from avlib.prefetch import prefetched
from avlib.progress import progress
from avlib.soundtracks.folds import SCORED_SPLITS
from avlib.soundtracks.score_files import ScoreFiles, save_array
from avlib.soundtracks.tables import SCORED_VIDEOS

logger = logging.getLogger(__name__)


def score_videos(
    *,
    events: Path,
    classes: Path,
    packs: Sequence[Path],
    rate_fps: int,
    weights: Path,
    device: str,
    targets: ScoreFiles,
) -> None:
    """Write the log-probabilities of the videos of splits `val` and `test`.

    Args:
        events: table of kind EVENTS, one event a video; a video without frames is left out.
        classes: JSON with the names of the classes, as `class_id`.
        packs: frames of the videos.
        rate_fps: frames a second of the packs.
        weights: from `train_visual`; their settings name the recipe, whose views and batches are
            used.
        device: cpu, cuda, or auto for cuda where there is one.
        targets: files to write: scores float64 (N, K), rows of kind SCORED_VIDEOS.

    Raises:
        CheckpointError: if the weights are of another network or for other classes.
        DataError: if a video has two events, or none of split `test` has frames.
    """
    torch.set_num_threads(1)  # another number gives other last bits
    cv2.setNumThreads(1)
    rows = _scored(events)
    network, clip, recipe = load_trained_omnivore(weights)
    check_classifier(weights, network.head.out_features, read_classes(classes))
    with FrameStore(packs, rate_fps=rate_fps) as frames:
        clips = _clips(rows, frames, clip, recipe)
        table = rows.set_index("video_id").loc[clips.video_ids].reset_index()
        if not (table["split"] == "test").any():
            raise DataError(f"{events}: no video of split test has frames in the packs")
        _log_left_out(rows["video_id"].tolist(), clips)
        scores = _log_probs(network.to(resolve_device(device)), clips, recipe)
    save_array(scores, targets.scores)
    write_table(table[["video_id", "split", "class_id"]], targets.rows, SCORED_VIDEOS)


def _scored(events: Path) -> pd.DataFrame:
    """Return the events of the splits that are scored."""
    rows = read_table(events, EVENTS)
    rows = rows[rows["split"].isin(SCORED_SPLITS)]
    twice = rows["video_id"][rows["video_id"].duplicated()]
    if len(twice):
        raise DataError(f"{events}: {twice.iloc[0]} has two events; a scored video has one label")
    return rows


def _clips(
    events: pd.DataFrame, frames: FrameStore, size: ClipSize, recipe: OmnivoreRecipe
) -> VisualEvents:
    return VisualEvents(
        events,
        frames,
        heads=("class_id",),
        clip_s=recipe.clip_s,
        num_frames=size.num_frames,
        crop=size.crop,
        augmentation=recipe.augmentation,
    )


def load_trained_omnivore(path: Path) -> tuple[Omnivore, ClipSize, OmnivoreRecipe]:
    """Return a network with its classifier, the size of its input clips, and its recipe.

    Raises:
        CheckpointError: if the file cannot be read, or is not from `train_visual`.
    """
    stored = read_weights(path)
    state, name = stored.state, stored.settings.get("recipe")
    try:
        trunk = {n: v for n, v in state.items() if not n.startswith(NOT_OF_THE_TRUNK)}
        sizes = infer_sizes(trunk)
        network = Omnivore(sizes, num_classes=[len(state["head.weight"])])
    except (KeyError, ValueError, IndexError) as error:
        raise CheckpointError(f"{path}: no Omnivore trained here ({error})") from error
    if name is None:
        raise lost_settings(path, "its `recipe`")
    if name not in OMNIVORE_RECIPES:
        raise CheckpointError(f"{path}: its recipe {name!r} is not known; train it again")
    recipe, clip = OMNIVORE_RECIPES[name], clip_size(stored.settings, sizes, path)
    fit_state_dict(network, state, path, names=lambda name: name.removeprefix("trunk."))
    return network.eval(), clip, recipe


def _log_left_out(video_ids: Sequence[str], clips: VisualEvents) -> None:
    lacking = sorted(set(video_ids) - set(clips.video_ids))
    if lacking:
        logger.warning(
            "%d videos have no frames and no scores, %s the first", len(lacking), lacking[0]
        )


@torch.inference_mode()
def _log_probs(
    network: Omnivore, clips: VisualEvents, recipe: OmnivoreRecipe
) -> NDArray[np.float64]:
    """Return the logarithm of the mean probabilities over the views: (N, K)."""
    totals = np.full((len(clips), network.head.out_features), -np.inf)
    n_views = np.zeros((len(clips), 1))
    parameter = next(network.parameters())
    batches = prefetched(clips.view_batches(recipe.views, recipe.batch_size))
    n_clips = sum(len(clips.view_offsets(i, recipe.views)) for i in range(len(clips)))
    for indices, inputs in progress(
        batches, "scoring videos", "batches", total=-(-n_clips // recipe.batch_size)
    ):
        logits = network(inputs.to(parameter.device)).double().cpu()
        np.logaddexp.at(totals, indices, logits.log_softmax(dim=1).numpy())
        np.add.at(n_views, indices, 1)
    return np.asarray(totals - np.log(n_views))
