"""The files of a configured study of LLP."""

from pathlib import Path

from avlib.datasets.llp import DENSE, LABEL_FILES, read_splits
from avlib.datasets.miniature.llp import miniature_plan
from avlib.datasets.splits import SPLITS
from avlib.errors import ConfigError
from avlib.media.videos import Video, named_videos
from avlib.studies.llp import Llp


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
