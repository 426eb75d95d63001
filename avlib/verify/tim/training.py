"""Operations of the training: steps, mixup, localisation loss."""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from avlib.tim.batches import WindowBatch
from avlib.tim.network import TIM
from avlib.tim.objective import (
    Step,
    StepDraws,
    build_optimizer,
    localisation_errors,
    mix,
    mixed_cross_entropy,
    train_step,
)
from avlib.tim.recipes import TimRecipe
from avlib.verify.cases import CaseError
from avlib.verify.networks import (
    Clipping,
    OptimizerSettings,
    ParameterGroup,
    configure,
)
from avlib.verify.operations import Arguments, Inputs, NetworkArguments, Results, operation
from avlib.verify.tim.networks import NetworkSizes, WarmCosineArguments


class ScheduleArguments(Arguments):
    """Schedule of the learning rate, by steps."""

    name: Literal["warm_up_cosine"]
    lr_min: float
    total_steps: int
    warmup_steps: int


class TimStepArguments(NetworkSizes):
    """Sizes and settings of a training; a null `gradient_clipping` or `schedule` is none."""

    dropout: float
    optimizer: OptimizerSettings
    schedule: ScheduleArguments | None
    parameter_groups: list[ParameterGroup] | None = None
    gradient_clipping: Clipping
    lambda_audio: float
    lambda_drloc: float
    label_smoothing: float
    torch_seed: int = 0  # of dropout

    def rate(self, step: int) -> float:
        """Return the learning rate of a step, from 0."""
        if self.schedule is None:
            return self.optimizer.lr
        settings = self.schedule.model_dump(exclude={"name"})
        return WarmCosineArguments(lr=self.optimizer.lr, **settings).at(step)


@operation("tim", "train_steps")
def train_steps(arguments: TimStepArguments, inputs: Inputs) -> Results:
    """Return losses, gradients and learning rates of some steps, and the weights after them.

    All inputs but the weights have a first axis of steps. The columns of `losses` are visual,
    verb, noun, action, audio, total, localisation, labelled visual and labelled audio queries.
    """
    if inputs.numerics.dtype not in (torch.float32, torch.float64):
        raise CaseError("nobody trains in less than float32")
    model = inputs.filled(arguments.build(arguments.dropout)).train()
    optimizer = build_optimizer(model, rate=arguments.optimizer.lr, weight_decay=0.0)
    configure(model, optimizer, arguments.optimizer, arguments.parameter_groups)
    batches, draws = _batches(model, inputs), _draws(inputs)
    losses, norms = [], []
    rates = [arguments.rate(step) for step in range(len(batches) + 1)]
    for batch, drawn, rate in zip(batches, draws, rates, strict=False):
        for group in optimizer.param_groups:
            group["lr"] = rate
        found = train_step(
            model,
            optimizer,
            Step(batch, drawn, [arguments.torch_seed]),
            _recipe(arguments),
        )
        losses.append(_loss_row(found.tolist(), batch, model))
        gradients = [p.grad.norm() for p in model.parameters() if p.grad is not None]
        norms.append(torch.stack(gradients).norm())
    return {
        "losses": losses,
        "lr": rates,
        "grad_norm": torch.stack(norms),
        "without_gradient": [name for name, p in model.named_parameters() if p.grad is None],
        **{f"parameters/{name}": p for name, p in model.named_parameters()},
    }


def _recipe(arguments: TimStepArguments) -> TimRecipe:
    return TimRecipe(
        name="case",
        lambda_audio=arguments.lambda_audio,
        lambda_drloc=arguments.lambda_drloc,
        label_smoothing=arguments.label_smoothing,
        data_modality=arguments.data_modality,
        clip_norm=arguments.gradient_clipping,
    )


def _batches(model: TIM, inputs: Inputs) -> list[WindowBatch]:
    """Return the batch of each step."""
    *of_heads, audio_labels = _integers(
        inputs, "label_verb", "label_noun", "label_action", "label_class_id"
    )
    visual_labels = torch.stack(of_heads, dim=-1)  # (steps, B, N, 3)
    times = inputs.tensor("times")
    features = {
        name: inputs.tensor(name) if model.model_modality in ("audio_visual", name) else None
        for name in ("visual", "audio")
    }
    return [
        WindowBatch(
            **{name: None if x is None else x[step] for name, x in features.items()},
            times=times[step],
            visual_labels=visual_labels[step],
            audio_labels=audio_labels[step],
            visual_queries=visual_labels[step, ..., 0],
            audio_queries=audio_labels[step],
        )
        for step in range(len(times))
    ]


def _draws(inputs: Inputs) -> list[StepDraws]:
    """Return the random numbers of each step."""
    permutations, *ends = _integers(inputs, "permutation", "pos1", "pos2")
    positions = torch.stack(ends, dim=1)  # (steps, 2, B, m)
    draws = zip(inputs["lambda"].tolist(), permutations, positions, strict=True)
    return [StepDraws(*draw) for draw in draws]


def _integers(inputs: Inputs, *names: str) -> list[Tensor]:
    return [inputs.tensor(name).long() for name in names]


def _loss_row(losses: Sequence[float], batch: WindowBatch, model: TIM) -> list[float]:
    total, verb, noun, action, audio, drloc = losses
    counts = [(x != -1).sum().item() for x in (batch.visual_labels[..., 2], batch.audio_labels)]
    n_visual = sum(name.startswith("visual") for name in model.cls_head.names)
    mean = (verb + noun + action) / max(n_visual, 1)
    return [mean, verb, noun, action, audio, total, drloc, *counts]


class MixupArguments(Arguments):
    """Settings of the loss of mixed items."""

    label_smoothing: float


@operation("tim", "mixup")
def mixup(arguments: MixupArguments, inputs: Inputs) -> Results:
    """Return mixed inputs, permuted labels, and the loss with the labels of both or of one item.

    `logits` are (B * N, K) for the (B, N) labels of actions.
    """
    share, (permutation,) = float(inputs["lambda"]), _integers(inputs, "permutation")
    results: dict[str, Any] = {}
    for name, x in inputs["features"].items():
        values = torch.as_tensor(x)
        results[f"mixed/{name}"] = mix(values, values[permutation], share)
    results |= {f"permuted/{n}": y[permutation.numpy()] for n, y in inputs["labels"].items()}
    labels = torch.as_tensor(inputs["labels"]["action"]).long()
    logits = inputs.tensor("logits").view(*labels.shape, -1)
    for name, weight in (("loss", share), ("loss_of_own_labels", 1.0)):
        results[name] = mixed_cross_entropy(
            logits,
            labels,
            labels[permutation],
            weight,
            arguments.label_smoothing,
            count=(labels != -1).sum(),
        )
    return results


class LocalisationArguments(NetworkArguments):
    """Width of time vectors, half of a token's, and features of each modality in a window."""

    d_model: int
    num_feats: int


@operation("tim", "localisation_loss")
@torch.inference_mode()
def localisation_loss(arguments: LocalisationArguments, inputs: Inputs) -> Results:
    """Return the mean error of the predicted distances of pairs of tokens, (B, F, 2 d).

    The first of a pair is a visual token and the second an audio token, or, without `audio`, a
    visual one, too.
    """
    sizes = NetworkSizes(
        visual_input_dim=1,
        audio_input_dim=1,
        d_model=arguments.d_model,
        nhead=1,
        num_layers=1,
        num_feats=arguments.num_feats,
        visual_classes=[1],
        audio_classes=1,
    )
    model = inputs.filled(sizes.build())
    positions = torch.stack(_integers(inputs, "pos1", "pos2"))
    names = [name for name in ("visual", "audio") if name in inputs]
    tokens = torch.cat([inputs.tensor(name) for name in names], dim=1)
    return {"loss": localisation_errors(model, tokens, positions).mean()}
