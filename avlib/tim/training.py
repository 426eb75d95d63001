"""Stage train_tim: TIM on the windows of a study, in one process or several."""

import json
import logging
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch

from avlib.device import precision, resolve_device
from avlib.errors import AvlibError, ConfigError, DataError
from avlib.io.atomic import write_json
from avlib.io.provenance import code_fingerprint
from avlib.joblog import join_logs
from avlib.tim.models import build_model, of_modality, save_model, window_settings
from avlib.tim.network import TIM, Modality
from avlib.tim.recipes import TIM_RECIPES, TimRecipe
from avlib.tim.splits import Split, SplitFiles, read_class_names, read_split, seen_folders
from avlib.tim.task import TimTask
from avlib.tim.tensorboard import TensorBoard
from avlib.training.launch import report, run_module
from avlib.training.loop import fit
from avlib.training.state import Progress, remove_states, state_key
from avlib.training.team import Team, team_of_environment

MixedPrecision = Literal["training", "always"]

MODULE = "avlib.tim.training"  # also where it is the main module

logger = logging.getLogger(MODULE)


@dataclass(frozen=True, kw_only=True)
class TimSettings:
    """What decides the weights, beside the data; None stands for the recipe's value.

    Attributes:
        recipe: name of a recipe.
        modality: what the model sees; of one modality it learns the labels of that.
        seed: of all draws.
        epochs: length of the training.
        batch_size: windows a step.
        learning_rate: from which the cosine falls.
        early_stop_epochs: epochs without a better validation after which the training ends.
        select_by: head whose accuracy decides which epoch is best: action, audio, verb_noun or
            combined; None: combined where both heads answer the same question, else the action
            or, without it, the audio head.
        device: cpu, cuda, or auto for cuda where there is one.
        mixed_precision: `training` trains in float16 on cuda, as published, and in bfloat16 on
            the CPU, where that is safe; `always` validates so, too.
        parts: in which a batch is computed.
        processes: that share the parts, each with a GPU where there are GPUs.
        tensorboard: whether to log for TensorBoard, too.
    """

    recipe: str
    modality: Modality
    seed: int
    epochs: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    early_stop_epochs: int | None = None
    select_by: str | None = None
    device: str = "auto"
    mixed_precision: MixedPrecision | None = None
    parts: int = 1
    processes: int = 1
    tensorboard: bool = False

    def adjusted_recipe(self) -> TimRecipe:
        """Return the recipe with these values.

        Raises:
            ConfigError: if there is none of that name, or the settings do not go together.
        """
        if self.recipe not in TIM_RECIPES:
            raise ConfigError(f"tim.recipe: {self.recipe!r}, expected one of {list(TIM_RECIPES)}")
        if self.parts % self.processes:
            raise ConfigError(
                f"tim.processes ({self.processes}) must divide tim.parts ({self.parts})"
            )
        recipe = of_modality(TIM_RECIPES[self.recipe], self.modality)
        return replace(
            recipe,
            epochs=self.epochs or recipe.epochs,
            batch_size=self.batch_size or recipe.batch_size,
            lr=self.learning_rate or recipe.lr,
            early_stop_epochs=self.early_stop_epochs or recipe.early_stop_epochs,
        )


@dataclass(frozen=True, kw_only=True)
class TrainingFiles:
    """What a training reads and writes.

    Attributes:
        queries: table of kind QUERIES.
        windows: `.npz` of the windows of `train` and, if there are any, `val`.
        intervals: table of the feature intervals of each of these splits.
        visual: folder of visual features, with a folder for each split; unused by audio models.
        audio: folder of audio features; unused by visual models.
        classes: JSON with the names of the classes.
        initial_weights: model to begin with; None for random weights.
        state_directory: where the training is saved every epoch; emptied at the end.
        model: safetensors file of the best weights.
        log: JSON lines, one an epoch.
        metrics: JSON file with the metrics of the best weights.
    """

    queries: Path
    windows: Mapping[str, Path]
    intervals: Mapping[str, Path]
    visual: Path | None
    audio: Path | None
    classes: Path
    initial_weights: Path | None
    state_directory: Path
    model: Path
    log: Path
    metrics: Path

    def split(self, name: str, modality: Modality) -> SplitFiles:
        """Return the files of a split that a model of `modality` reads."""
        visual, audio = seen_folders(name, modality, visual=self.visual, audio=self.audio)
        return SplitFiles(self.windows[name], self.queries, self.intervals[name], visual, audio)


def train_tim_study(settings: TimSettings, **files: Any) -> None:
    """Train TIM on split `train` and write the weights that are best on `val`.

    The best weights are those with the highest accuracy of `select_by` (the earlier ones of
    equals), on `train` itself where `val` has no windows. The result is the same bytes after any
    interruption on the same machine, and the same up to rounding for any number of processes.

    Args:
        settings: how to train.
        files: the attributes of TrainingFiles by name.

    Raises:
        ConfigError: if settings do not go together, or the loss is no longer finite.
        DataError: if windows, tables and features do not go together.
        CheckpointError: if the initial weights do not fit.
    """
    recipe = settings.adjusted_recipe()
    device = resolve_device(settings.device)
    if settings.processes == 1:
        train_tim(settings, recipe, TrainingFiles(**files), device, Team())
        return
    if device.type == "cuda" and settings.processes > torch.cuda.device_count():
        raise ConfigError(
            f"tim.processes: {settings.processes}, but there are {torch.cuda.device_count()} GPUs"
        )
    arguments = {"settings": asdict(settings), "files": files}
    run_module(MODULE, json.dumps(arguments, default=str), processes=settings.processes)


def train_tim(
    settings: TimSettings, recipe: TimRecipe, files: TrainingFiles, device: torch.device, team: Team
) -> None:
    """Train in this process, as one of `team`; the first one writes."""
    torch.set_num_threads(1)  # another number gives other last bits
    classes = read_class_names(files.classes)
    splits = _read_splits(recipe, files, classes)
    held_out = "val" if "val" in splits else "train"
    model, arguments = build_model(
        recipe, classes, splits["train"], seed=settings.seed, initial_weights=files.initial_weights
    )
    task = TimTask(
        model.to(device),
        recipe,
        training=splits["train"],
        validation=splits[held_out],
        select_by=_select_by(settings, splits[held_out], recipe),
        seed=settings.seed,
        parts=settings.parts,
        team=team,
        precision=precision(device, is_mixed=settings.mixed_precision is not None),
        eval_precision=precision(device, is_mixed=settings.mixed_precision == "always"),
    )
    progress = fit(
        task,
        seed=settings.seed,
        directory=files.state_directory,
        key=_state_key(settings, recipe, model, splits),
        log=files.log,
        patience=recipe.early_stop_epochs,
        team=team,
        watch=_tensorboard(settings, files, team),
    )
    model.load_state_dict(progress.best_model)
    metrics = task.evaluate(splits[held_out], lambda: None)
    if team.is_first:
        save_model(files.model, progress.best_model, recipe, arguments, classes)
        counts = {name: split.dataset.index.counts() for name, split in splits.items()}
        summary = _summary(settings, task, progress)
        outcome = {"validated_on": held_out, "metrics": {held_out: metrics}, "windows": counts}
        write_json(files.metrics, summary | outcome)
        remove_states(files.state_directory)


def _tensorboard(settings: TimSettings, files: TrainingFiles, team: Team) -> TensorBoard | None:
    if not (settings.tensorboard and team.is_first):
        return None
    return TensorBoard(files.log.parent / "tensorboard")


def _read_splits(
    recipe: TimRecipe, files: TrainingFiles, classes: Mapping[str, list[str]]
) -> dict[str, Split]:
    """Return the splits that have windows."""
    splits = {
        name: read_split(
            name,
            files.split(name, recipe.model_modality),
            settings=window_settings(recipe),
            data_modality=recipe.data_modality,
            classes=classes,
        )
        for name in files.windows
    }
    found = {name: split for name, split in splits.items() if len(split.items)}
    for name, split in splits.items():
        logger.info("%s: %d windows", name, len(split.items))
    if "train" not in found:
        raise DataError(
            "split train has no windows: no annotated video of it has all features; check the "
            "splits of the annotations, and features/*/index.parquet for videos without features"
        )
    if "val" not in found:
        logger.warning("split val has no windows: the best epoch is chosen on train")
    return found


def _select_by(settings: TimSettings, split: Split, recipe: TimRecipe) -> str:
    """Return the name of the accuracy that decides which epoch is best."""
    has_visual, has_audio = (
        recipe.data_modality in ("audio_visual", m) for m in ("visual", "audio")
    )
    possible = {
        "combined": has_visual and has_audio and split.is_paired,
        "action": has_visual,
        "verb_noun": has_visual,
        "audio": has_audio,
    }
    names = [name for name, is_possible in possible.items() if is_possible]
    if settings.select_by not in (None, *names):
        raise ConfigError(f"tim.select_by: {settings.select_by!r}, expected one of {names}")
    return settings.select_by or names[0]


def _state_key(
    settings: TimSettings, recipe: TimRecipe, model: TIM, splits: Mapping[str, Split]
) -> str:
    """Return the key of everything that decides the result; the number of processes does not."""
    weights = model.state_dict()
    decisive = replace(settings, processes=1, tensorboard=False)
    device = next(model.parameters()).device.type
    return state_key(
        [
            repr((decisive, recipe, device, code_fingerprint(MODULE), *weights)).encode(),
            *(tensor.cpu().numpy().tobytes() for tensor in weights.values()),
            *(part for split in splits.values() for part in split.fingerprint()),
        ]
    )


def _summary(settings: TimSettings, task: TimTask, progress: Progress) -> dict[str, Any]:
    return {
        "recipe": settings.recipe,
        "modality": settings.modality,
        "seed": settings.seed,
        "select_by": task.select_by,
        "best_epoch": progress.best_epoch,
        "epochs": progress.epoch,
    }


def main() -> None:
    """Train as one of the processes that `train_tim_study` starts."""
    arguments = json.loads(sys.argv[1])
    settings = TimSettings(**arguments["settings"])
    files = {name: _paths(value) for name, value in arguments["files"].items()}
    try:
        with team_of_environment() as team:
            join_logs(sys.argv[2:] if team.is_first else [])
            device = resolve_device(settings.device)
            if device.type == "cuda":
                device = torch.device("cuda", team.rank)
                torch.cuda.set_device(device)
            recipe = settings.adjusted_recipe()
            train_tim(settings, recipe, TrainingFiles(**files), device, team)
    except AvlibError as error:
        report(error)
        sys.exit(1)


def _paths(value: Any) -> Any:
    """Return the paths that JSON holds as text."""
    if isinstance(value, dict):
        return {name: Path(path) for name, path in value.items()}
    return None if value is None else Path(value)


if __name__ == "__main__":
    main()
