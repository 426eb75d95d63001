"""What the metrics files of all studies of TIM share: their inputs, videos left out, and notes."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avlib.evaluation.metrics_file import (
    Provenance,
    origin_notes,
    videos_left_out,
    weights_entries,
    weights_entry,
)
from avlib.extractors.tables import FEATURES
from avlib.io.tables import read_table
from avlib.media.manifest import count_statuses
from avlib.media.tables import MANIFEST
from avlib.origins import Origin

TITLES = {
    "asf": "Auditory SlowFast",
    "omnivore": "Omnivore",
    "videomae": "VideoMAE",
    "vgg19": "VGG-19",
    "vggish": "VGGish",
    "yamnet": "YAMNet",
    "efficientnet_lite0": "EfficientNet-Lite0",
    "sound_statistics": "Sound statistics",
    "picture_statistics": "Picture statistics",
    "tim": "TIM",
}
TRAINED_TIM = "TIM was trained here on the study's train split, as in the paper."


@dataclass(frozen=True, kw_only=True)
class EvaluatedFiles:
    """What is evaluated.

    Attributes:
        predictions: table of kind PREDICTIONS, of the split that is evaluated.
        queries: table of kind QUERIES.
        classes: JSON with the names of the classes.
        manifest: table of kind MANIFEST; None where features came without videos.
        features: tables of kind FEATURES by the networks that made them.
    """

    predictions: Path
    queries: Path
    classes: Path
    manifest: Path | None
    features: Mapping[str, Path]

    def inputs(self, others: Mapping[str, Path]) -> dict[str, Path]:
        """Return the files whose hashes a metrics file has, by name, with `others`."""
        named = {name: getattr(self, name) for name in ("predictions", "queries", "classes")}
        manifest = {} if self.manifest is None else {"manifest": self.manifest}
        return named | dict(others) | manifest

    def video_counts(self, split: str) -> dict[str, Any]:
        """Return how many videos have which status, and which are left out, by what and why.

        A video with status ok in the manifest may still have no features: an audio stream is
        enough for the manifest, but not for a visual network.
        """
        indices = {name: read_table(path, FEATURES) for name, path in self.features.items()}
        counts: dict[str, Any] = {
            "features": {name: count_statuses(rows) for name, rows in indices.items()}
        }
        found = {TITLES.get(name, name): rows for name, rows in indices.items()}
        if self.manifest is not None:
            rows = read_table(self.manifest, MANIFEST)
            counts["videos"] = count_statuses(rows)
            counts[f"{split}_videos"] = count_statuses(rows[rows["split"] == split])
            found = {"probe": rows, **found}
        return counts | {"videos_left_out": videos_left_out(found) if found else []}


def model_entries(models: Mapping[str, Path], provenance: Provenance) -> dict[str, Any]:
    """Return how the weights of TIM and of the networks before it were made, and their hashes.

    Args:
        models: weights of TIM by model.
        provenance: its models are the networks that made the features.
    """
    origins = provenance.origins
    return {
        "tim": {m: weights_entry(path, origins["tim"]) for m, path in models.items()},
        **weights_entries(provenance.models, origins),
    }


def weights_notes(origins: Mapping[str, Origin]) -> list[str]:
    """Return what a reader must know of the weights before comparing numbers with others."""
    notes = origin_notes(origins, TITLES)
    if origins["tim"] == "trained":
        notes["tim"] = TRAINED_TIM
    return list(notes.values())
