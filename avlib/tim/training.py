"""Stage train_tim: TIM on the windows of a study, in one process or several."""

import json
import logging
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from avlib.device import precision, resolve_device
from avlib.errors import AvlibError, ConfigError, DataError
from avlib.io.atomic import write_json
from avlib.io.provenance import code_fingerprint
from avlib.joblog import join_logs
from avlib.tim.feature_files import FeatureFiles
from avlib.tim.network import TIM
from avlib.tim.recipes import Modality, ModelName, TimRecipe, TimTraining
from avlib.tim.scaling import Scaling, for_scaled, for_unscaled, scaling_of
from avlib.tim.splits import InputFiles, SplitWindows, read_split
from avlib.tim.tables import read_head_classes
from avlib.tim.task import Computation, TimTask
from avlib.tim.tensorboard import TensorBoard
from avlib.tim.weights import build_model, save_model
from avlib.training.launch import report, run_module
from avlib.training.loop import fit
from avlib.training.state import Progress, remove_states, state_key
from avlib.training.team import Team, team_of_environment

MODULE = "avlib.tim.training"  # also where it is the main module
NO_DECISION = {
    "processes",
    "models",
    "tensorboard",
    "checkpoint",
}  # settings that do not change a step

logger = logging.getLogger(MODULE)


@dataclass(frozen=True, kw_only=True)
class TrainingFiles(InputFiles):
    """What a training reads and writes: the windows of `train` and, if there are any, `val`.

    Attributes:
        initial_weights: model to begin with; None for random weights.
        state_directory: where the training is saved every epoch; emptied at the end.
        model: safetensors file of the best weights.
        log: JSON lines, one an epoch.
        metrics: JSON file with the metrics of the best weights.
    """

    initial_weights: Path | None
    state_directory: Path
    model: Path
    log: Path
    metrics: Path


@dataclass(frozen=True, kw_only=True)
class TrainingRun:
    """One training of TIM.

    Attributes:
        settings: section of the configuration, with a recipe. Without `select_by`, that is
            combined where both heads predict the same queries, else the action head or, without
            it, the audio head.
        files: what is read and written.
        model: which features it takes and which labels it predicts.
        seed: of all draws.
        device: cpu, cuda, or auto for cuda where there is one.
        key: of `settings` in the configuration, for messages.
    """

    settings: TimTraining
    files: TrainingFiles
    model: ModelName
    seed: int
    device: str = "auto"
    key: str = "tim"


def train_tim(run: TrainingRun) -> None:
    """Train TIM on split `train` and write the weights that are best on `val`.

    The best weights are those with the highest accuracy of `select_by` (the earlier ones of
    equals), on `train` itself where `val` has no windows. The result is the same bytes after any
    interruption on the same machine, and the same up to rounding for any number of processes.

    Raises:
        ConfigError: if settings do not go together, or the loss is no longer finite.
        DataError: if windows, tables and features do not go together.
        CheckpointError: if the initial weights do not fit.
    """
    processes, device = run.settings.processes, resolve_device(run.device)
    if processes == 1:
        _train(run, device, Team())
        return
    if device.type == "cuda" and processes > torch.cuda.device_count():
        raise ConfigError(
            f"{run.key}.processes: {processes}, but there are {torch.cuda.device_count()} GPUs"
        )
    arguments = asdict(run) | {"settings": run.settings.model_dump(mode="json")}
    run_module(MODULE, json.dumps(arguments, default=str), processes=processes)


def _train(run: TrainingRun, device: torch.device, team: Team) -> None:
    """Train in this process, as one of `team`; the first one writes."""
    torch.set_num_threads(1)  # another number gives other last bits
    files, recipe = run.files, run.settings.adjusted_recipe(run.model)
    classes = read_head_classes(files.classes)
    splits = _read_splits(recipe, files, classes)
    validated_on = "val" if "val" in splits else "train"
    model, arguments = build_model(
        recipe, classes, splits["train"], seed=run.seed, initial_weights=files.initial_weights
    )
    scalings = _scale(splits, recipe)
    if files.initial_weights is not None:
        model.load_state_dict(for_scaled(model.state_dict(), scalings))
    task = TimTask(
        model.to(device),
        recipe,
        training=splits["train"],
        validation=splits[validated_on],
        select_by=_select_by(run, splits[validated_on], recipe, classes),
        seed=run.seed,
        computation=_computation(run.settings, recipe, device, team),
    )
    progress = fit(
        task,
        directory=files.state_directory,
        key=_state_key(run, recipe, model, splits),
        log=files.log,
        patience=recipe.early_stop_epochs,
        team=team,
        watch=_tensorboard(run, team),
    )
    model.load_state_dict(progress.best_model)
    metrics = task.evaluate(splits[validated_on], lambda: None)
    if team.is_first:
        weights = for_unscaled(progress.best_model, scalings)
        save_model(files.model, weights, recipe, arguments, classes)
        counts = {name: split.dataset.index.counts() for name, split in splits.items()}
        outcome = {"validated_on": validated_on, "metrics": {validated_on: metrics}}
        write_json(files.metrics, _summary(run, task, progress) | outcome | {"windows": counts})
        remove_states(files.state_directory)


def _computation(
    settings: TimTraining, recipe: TimRecipe, device: torch.device, team: Team
) -> Computation:
    return Computation(
        settings.parts or recipe.parts,
        team,
        precision=precision(device, is_mixed=settings.mixed_precision is not None),
        eval_precision=precision(device, is_mixed=settings.mixed_precision == "always"),
    )


def _tensorboard(run: TrainingRun, team: Team) -> TensorBoard | None:
    if not (run.settings.tensorboard and team.is_first):
        return None
    return TensorBoard(run.files.log.parent / "tensorboard")


def _read_splits(
    recipe: TimRecipe, files: TrainingFiles, classes: Mapping[str, list[str]]
) -> dict[str, SplitWindows]:
    """Return the splits that have windows."""
    splits = {name: read_split(name, files, recipe, classes) for name in files.windows}
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


def _scale(splits: Mapping[str, SplitWindows], recipe: TimRecipe) -> dict[Modality, Scaling]:
    """Let all splits have features at the scale of `train`, if the recipe is so; return it."""
    if not recipe.scales_features:
        return {}
    train = splits["train"].dataset
    sources: dict[Modality, FeatureFiles | None] = {"visual": train.visual, "audio": train.audio}
    found = {m: scaling_of(files) for m, files in sources.items() if files is not None}
    for split in splits.values():
        split.dataset.scalings = found
    return found


def _select_by(
    run: TrainingRun, split: SplitWindows, recipe: TimRecipe, classes: Mapping[str, list[str]]
) -> str:
    """Return the name of the accuracy that decides which epoch is best."""
    given = run.settings.select_by
    has_visual, has_audio = (
        recipe.data_modality in ("audio_visual", m) for m in ("visual", "audio")
    )
    possible = {
        "combined": has_visual and has_audio and split.is_paired,
        "action": has_visual,
        **{head: has_visual and head in classes for head in ("verb", "noun")},
        "verb_noun": has_visual and {"verb", "noun"} <= classes.keys(),
        "audio": has_audio,
    }
    names = [name for name, is_possible in possible.items() if is_possible]
    if given not in (None, *names):
        raise ConfigError(f"{run.key}.select_by: {given!r}, expected one of {names}")
    return given or names[0]


def _state_key(
    run: TrainingRun, recipe: TimRecipe, model: TIM, splits: Mapping[str, SplitWindows]
) -> str:
    """Return the key of everything that decides the result; the number of processes does not."""
    weights = model.state_dict()
    decisive = run.settings.model_dump(exclude=NO_DECISION)
    device = next(model.parameters()).device.type
    return state_key(
        [
            repr((decisive, run.seed, recipe, device, code_fingerprint(MODULE), *weights)).encode(),
            *(tensor.cpu().numpy().tobytes() for tensor in weights.values()),
            *(part for split in splits.values() for part in split.fingerprint()),
        ]
    )


def _summary(run: TrainingRun, task: TimTask, progress: Progress) -> dict[str, Any]:
    return {
        "recipe": run.settings.recipe,
        "modality": run.model,
        "seed": run.seed,
        "select_by": task.select_by,
        "best_epoch": progress.best_epoch,
        "epochs": progress.epoch,
    }


def main() -> None:
    """Train as one of the processes that `train_tim` starts."""
    arguments = json.loads(sys.argv[1])
    settings = TimTraining(**arguments.pop("settings"))
    files = {name: _paths(value) for name, value in arguments.pop("files").items()}
    run = TrainingRun(settings=settings, files=TrainingFiles(**files), **arguments)
    try:
        with team_of_environment() as team:
            join_logs(sys.argv[2:] if team.is_first else [])
            device = resolve_device(run.device)
            if device.type == "cuda":
                device = torch.device("cuda", team.rank)
                torch.cuda.set_device(device)
            _train(run, device, team)
    except AvlibError as error:
        report(error)
        sys.exit(1)


def _paths(value: Any) -> Any:
    """Return the paths that JSON holds as text."""
    if isinstance(value, dict):
        return {name: Path(path) for name, path in value.items()}
    if isinstance(value, list):
        return [_paths(item) for item in value]
    return Path(value) if isinstance(value, str) else value


if __name__ == "__main__":
    main()
