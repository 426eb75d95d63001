"""Operations on the network: forward pass, names and shapes of its weights, checkpoints."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from avlib.io.checkpoints import load_checkpoint
from avlib.io.torch_files import foreign_names, imported_names
from avlib.tim.checkpoint import load_tim, read_position
from avlib.tim.network import TIM, TimOutput
from avlib.tim.recipes import Modality
from avlib.training.schedules import warm_cosine_rate
from avlib.verify.cases import CaseError
from avlib.verify.networks import recorded, weight_list
from avlib.verify.operations import Numerics, Results, Weights, operation

HEADS = ("verb", "noun", "action", "audio")
HOOKED = {"sequence": "feature_encoding", "pool": "pool"}


def network(
    *,
    visual_input_dim: int,
    audio_input_dim: int,
    d_model: int,
    feedforward_scale: int = 4,
    nhead: int,
    num_layers: int,
    num_feats: int,
    model_modality: Modality = "audio_visual",
    data_modality: Modality = "audio_visual",
    visual_classes: list[int],
    audio_classes: int,
    apply_feature_pooling: bool = False,
    has_final_relu: bool = True,
    **rates: float,
) -> TIM:
    """Return the network; `rates`, of dropout, are no arguments of a case."""
    given = locals() | {"visual_classes": tuple(visual_classes)}
    return TIM(**given.pop("rates"), **given)


operation("tim", "state_dict", build=network)(weight_list())


class Inputs(NamedTuple):
    """What the network takes, in its order; features are None where it does not take them."""

    visual: Tensor | None
    audio: Tensor | None
    times: Tensor
    num_v_queries: int
    num_a_queries: int


def taken_features(
    model: TIM, visual: Tensor | None, audio: Tensor | None
) -> tuple[Tensor | None, Tensor | None]:
    """Return the features of both modalities, None for what the network does not take."""
    given = {"visual": visual, "audio": audio}
    taken = [name for name in given if model.model_modality in ("audio_visual", name)]
    if missing := [name for name in taken if given[name] is None]:
        raise CaseError(f"the case has no input {missing}")
    return visual if "visual" in taken else None, audio if "audio" in taken else None


def given_inputs(
    model: TIM,
    /,
    times: Tensor,
    visual: Tensor | None = None,
    audio: Tensor | None = None,
    *,
    num_v_queries: int,
    num_a_queries: int,
) -> Inputs:
    """Return what the network takes of the inputs of a case."""
    return Inputs(*taken_features(model, visual, audio), times, num_v_queries, num_a_queries)


@operation("tim", "forward", build=network, inputs_of=given_inputs)
@torch.inference_mode()
def forward(
    build: Callable[[], TIM],
    inputs_of: Callable[[TIM], Inputs],
    weights: Weights,
    *,
    drloc_pairs: int = 1,
) -> Results:
    """Return what the network computes on the way, and its logits.

    `queries_only/<head>` are the logits where the feature tokens are not kept; `drloc` are the
    distances that are predicted for the first tokens, each paired with one of the last ones.
    """
    model = weights.fill(build()).eval()
    inputs = inputs_of(model)
    modules = {n: getattr(model, p) for n, p in HOOKED.items() if getattr(model, p) is not None}
    modules["layer0"] = model.transformer_encoder.layers[0]
    vectors = model.time_vectors(inputs.times)
    with recorded(modules) as seen:
        output = model.encode(*inputs._replace(times=vectors), keeps_tokens=True)
    tokens, n = output.tokens, drloc_pairs
    assert tokens is not None
    pairs = torch.cat([tokens[:, :n], tokens[:, -n:]], dim=2)
    queries_only = _logits(model(*inputs))
    return {
        **seen,
        "time_mlp": vectors,
        "tokens": tokens,
        "drloc": model.drloc_mlp(pairs).squeeze(2),
        **_logits(output),
        **{f"queries_only/{name}": x for name, x in queries_only.items()},
    }


def _logits(output: TimOutput) -> dict[str, Any]:
    """Return the logits of each head, (B * N, K), with their log-sum-exp and largest class."""
    results: dict[str, Any] = {}
    for head in HEADS:
        logits: Tensor | None = getattr(output, head)
        results[head] = None if logits is None else logits.flatten(0, 1)
        if logits is not None:
            results[f"{head}_logsumexp"] = results[head].logsumexp(dim=1)
            results[f"{head}_argmax"] = results[head].argmax(dim=1)
    return results


@operation("tim", "checkpoint", inputs_of=given_inputs)
@torch.inference_mode()
def checkpoint(
    inputs_of: Callable[[TIM], Inputs],
    numerics: Numerics,
    checkpoint: Path,
    *,
    nhead: int,
    num_feats: int,
) -> Results:
    """Return what is read of a checkpoint of the published program, and what its network gives."""
    model = load_tim(checkpoint, nhead=nhead, num_feats=num_feats).eval()
    weights = {f"weights/{name}": value for name, value in model.state_dict().items()}
    model.to(numerics.device, numerics.dtype)
    inputs = inputs_of(model)
    vectors = model.time_vectors(inputs.times)
    output = model.encode(*inputs._replace(times=vectors), keeps_tokens=True)
    return {**_content(checkpoint), **weights, "tokens": output.tokens, **_logits(output)}


def _content(path: Path) -> dict[str, Any]:
    content: Any = load_checkpoint(path, allows_foreign=True)
    group = dict(content["optimizer"]["param_groups"][0])
    at = read_position(path)
    return {
        "all_globals": imported_names(path),
        "foreign_globals": foreign_names(path),
        "keys": list(content),
        **{name: content[name] for name in ("epoch", "lr_scheduler", "best_acc1")},
        "warmup": content["warmup_scheduer"],
        "num_params_in_optimizer": len(group.pop("params")),
        "optimizer_group": group | {"betas": list(group["betas"])},
        "learning_rate": rate(at.step, at.base_rate, at.end_rate, at.total_steps, at.warmup_steps),
    }


def rate(step: int, lr: float, lr_min: float, total_steps: int, warmup_steps: int) -> float:
    """Return the learning rate of a step, from 0: a cosine times a warm-up in a straight line."""
    return warm_cosine_rate(
        step,
        base_rate=lr,
        end_rate=lr_min,
        total_steps=total_steps,
        warmup_steps=warmup_steps,
    )


@operation("tim", "learning_rates")
def learning_rates(
    steps: Sequence[int], *, lr: float, lr_min: float, total_steps: int, warmup_steps: int
) -> Results:
    """Return the learning rate of each of the steps, from 0."""
    return {"lr": [rate(int(step), lr, lr_min, total_steps, warmup_steps) for step in steps]}
