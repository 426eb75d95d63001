"""The files of a configured study of LLP, and whether they can be used, before any work."""

from collections.abc import Mapping
from pathlib import Path

from avlib.config.llp import Llp
from avlib.datasets.feature_folders import FeatureFolder
from avlib.datasets.llp import LABEL_FILES, read_dense, read_splits
from avlib.datasets.llp_check import check_labels
from avlib.datasets.miniature.llp import miniature_plan
from avlib.datasets.pseudo_labels import read_pseudo_labels
from avlib.errors import ConfigError
from avlib.io.atomic import write_json
from avlib.media.videos import Video, named_videos

SPLITS = ("train", "val", "test")
DENSE = ("audio", "visual")


def label_files(study: Llp, folder: Path) -> dict[str, Path]:
    """Return the label files by name: train, val, test, audio and visual.

    Args:
        study: section of the configuration.
        folder: the study's folder of results, where a miniature is rendered.

    Raises:
        ConfigError: if one does not exist.
    """
    root = folder / "miniature" if study.labels is None else study.labels
    files = {name: root / LABEL_FILES[name] for name in (*SPLITS, *DENSE)}
    if study.labels is not None:
        for path in files.values():
            if not path.is_file():
                raise ConfigError(f"llp.labels: {path} is no file; docs/llp.md says where it is")
    return files


def llp_videos(study: Llp, *, seed: int, folder: Path) -> list[Video]:
    """Return the videos of a study with their splits; of a miniature those that will be rendered.

    Raises:
        ConfigError: if no folder of videos is given.
        DataError: as `read_splits`.
    """
    if study.source == "miniature":
        plan = miniature_plan(**study.miniature.as_arguments(), seed=seed)
        return sorted(Video(v.video_id, v.split, str(folder / "miniature" / v.path)) for v in plan)
    if study.videos is None:
        raise ConfigError("llp.videos: name the folder of the videos, or give all llp.features")
    files = label_files(study, folder)
    splits = read_splits({split: files[split] for split in SPLITS})
    return named_videos(
        study.videos, [(v.video_id, split) for split, videos in splits.items() for v in videos]
    )


def check_study(
    labels: Mapping[str, Path],
    *,
    features: Mapping[str, Path],
    pseudo_labels: Mapping[str, Path],
    target: Path,
) -> None:
    """Write what the labels have and where they disagree, if all given files can be used.

    Args:
        labels: label files by name, as `label_files` returns them.
        features: given folders of features by kind.
        pseudo_labels: given folders of pseudo labels by modality; those of split train are asked.
        target: JSON file to write.

    Raises:
        DataError: naming the file and the row or what is expected, if labels cannot be read, or a
            given folder lacks videos or holds arrays of another shape.
    """
    splits = read_splits({split: labels[split] for split in SPLITS})
    dense = {modality: read_dense(labels[modality]) for modality in DENSE}
    video_ids = {split: [v.video_id for v in videos] for split, videos in splits.items()}
    for kind, folder in features.items():
        FeatureFolder(folder, kind, [video_id for ids in video_ids.values() for video_id in ids])
    for folder in pseudo_labels.values():
        read_pseudo_labels(folder, video_ids["train"])
    found = check_labels({split: splits[split] for split in ("val", "test")}, dense)
    write_json(target, found | {"train": {"videos": len(splits["train"])}})
