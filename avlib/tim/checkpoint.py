"""Weights of TIM: new ones, those of checkpoints, and the published form of a training's state."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from avlib.errors import CheckpointError
from avlib.io.atomic import atomic_path
from avlib.io.checkpoints import fit_state_dict, load_checkpoint, load_state_dict
from avlib.seeds import generator
from avlib.tim.network import HEADS, TIM
from avlib.tim.recipes import Modality

MODALITY_OF: dict[tuple[bool, bool], Modality] = {
    (True, True): "audio_visual",
    (True, False): "visual",
    (False, True): "audio",
}


def new_tim(seed: int, **arguments: Any) -> TIM:
    """Return `TIM(**arguments)` with initial weights that depend on the seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(generator(seed, "initial weights", "tim").integers(2**63)))
        return TIM(**arguments)


def load_tim(
    path: Path,
    *,
    nhead: int,
    num_feats: int,
    requested: Mapping[str, Any] | None = None,
    partial: bool = False,
    **rates: Any,
) -> TIM:
    """Return the network of a checkpoint, whose sizes are read off its weights.

    Args:
        path: a published `.pth.tar` file, another torch file with a state dictionary, or
            safetensors.
        nhead: attention heads, which do not follow from shapes.
        num_feats: features of a modality in a window, likewise.
        requested: other arguments of `TIM` that the checkpoint must agree with.
        partial: whether weights that are missing or do not fit keep their initial values.
        rates: dropout rates of `TIM`.

    Raises:
        CheckpointError: if the file is no checkpoint of TIM, or differs from what is requested;
            the message says in one line in what.
    """
    state = load_state_dict(path, allows_foreign=True)
    found = infer_arguments(state, path)
    differences = [
        f"{name} is {found[name]!r}, not {value!r}"
        for name, value in (requested or {}).items()
        if name in found and found[name] != value
    ]
    if differences:
        raise CheckpointError(f"{path}: made for another configuration: {'; '.join(differences)}")
    model = TIM(**found, nhead=nhead, num_feats=num_feats, **rates)
    fit_state_dict(model, state, path, partial=partial)
    return model


def infer_arguments(state: Mapping[str, Tensor], source: Path) -> dict[str, Any]:
    """Return the arguments of `TIM` that follow from the shapes of its weights.

    These are all but `nhead`, `num_feats` and the dropout rates. The width of the features of a
    modality that the network does not take is 0.

    Raises:
        CheckpointError: naming a weight that any TIM has and `source` lacks.
    """

    def size(name: str, axis: int = 0) -> int:
        if name not in state or state[name].ndim <= axis:
            raise CheckpointError(f"{source}: no weights of TIM, {name} is missing")
        return state[name].shape[axis]

    def size_or_0(name: str, axis: int = 0) -> int:
        return size(name, axis) if name in state else 0

    visual, audio = (
        size_or_0(f"feature_encoding.{m}_embedder.1.weight", 1) for m in ("visual", "audio")
    )
    *classes, audio_classes = (size_or_0(f"cls_head.fc_{head}.weight") for head in HEADS)
    visual_classes = tuple(n_classes for n_classes in classes if n_classes)
    d_model = size("time_mlp.0.weight")
    if not (visual or audio) or not (visual_classes or audio_classes):
        raise CheckpointError(f"{source}: no weights of TIM, embedders or heads are missing")
    layers = {name.split(".")[2] for name in state if name.startswith("transformer_encoder.")}
    return {
        "visual_input_dim": visual,
        "audio_input_dim": audio,
        "d_model": d_model,
        "feedforward_scale": size("transformer_encoder.layers.0.linear1.weight") // d_model,
        "num_layers": len(layers),
        "model_modality": MODALITY_OF[visual > 0, audio > 0],
        "data_modality": MODALITY_OF[bool(visual_classes), audio_classes > 0],
        "visual_classes": visual_classes,
        "audio_classes": audio_classes,
        "apply_feature_pooling": "pool.affine_h.weight" in state,
        "has_final_relu": "time_mlp.5.weight" not in state,
    }


@dataclass(frozen=True, kw_only=True)
class TrainingPosition:
    """Where a training with the published program stands.

    Attributes:
        epoch: finished epochs.
        step: finished steps, from which the learning rate follows.
        total_steps: steps after which the learning rate has fallen to `end_rate`.
        warmup_steps: steps of the warm-up.
        base_rate: learning rate from which the cosine falls.
        end_rate: learning rate after the last step.
        best: highest scores so far, by name.
        optimizer: state of AdamW.
    """

    epoch: int
    step: int
    total_steps: int
    warmup_steps: int
    base_rate: float
    end_rate: float
    best: Mapping[str, float]
    optimizer: Mapping[str, Any]


def read_position(path: Path) -> TrainingPosition:
    """Return where the training that wrote a published checkpoint stands.

    Raises:
        CheckpointError: if the file is not one, or lacks a part of the state.
    """
    content: Any = load_checkpoint(path, allows_foreign=True)
    try:
        cosine, warmup = content["lr_scheduler"], content["warmup_scheduer"]  # spelt like this
        return TrainingPosition(
            epoch=content["epoch"],
            step=cosine["last_epoch"],
            total_steps=cosine["T_max"],
            warmup_steps=warmup["warmup_params"][0]["warmup_period"],
            base_rate=cosine["base_lrs"][0],
            end_rate=cosine["eta_min"],
            best=content["best_acc1"],
            optimizer=content["optimizer"],
        )
    except (KeyError, IndexError, TypeError) as error:
        raise CheckpointError(f"{path}: holds no state of a training ({error!r})") from error


def write_published_checkpoint(
    target: Path, weights: Mapping[str, Tensor], position: TrainingPosition
) -> None:
    """Write what the published program reads when it resumes, all but its meters."""
    rate = position.optimizer["param_groups"][0]["lr"]
    cosine = {
        "T_max": position.total_steps,
        "eta_min": position.end_rate,
        "base_lrs": [position.base_rate],
        "last_epoch": position.step,
        "_step_count": position.step + 1,
        "_last_lr": [rate],
    }
    warmup = {
        "warmup_params": [{"warmup_period": position.warmup_steps}],
        "last_step": position.step,
        "lrs": [rate],
    }
    content = {
        "epoch": position.epoch,
        "state_dict": dict(weights),
        "best_acc1": dict(position.best),
        "optimizer": dict(position.optimizer),
        "lr_scheduler": cosine,
        "warmup_scheduer": warmup,
        "scaler": {},
        "training_iters": 0,
        "val_iters": 0,
    }
    with atomic_path(target) as partial:
        torch.save(content, partial)
