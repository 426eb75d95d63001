"""The videos and annotation files of a configured study, whatever their dataset."""

from collections.abc import Iterable
from pathlib import Path

from avlib.datasets.events import read_events
from avlib.datasets.miniature.ave import LIST_FILES, miniature_plan
from avlib.errors import ConfigError
from avlib.media.videos import Video, folder_videos, is_hdf5, named_videos, sound_files
from avlib.studies import AnyStudy
from avlib.studies.ave import Ave
from avlib.studies.custom import Custom
from avlib.studies.k600 import K600, Sounds
from avlib.studies.k600_labelled_study import labelled_videos
from avlib.studies.llp import Llp
from avlib.studies.llp_llp_study import llp_videos


def is_rendered(study: AnyStudy) -> bool:
    """Say whether the workflow renders the videos itself."""
    return isinstance(study, Ave | K600 | Llp) and study.source == "miniature"


def annotation_files(study: Ave | Custom, folder: Path) -> dict[str, Path]:
    """Return the annotation files by name: `annotations`, and `train`, `val`, `test`.

    Args:
        study: section of the configuration.
        folder: the study's folder of results, where a miniature is rendered.

    Raises:
        ConfigError: if a file that the study needs is not configured or does not exist.
    """
    if is_rendered(study):
        miniature = folder / "miniature"
        lists = {split: miniature / name for split, name in LIST_FILES.items()}
        return {"annotations": miniature / "Annotations.txt", **lists}
    files = {"annotations": study.annotations, **dict(study.splits)}
    given = {name: path for name, path in files.items() if path is not None}
    if isinstance(study, Ave) and not ("annotations" in given and len(given) > 1):
        raise ConfigError("ave: source official needs annotations and at least one of splits")
    for name, path in given.items():
        if not path.is_file():
            raise ConfigError(f"{name}: {path} is no file; correct the path in the configuration")
    return given


def study_videos(study: AnyStudy, *, seed: int, folder: Path) -> list[Video]:
    """Return the videos of a study, each with its split, its file and what stands in for sound.

    Raises:
        ConfigError: if the study names neither videos nor sound, or what it names is missing.
        DataError: if an annotation file is wrong.
    """
    if isinstance(study, K600 | Sounds):
        return labelled_videos(study, seed=seed, folder=folder)
    if isinstance(study, Llp):
        return llp_videos(study, seed=seed, folder=folder)
    if isinstance(study, Ave) and study.source == "miniature":
        plan = miniature_plan(**study.miniature.as_arguments(), seed=seed)
        rendered = folder / "miniature" / "AVE"
        return [Video(v.video_id, v.split, f"{rendered}/{v.video_id}.mp4") for v in plan]
    if study.videos is None and study.sound is None:
        raise ConfigError(f"{folder.name}: set videos to a folder, or sound to an HDF5 or wav one")
    splits = _annotated_splits(study, folder)
    sounds = sound_files(study.sound) if study.sound else None
    if study.videos is None:
        return _sound_only(sounds or {}, splits, study)
    if splits is None:
        videos = folder_videos(study.videos, _split_of_unlabelled(study))
    else:
        videos = named_videos(study.videos, splits)
    if sounds is None:
        return videos
    return [
        Video(v.video_id, v.split, v.path, sounds.get(v.video_id, _expected(study.sound, v)))
        for v in videos
    ]


def _expected(source: Path | None, video: Video) -> str:
    """Return where the sound of a video should be, for the manifest to say so."""
    return str(source) if is_hdf5(str(source)) else f"{source}/{video.video_id}.wav"


def _annotated_splits(study: Ave | Custom, folder: Path) -> Iterable[tuple[str, str]] | None:
    """Return each (video_id, split) of the annotations, None without annotations."""
    if isinstance(study, Custom) and not study.has_annotations:
        return None
    dataset = study.annotation_format if isinstance(study, Custom) else "ave"
    return read_events(dataset, annotation_files(study, folder)).video_splits


def _sound_only(
    sounds: dict[str, str], splits: Iterable[tuple[str, str]] | None, study: Ave | Custom
) -> list[Video]:
    if splits is None:
        splits = [(video_id, _split_of_unlabelled(study)) for video_id in sounds]
    found = ((video_id, split, sounds.get(video_id)) for video_id, split in splits)
    return sorted(Video(video_id, split, path, path) for video_id, split, path in found)


def _split_of_unlabelled(study: Ave | Custom) -> str:
    return study.split if isinstance(study, Custom) else "test"
