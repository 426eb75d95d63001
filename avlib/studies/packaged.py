"""The networks of sound and picture whose weights come as packages."""

from pathlib import Path

from avlib.extractors.registry import EXTRACTORS
from avlib.packages import WEIGHTS
from avlib.studies.feature_study import Checkpoints

PACKAGED_NETWORKS = ("efficientnet_lite0", "yamnet")  # their features are of whole seconds
PACKAGED_FILES = [WEIGHTS / str(EXTRACTORS[name].package) for name in PACKAGED_NETWORKS]


def are_meant(checkpoints: Checkpoints) -> bool:
    """Say whether they make the features by default: installed, or one is given; no others are."""
    given = {name for name, value in checkpoints if value is not None and name != "tim"}
    if given - set(PACKAGED_NETWORKS):
        return False
    return bool(given) or all(path.is_file() for path in PACKAGED_FILES)


def have_weights(checkpoints: Checkpoints) -> bool:
    """Say whether both have weights, given or installed ones, and not random ones."""
    values = [getattr(checkpoints, name) for name in PACKAGED_NETWORKS]
    return all(
        path.is_file() if value is None else isinstance(value, Path)
        for value, path in zip(values, PACKAGED_FILES, strict=True)
    )
