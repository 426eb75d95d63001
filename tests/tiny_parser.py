"""A training of a second on drawn features, also run as a process of its own."""

import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from avlib.seeds import generator
from avlib.valor.feature_folders import FEATURE_KINDS, FeatureFolder
from avlib.valor.recipes import FEATURE_MODALITIES, PARSER_RECIPES
from avlib.valor.training import ParserOutputs, fit_parser
from avlib.valor.videos import ParserVideos

CLASSES = 4
WIDTHS = {"audio": 6, "visual": 8, "motion": 5}


def tiny(name="valor", **changes):
    """Return a recipe for a small network and few epochs."""
    small = {"hidden_dim": 16, "ff_dim": 16, "epochs": 4, "batch_size": 5, "warm_up_epochs": 2}
    recipe = PARSER_RECIPES[name]
    return replace(recipe, nhead=min(recipe.nhead, 2), lr=3e-3, **(small | changes))


def write_features(folder, recipe, video_ids, labels):
    """Write features in which each class of a video shows in its own column, with noise."""
    for modality in FEATURE_MODALITIES:
        kind = FEATURE_KINDS[getattr(recipe, modality)]
        (folder / kind.folder).mkdir(parents=True, exist_ok=True)
        for video_id, classes in zip(video_ids, labels, strict=True):
            path = folder / kind.folder / f"{video_id}.npy"
            if path.exists():  # a state is resumed only with files that have not changed
                continue
            rng = generator(0, modality, video_id)
            x = 0.3 * rng.standard_normal((kind.rows, WIDTHS[modality]), dtype=np.float32)
            x[:, :CLASSES] += 2 * classes
            np.save(path, x)


def make_videos(folder, recipe, split="train", n_videos=12, has_segment_labels=True):
    """Write the features of a split; return its videos."""
    video_ids = [f"-{split}_{i:05}" for i in range(n_videos)]
    labels = np.eye(CLASSES, dtype=np.uint8)[np.arange(n_videos) % CLASSES]
    write_features(folder, recipe, video_ids, labels)
    features = {
        m: FeatureFolder(folder / FEATURE_KINDS[k].folder, k, video_ids)
        for m, k in ((m, getattr(recipe, m)) for m in FEATURE_MODALITIES)
    }
    segments = np.repeat(labels[:, None], 10, axis=1)
    of_teachers = {"audio": segments, "visual": segments} if has_segment_labels else None
    return ParserVideos(features, labels, of_teachers)


def hits(global_prob, frame_prob):
    """Return how often the most probable class of each video is its class."""
    truth = np.arange(len(global_prob)) % CLASSES
    share = float((global_prob.argmax(axis=1) == truth).mean())
    return 100 * share, {"Seg-type": 100 * share, "segments": frame_prob.shape[1]}


def run_training(folder, videos=None, recipe=None, criterion=hits, keeps_all=False):
    """Train in `folder`; return the output files."""
    torch.set_num_threads(1)
    recipe = recipe or tiny()
    if videos is None:
        splits = (("train", 12), ("val", 6))
        videos = [make_videos(folder / "data", recipe, name, n) for name, n in splits]
    outputs = {
        "best": folder / "model" / "checkpoint_best.pt",
        "last": folder / "model" / "checkpoint_last.pt",
        "log": folder / "log.jsonl",
        "metrics": folder / "metrics.json",
    }
    epochs = folder / "model" if keeps_all else None
    fit_parser(
        *videos,
        recipe=recipe,
        criterion=criterion,
        criterion_key=b"",
        device=torch.device("cpu"),
        outputs=ParserOutputs(folder / "state", **outputs, epochs_folder=epochs),
    )
    return outputs


def slow_hits(global_prob, frame_prob):
    """Leave time to be killed."""
    time.sleep(0.5)
    return hits(global_prob, frame_prob)


if __name__ == "__main__":
    target = Path(sys.argv[1])
    given = [make_videos(target / "data", tiny(), n, c) for n, c in (("train", 12), ("val", 6))]
    run_training(target, given, criterion=slow_hits)
