"""What the configuration of a study of soundtracks says about its labelled files."""

from functools import cache
from pathlib import Path
from typing import Any

from avlib.datasets.miniature.k600 import LABEL_LIST, miniature_plan
from avlib.errors import ConfigError
from avlib.media.videos import SOUND_SUFFIXES, Video
from avlib.soundtracks.folds import ALL, fold_names
from avlib.soundtracks.labelled_files import kinetics_split, labelled_sounds
from avlib.soundtracks.labels import read_labels
from avlib.studies.k600 import K600, Sounds

OFFICIAL_VALIDATION_SHARE, MINIATURE_VALIDATION_SHARE = 0.05, 0.2


def label_tables(study: K600 | Sounds) -> list[Path]:
    """Return the files that name classes or labels, if there are any.

    Raises:
        ConfigError: if one does not exist.
    """
    key = "classes" if isinstance(study, K600) else "table"
    path: Path | None = getattr(study, key)
    if path is not None and not path.is_file():
        raise ConfigError(f"{key}: {path} is no file; correct the path in the configuration")
    return [] if path is None else [path]


def label_source(study: K600 | Sounds, folder: Path) -> dict[str, Any]:
    """Return where the labels come from, as `avlib.soundtracks.labels.read_labels` takes it.

    Args:
        study: section of the configuration.
        folder: the study's folder of results, where a miniature is rendered.

    Raises:
        ConfigError: if no folder is configured.
    """
    if isinstance(study, K600):
        share = {"validation_share": _validation_share(study)}
        if study.source == "miniature":
            root = folder / "miniature"
            return share | {"folder": str(root), "classes": str(root / LABEL_LIST)}
        classes = None if study.classes is None else str(study.classes)
        return share | {"folder": str(study.videos), "classes": classes}
    if study.folder is None:
        raise ConfigError(f"{folder.name}: set sounds.folder to a folder of labelled sounds")
    return {
        "folder": str(study.folder),
        "table": None if study.table is None else str(study.table),
    }


def _validation_share(study: K600) -> float:
    if study.validation_share is not None:
        return study.validation_share
    is_rendered = study.source == "miniature"
    return MINIATURE_VALIDATION_SHARE if is_rendered else OFFICIAL_VALIDATION_SHARE


def labelled_videos(study: K600 | Sounds, *, seed: int, folder: Path) -> list[Video]:
    """Return the files of a study with their splits; of a miniature those that will be rendered.

    Raises:
        ConfigError: if the study names no folder, or a file that does not exist.
        DataError: as `read_labels`.
    """
    if isinstance(study, K600) and study.source == "miniature":
        share = _validation_share(study)
        return [
            Video(
                video.video_id,
                kinetics_split(video.folder, video.video_id, share),
                str(folder / "miniature" / video.path),
            )
            for video in miniature_plan(**study.miniature.as_arguments(), seed=seed)
        ]
    label_tables(study)
    files = read_labels(label_source(study, folder))
    rows = zip(files["video_id"], files["split"], files["path"], strict=True)
    return [Video(*row, row[-1] if _is_sound(row[-1]) else None) for row in rows]


def _is_sound(path: str) -> bool:
    return Path(path).suffix.lower() in SOUND_SUFFIXES


@cache
def study_folds(study: K600 | Sounds) -> list[str]:
    """Return the folds of a study, or ALL alone.

    Raises:
        DataError: as `labelled_sounds`.
    """
    if isinstance(study, K600) or study.folder is None or study.table is None:
        return [ALL]
    return fold_names(labelled_sounds(study.folder, study.table))
