"""Is everything there that a run needs? One line a finding, each problem with its remedy."""

import platform
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from avlib.errors import AvlibError, ConfigError
from avlib.io.provenance import package_versions
from avlib.studies import AnyStudy, Config, load_config
from avlib.studies.ave import Ave
from avlib.studies.custom import Custom
from avlib.studies.k600 import K600, Sounds
from avlib.studies.llp import Llp

GIB = 1 << 30
LEAST_FREE_GIB = 10

Finding = tuple[bool, str]  # whether it is well, and what to say


def examine(config_file: Path, overlays: Sequence[Path]) -> bool:
    """Print every finding; return whether all is well."""
    findings = [*_installation(), *_configuration(config_file, overlays)]
    for is_well, message in findings:
        print(f"{'ok     ' if is_well else 'PROBLEM'}  {message}")
    problems = sum(not is_well for is_well, _ in findings)
    print(f"{problems} problems" if problems else "all is well")
    return problems == 0


def read_config(config_file: Path, overlays: Sequence[Path]) -> Config:
    """Return the configuration of a file and of overlays, merged as Snakemake does.

    Raises:
        ConfigError: if a file cannot be read or a key is wrong.
    """
    values: dict[str, Any] = {}
    for path in [config_file, *overlays]:
        try:
            content = yaml.safe_load(path.read_text("utf-8"))
        except (OSError, yaml.YAMLError) as error:
            raise ConfigError(f"{path}: {' '.join(str(error).split())}") from error
        if not isinstance(content or {}, Mapping):
            raise ConfigError(f"{path}: expected keys and values, found {type(content).__name__}")
        values = _merged(values, content or {})
    return load_config(values)


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _merged(merged[key], value) if both else value
    return merged


def _installation() -> Iterator[Finding]:
    yield True, f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    yield _attempt(lambda: ", ".join(f"{n} {v}" for n, v in package_versions().items()))
    yield _attempt(_ffmpeg)
    yield _attempt(_torch)
    free = shutil.disk_usage(".").free / GIB
    yield (
        free >= LEAST_FREE_GIB,
        f"{free:.0f} GiB free here"
        + ("" if free >= LEAST_FREE_GIB else "; features and packs may need more: free some"),
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
    for section in type(config).model_fields:
        study = getattr(config, section)
        if isinstance(study, AnyStudy):
            yield from _study(section, study)


def _study(name: str, study: AnyStudy) -> Iterator[Finding]:
    for key, path in _paths(study).items():
        if path is not None:
            exists = path.is_dir() if key in {"videos", "folder"} else path.exists()
            remedy = "" if exists else "; correct the path, or mount its disk"
            yield exists, f"{name}.{key}: {path} {'exists' if exists else 'is missing'}{remedy}"
    preset = study.preset if isinstance(study, Ave | Custom) else ""
    for network, weights in study.checkpoints:
        if isinstance(weights, Path):
            yield _attempt(partial(_checkpoint, name, network, weights, preset))
    if isinstance(study, Llp):
        for variant, weights in study.checkpoints.parsers.items():
            yield _attempt(partial(_checkpoint, name, f"parsers.{variant}", weights, preset))


def _paths(study: AnyStudy) -> dict[str, Path | None]:
    """Return what a section names that must exist, beside weights, by key."""
    if isinstance(study, K600):
        given = {f"video_scores.{key}": path for key, path in study.video_scores}
        return {"videos": study.videos, "classes": study.classes, **given}
    if isinstance(study, Llp):
        return {
            "labels": study.labels,
            "videos": study.videos,
            **{f"features.{kind}": path for kind, path in study.features},
            **{f"pseudo_labels.{m}": getattr(study.pseudo_labels, m) for m in ("audio", "visual")},
            **{f"teachers.{m}.tokenizer": teacher.tokenizer for m, teacher in study.teachers},
        }
    if isinstance(study, Sounds):
        return {"folder": study.folder, "table": study.table}
    paths: dict[str, Path | None] = {
        "videos": study.videos,
        "sound": study.sound,
        "annotations": study.annotations,
        "pretraining.checkpoint": study.pretraining.checkpoint,
        **{f"intervals.{split}": path for split, path in study.intervals},
        **{f"splits.{split}": path for split, path in study.splits},
    }
    if isinstance(study, Ave):
        paths |= {f"vgg_features.{modality}": path for modality, path in study.vgg_features}
        paths["tim.checkpoint"] = study.tim.checkpoint
    return paths


def _checkpoint(name: str, network: str, weights: Path, preset: str) -> str:
    from avlib.extractors.registry import EXTRACTORS
    from avlib.tim.checkpoint import load_tim
    from avlib.tim.recipes import TIM_RECIPES

    if network.startswith("parsers."):
        from avlib.valor.weights import feature_widths

        feature_widths(weights, network.removeprefix("parsers."))
    elif network == "soundtrack":
        from avlib.soundtracks.scores import load_soundtrack_network

        load_soundtrack_network(weights)
    elif network == "tim":
        recipe = TIM_RECIPES["ave"]
        load_tim(weights, nhead=recipe.nhead, num_feats=recipe.num_feats)
    else:
        extractor, values = EXTRACTORS[network], {"preset": preset, "backend": "transformers"}
        with TemporaryDirectory() as folder:
            options = {name: values[name] for name in extractor.options}
            extractor.check_weights(weights, Path(folder, "report.json"), **options)
    return f"{name}.checkpoints.{network}: {weights} fits"


def _attempt(look: Callable[[], str]) -> Finding:
    try:
        return True, look()
    except (AvlibError, ImportError, OSError) as error:
        return False, str(error)
