"""Stage score_pictures: scores of whole videos by their pictures, by a network trained here.

The score of a class is the logarithm of its probability: that is how sure the network is whatever
the level of its logits, and the soft-max of the scores gives the probabilities back, which are
means over parts of a video as in the validation of the training.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from avlib.datasets.tables import EVENTS
from avlib.device import resolve_device
from avlib.errors import CheckpointError, DataError
from avlib.evaluation.class_names import check_classifier, read_classes
from avlib.extractors.omnivore.network import Omnivore, infer_sizes, published_name
from avlib.extractors.omnivore.recipes import OMNIVORE_RECIPES, OmnivoreRecipe
from avlib.extractors.omnivore.task import VisualEvents
from avlib.extractors.omnivore.weights import NOT_OF_THE_TRUNK, ClipSize
from avlib.io.checkpoints import fit_state_dict, load_metadata, load_state_dict
from avlib.io.packs import FrameStore
from avlib.io.tables import read_table, write_table
from avlib.prefetch import prefetched
from avlib.progress import progress
from avlib.soundtracks.folds import HELD_OUT
from avlib.soundtracks.score_files import save_array
from avlib.soundtracks.tables import SCORED_VIDEOS

logger = logging.getLogger(__name__)


def score_pictures(
    *,
    events: Path,
    classes: Path,
    packs: Sequence[Path],
    rate_fps: int,
    weights: Path,
    device: str,
    scores_target: Path,
    table_target: Path,
) -> None:
    """Write the logarithms of the probabilities of the videos of splits `val` and `test`.

    Args:
        events: table of kind EVENTS, one event a video; a video without pictures is left out.
        classes: JSON with the names of the classes, as `class_id`.
        packs: frames of the videos.
        rate_fps: frames a second of the packs.
        weights: from `train_visual`, which note the recipe whose views and batches are used.
        device: cpu, cuda, or auto for cuda where there is one.
        scores_target: `.npy` file, float64 (N, K).
        table_target: table of kind SCORED_VIDEOS.

    Raises:
        CheckpointError: if the weights are of another network or for other classes.
        DataError: if a video has two events, or none of split `test` has pictures.
    """
    torch.set_num_threads(1)  # another number gives other last bits
    cv2.setNumThreads(1)
    rows = read_table(events, EVENTS)
    rows = rows[rows["split"].isin(HELD_OUT)]
    twice = rows["video_id"][rows["video_id"].duplicated()]
    if len(twice):
        raise DataError(f"{events}: {twice.iloc[0]} has two events; a scored video has one label")
    network, clip, recipe = load_picture_network(weights)
    check_classifier(weights, network.head.out_features, read_classes(classes))
    with FrameStore(packs, rate_fps=rate_fps) as frames:
        clips = VisualEvents(
            rows,
            frames,
            heads=("class_id",),
            clip_s=recipe.clip_s,
            num_frames=clip.num_frames,
            crop=clip.crop,
            augmentation=recipe.augmentation,
        )
        table = rows.set_index("video_id").loc[clips.video_ids].reset_index()
        if not (table["split"] == "test").any():
            raise DataError(f"{events}: no video of split test has pictures in the packs")
        _name_left_out(rows["video_id"].tolist(), clips)
        scores = _log_probs(network.to(resolve_device(device)), clips, recipe)
    save_array(scores, scores_target)
    write_table(table[["video_id", "split", "class_id"]], table_target, SCORED_VIDEOS)


def load_picture_network(path: Path) -> tuple[Omnivore, ClipSize, OmnivoreRecipe]:
    """Return a network with its classifier, what it sees of a video, and its recipe.

    Raises:
        CheckpointError: if the file cannot be read, or is not from `train_visual`.
    """
    state, noted = load_state_dict(path), load_metadata(path)
    recipe = OMNIVORE_RECIPES.get(noted.get("recipe", ""))
    try:
        trunk = {name: v for name, v in state.items() if not name.startswith(NOT_OF_THE_TRUNK)}
        network = Omnivore(infer_sizes(trunk), num_classes=len(state["head.weight"]))
        clip = ClipSize(int(noted["num_frames"]), int(noted["crop"]))
    except (KeyError, ValueError, IndexError) as error:
        raise CheckpointError(f"{path}: no Omnivore trained here ({error})") from error
    if recipe is None:
        raise CheckpointError(
            f"{path}: its recipe {noted.get('recipe')!r} is not known; train it again"
        )
    fit_state_dict(network, state, path, names=_file_name)
    return network.eval(), clip, recipe


def _file_name(name: str) -> str:
    return published_name(name.removeprefix("trunk."))


def _name_left_out(video_ids: Sequence[str], clips: VisualEvents) -> None:
    lacking = sorted(set(video_ids) - set(clips.video_ids))
    if lacking:
        logger.warning(
            "%d videos have no pictures and no scores, %s the first", len(lacking), lacking[0]
        )


@torch.inference_mode()
def _log_probs(
    network: Omnivore, clips: VisualEvents, recipe: OmnivoreRecipe
) -> NDArray[np.float64]:
    """Return the logarithms of the mean probabilities over the views: (N, K)."""
    totals = np.full((len(clips), network.head.out_features), -np.inf)
    n_views = np.zeros((len(clips), 1))
    parameter = next(network.parameters())
    batches = prefetched(clips.view_batches(recipe.views, recipe.batch_size))
    n_clips = sum(len(clips.view_offsets(i, recipe.views)) for i in range(len(clips)))
    for indices, inputs in progress(
        batches, "scoring pictures", "batches", total=-(-n_clips // recipe.batch_size)
    ):
        logits = network(inputs.to(parameter.device)).double().cpu()
        np.logaddexp.at(totals, indices, logits.log_softmax(dim=1).numpy())
        np.add.at(n_views, indices, 1)
    return np.asarray(totals - np.log(n_views))
