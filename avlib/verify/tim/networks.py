"""Operations on the network: forward pass, names and shapes of its weights, checkpoints."""

from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from avlib.io.checkpoints import foreign_names, imported_names, load_checkpoint
from avlib.tim.checkpoint import load_tim, read_position
from avlib.tim.network import TIM, TimOutput
from avlib.tim.recipes import Modality
from avlib.training.schedules import warm_cosine_rate
from avlib.verify.operations import Arguments, Inputs, NetworkArguments, Results, operation

HEADS = ("verb", "noun", "action", "audio")
HOOKED = {"sequence": "feature_encoding", "layer0": "transformer_encoder.layers.0", "pool": "pool"}


class NetworkSizes(NetworkArguments):
    """Arguments of the network, under the names that `TIM` has for them."""

    visual_input_dim: int
    audio_input_dim: int
    d_model: int
    feedforward_scale: int = 4
    nhead: int
    num_layers: int
    num_feats: int
    model_modality: Modality = "audio_visual"
    data_modality: Modality = "audio_visual"
    visual_classes: list[int]
    audio_classes: int
    apply_feature_pooling: bool = False
    has_final_relu: bool = True

    def build(self, dropout: float | None = None) -> TIM:
        """Return the network; `dropout` stands for all of its rates."""
        fields = NetworkSizes.model_fields.keys() - {"dtype"}
        given: dict[str, Any] = {name: getattr(self, name) for name in fields}
        given["visual_classes"] = tuple(self.visual_classes)
        if dropout is not None:
            given |= dict.fromkeys(("enc_dropout", "feat_dropout", "seq_dropout"), dropout)
        return TIM(**given)


class ForwardArguments(NetworkSizes):
    """Sizes, the numbers of queries, and how many pairs of tokens are told apart."""

    num_v_queries: int
    num_a_queries: int
    drloc_pairs: int = 1


@operation("tim", "forward")
@torch.inference_mode()
def forward(arguments: ForwardArguments, inputs: Inputs) -> Results:
    """Return what the network computes on the way, and its logits.

    `queries_only/<head>` are the logits where the feature tokens are not kept; `drloc` are the
    distances that are predicted for the first tokens, each paired with one of the last ones.
    """
    model = inputs.filled(arguments.build()).eval()
    visual, audio = _features(model, inputs)
    times = inputs.tensor("times")
    sizes = (arguments.num_v_queries, arguments.num_a_queries)
    seen: dict[str, Any] = {}
    for name, module in HOOKED.items():
        if module != "pool" or model.pool is not None:
            model.get_submodule(module).register_forward_hook(partial(_keep, seen, name))
    seen["time_mlp"] = model.time_vectors(times)
    output = model.encode(visual, audio, seen["time_mlp"], *sizes, keeps_tokens=True)
    tokens, n = output.tokens, arguments.drloc_pairs
    assert tokens is not None
    seen["drloc"] = model.drloc_mlp(torch.cat([tokens[:, :n], tokens[:, -n:]], dim=2)).squeeze(2)
    kept = dict(seen)  # before the second pass
    queries_only = _logits(model(visual, audio, times, *sizes))
    return {
        **kept,
        "tokens": tokens,
        **_logits(output),
        **{f"queries_only/{name}": x for name, x in queries_only.items()},
    }


def _features(model: TIM, inputs: Inputs) -> tuple[Tensor | None, Tensor | None]:
    """Return the features of both modalities, None for what the network does not take."""
    return (
        inputs.tensor("visual") if model.model_modality != "audio" else None,
        inputs.tensor("audio") if model.model_modality != "visual" else None,
    )


def _keep(seen: dict[str, Any], name: str, _module: object, _inputs: object, result: Any) -> None:
    seen[name] = result


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


@operation("tim", "state_dict")
def state_dict(arguments: NetworkSizes, inputs: Inputs) -> Results:
    """Return names and shapes of the weights of a network, and how many there are."""
    with torch.device("meta"):
        model = arguments.build()
    state = model.state_dict()
    shapes = {name: list(tensor.shape) for name, tensor in state.items()}
    types = (str(tensor.dtype).removeprefix("torch.") for tensor in state.values())
    return {
        "entries": [[*entry, dtype] for entry, dtype in zip(shapes.items(), types, strict=True)],
        "shapes": shapes,
        "names": list(state),
        "num_tensors": len(state),
        "num_parameters": sum(parameter.numel() for parameter in model.parameters()),
    }


class CheckpointArguments(NetworkArguments):
    """What a checkpoint does not say of its network, and the numbers of queries."""

    nhead: int
    num_feats: int
    num_v_queries: int
    num_a_queries: int


@operation("tim", "checkpoint")
@torch.inference_mode()
def checkpoint(arguments: CheckpointArguments, inputs: Inputs) -> Results:
    """Return what is read of a checkpoint of the published program, and what its network gives."""
    path = inputs["checkpoint"]
    model = load_tim(path, nhead=arguments.nhead, num_feats=arguments.num_feats).eval()
    weights = {f"weights/{name}": value for name, value in model.state_dict().items()}
    numerics = inputs.numerics
    model.to(numerics.device, numerics.dtype)
    vectors = model.time_vectors(inputs.tensor("times"))
    sizes = (arguments.num_v_queries, arguments.num_a_queries)
    output = model.encode(*_features(model, inputs), vectors, *sizes, keeps_tokens=True)
    return {**_content(path), **weights, "tokens": output.tokens, **_logits(output)}


def _content(path: Path) -> dict[str, Any]:
    content: Any = load_checkpoint(path, allows_foreign=True)
    group = dict(content["optimizer"]["param_groups"][0])
    at = read_position(path)
    return {
        "all_globals": imported_names(path),
        "foreign_globals": foreign_names(path),
        "keys": list(content),
        "epoch": content["epoch"],
        "lr_scheduler": content["lr_scheduler"],
        "warmup": content["warmup_scheduer"],
        "best_acc1": content["best_acc1"],
        "num_params_in_optimizer": len(group.pop("params")),
        "optimizer_group": group | {"betas": list(group["betas"])},
        "learning_rate": warm_cosine_rate(
            at.step,
            base_rate=at.base_rate,
            end_rate=at.end_rate,
            total_steps=at.total_steps,
            warmup_steps=at.warmup_steps,
        ),
    }


class WarmCosineArguments(Arguments):
    """Cosine in all steps, multiplied by a warm-up in a straight line."""

    lr: float
    lr_min: float
    total_steps: int
    warmup_steps: int

    def at(self, step: int) -> float:
        """Return the learning rate of a step, from 0."""
        return warm_cosine_rate(
            step,
            base_rate=self.lr,
            end_rate=self.lr_min,
            total_steps=self.total_steps,
            warmup_steps=self.warmup_steps,
        )


@operation("tim", "learning_rates")
def learning_rates(arguments: WarmCosineArguments, inputs: Inputs) -> Results:
    """Return the learning rate of each of the steps, from 0."""
    return {"lr": [arguments.at(int(step)) for step in inputs["steps"]]}
