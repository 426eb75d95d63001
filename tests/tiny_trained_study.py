"""Results of a study with small networks of random weights, as its workflow leaves them."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import torch

from avlib.extractors.auditory_slowfast.network import AuditorySlowFast
from avlib.extractors.omnivore.network import Omnivore
from avlib.extractors.omnivore.sizes import TrunkSizes
from avlib.extractors.omnivore.weights import ClipSize, save_omnivore
from avlib.io.hashes import weights_hash
from avlib.io.tables import write_table
from avlib.predict.description import FILE, describe_study
from avlib.tim.checkpoint import new_tim
from avlib.tim.queries import join_queries, queries_of_events, queries_of_segments
from avlib.tim.recipes import MODELS, TIM_RECIPES, TimRecipe
from avlib.tim.tables import QUERIES
from avlib.tim.weights import save_model

CLASSES = ["bell", "dog", "background"]
COMMON = {"seed": 0, "dtype": "float32", "device": "cpu", "allow_tf32": False}
ASF = COMMON | {"preset": "ave", "specaug": "reference", "mel_on_device": False}
OMNIVORE = COMMON | {"frames": "decoded", "first_frame": "consistent"}
LENGTHS = (1.5, 3.0)  # seconds of the events


class Features(NamedTuple):
    """An extractor: name, settings, channels, and what writes its weights; None: random ones."""

    extractor: str
    settings: dict
    width: int
    write: Callable[[Path], Path] | None


class Networks(NamedTuple):
    """The networks of a study, the recipe of TIM, and the rule of the intervals."""

    visual: Features
    audio: Features
    recipe: TimRecipe
    intervals: dict


def write_asf(folder):
    torch.manual_seed(0)
    network = AuditorySlowFast(num_classes=(3,), width=8)
    torch.save({"model_state": network.state_dict()}, folder / "asf.pyth")
    return folder / "asf.pyth"


def write_omnivore(folder, sizes, clip):
    torch.manual_seed(0)
    save_omnivore(folder / "model.safetensors", Omnivore(sizes, num_classes=[3]), clip, {})
    return folder / "model.safetensors"


def with_omnivore(sizes, clip, recipe):
    """Return an Omnivore of some size and what goes with it."""
    write = partial(write_omnivore, sizes=sizes, clip=clip)
    return Networks(
        Features("omnivore", OMNIVORE, sizes.channels, write),
        Features("asf", ASF, 288, write_asf),
        recipe,
        {"interval_s": 1.1, "hop_s": 0.2, "seconds": None},
    )


TINY = with_omnivore(
    TrunkSizes(width=8, depths=(1, 1), heads=(1, 2), window=(1, 4, 4)),
    ClipSize(2, 16),
    replace(TIM_RECIPES["small"], d_model=16, nhead=2, num_layers=1),
)


def write_features(folder, features):
    """Write the weights of an extractor, and the summary of its features."""
    found = {"path": "", "sha256": None}
    if features.write:
        of_weights = folder / "model" / features.extractor
        of_weights.mkdir(parents=True)
        weights = features.write(of_weights)
        found = {"path": str(weights), "sha256": weights_hash(weights)}
    summary = {
        "extraction": {
            "settings": features.settings,
            "views": {"train": 2, "val": 1, "test": 1},
        },
        "inputs": {"weights": found},
    }
    path = folder / "features" / features.extractor / "summary.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(summary))


def write_tim(path, name, networks):
    """Write a model of a name."""
    features, labels = MODELS[name]
    recipe = networks.recipe
    sees, hears = (features in ("audio_visual", m) for m in ("visual", "audio"))
    arguments = {
        **{n: getattr(recipe, n) for n in ("d_model", "feedforward_scale", "nhead", "num_layers")},
        "num_feats": recipe.num_feats,
        "model_modality": features,
        "data_modality": labels,
        "apply_feature_pooling": False,
        "visual_input_dim": networks.visual.width if sees else 0,
        "audio_input_dim": networks.audio.width if hears else 0,
        "visual_classes": (len(CLASSES),) if labels != "audio" else (),
        "audio_classes": len(CLASSES) if labels != "visual" else 0,
    }
    model = new_tim(3, **arguments)
    path.parent.mkdir(parents=True)
    save_model(
        path,
        model.state_dict(),
        recipe.of_model(name),
        arguments,
        {"action": CLASSES, "audio": CLASSES},
    )


def segments():
    """Ten labelled seconds of a training video."""
    columns = {
        "event_id": [f"e{s}" for s in range(10)],
        "video_id": "v0",
        "split": "train",
        "start_s": [float(s) for s in range(10)],
        "stop_s": [s + 1.0 for s in range(10)],
        "class_id": 0,
    }
    return pd.DataFrame(columns)


def events():
    """Labelled events of some lengths."""
    columns = {
        "event_id": ["e0", "e1"],
        "video_id": "v0",
        "split": "train",
        "start_s": 0.5,
        "stop_s": [0.5 + length for length in LENGTHS],
        "class_id": 0,
        "action_class": 0,
    }
    return pd.DataFrame(columns)


def write_trained_study(
    folder: Path, models=("audio_visual", "audio", "visual"), by_second=True, networks=TINY
):
    """Write the results of a study; return their folder."""
    for features in (networks.visual, networks.audio):
        write_features(folder, features)
    (folder / "classes.json").write_text(json.dumps({"class_id": CLASSES}))
    parts = queries_of_segments(segments())
    if not by_second:
        parts = [queries_of_events(events(), m) for m in ("visual", "audio")]
        parts[1]["annotation_id"] += "s"
    queries = folder / "tim/queries.parquet"
    write_table(join_queries(parts), queries, QUERIES)
    weights = {m: folder / f"model/tim/{m}/model.safetensors" for m in models}
    for model, path in weights.items():
        write_tim(path, model, networks)
    settings = {
        "study": "own",
        "section": "custom",
        "sound": {"sample_rate": 16_000, "resampler": "ffmpeg", "channels": "mono", "bits": 16},
        "intervals": networks.intervals,
        "extractors": {"visual": [networks.visual.extractor], "audio": [networks.audio.extractor]},
        "by_interval": True,
        "pack_rates": {networks.audio.extractor: 16_000},
        "recipe": networks.recipe.name,
        "device": "cpu",
        "mixed_precision": False,
        "allow_fewer_views": False,
        "weighs_models": False,
    }
    describe_study(settings=settings, models=weights, queries=queries, target=folder / FILE)
    return folder
