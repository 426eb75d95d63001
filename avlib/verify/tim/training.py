"""Operations of the training: steps, mixup, localisation loss."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from avlib.tim import objective
from avlib.tim.batches import WindowBatch
from avlib.tim.network import TIM
from avlib.tim.recipes import Modality, TimRecipe
from avlib.verify.networks import Optimization, refuse_low_precision
from avlib.verify.operations import Array, Results, Settings, Weights, operation
from avlib.verify.tim.networks import network, rate, taken_features

Draws = tuple[objective.StepDraws, list[int]]
DROPOUT = ("enc_dropout", "feat_dropout", "seq_dropout")


class WarmCosine(Settings):
    """Schedule of the learning rate, by steps."""

    name: Literal["warm_up_cosine"]
    lr_min: float
    total_steps: int
    warmup_steps: int


@dataclass(frozen=True, kw_only=True)
class ScheduledOptimization(Optimization):
    """How a case updates weights, with a schedule; without one the rate is constant."""

    schedule: WarmCosine | None

    def rate(self, step: int) -> float:
        """Return the learning rate of a step, from 0."""
        lr, plan = self.optimizer.lr, self.schedule
        return rate(step, lr, plan.lr_min, plan.total_steps, plan.warmup_steps) if plan else lr


def given_batches(
    times: Tensor,
    label_verb: Tensor,
    label_noun: Tensor,
    label_action: Tensor,
    label_class_id: Tensor,
    visual: Tensor | None = None,
    audio: Tensor | None = None,
) -> list[WindowBatch]:
    """Return the batch of each step, the first axis of all inputs."""
    visual_labels = torch.stack([label_verb, label_noun, label_action], dim=-1).long()
    audio_labels = label_class_id.long()
    return [
        WindowBatch(
            visual=None if visual is None else visual[i],
            audio=None if audio is None else audio[i],
            times=times[i],
            visual_labels=visual_labels[i],
            audio_labels=audio_labels[i],
            visual_queries=visual_labels[i, ..., 0],
            audio_queries=audio_labels[i],
        )
        for i in range(len(times))
    ]


def given_draws(
    permutation: Tensor, pos1: Tensor, pos2: Tensor, lambda_: Array, *, torch_seed: int = 0
) -> list[Draws]:
    """Return the draws of each step, the first axis of all inputs; the seed is of dropout."""
    positions = torch.stack([pos1, pos2], dim=1).long()
    drawn = zip(lambda_.tolist(), permutation.long(), positions, strict=True)
    return [(objective.StepDraws(*of_step), [torch_seed]) for of_step in drawn]


def loss_settings(
    *,
    data_modality: Modality = "audio_visual",
    lambda_audio: float,
    lambda_drloc: float,
    label_smoothing: float,
) -> TimRecipe:
    """Return weights and smoothing of the losses."""
    return TimRecipe(name="case", **locals())


@operation(
    *("tim", "train_steps"),
    build=network,
    batches_of=given_batches,
    draws_of=given_draws,
    recipe_of=loss_settings,
    optimization=ScheduledOptimization,
)
def train_steps(
    build: Callable[..., TIM],
    batches_of: Callable[[], list[WindowBatch]],
    draws_of: Callable[[], list[Draws]],
    recipe_of: Callable[[], TimRecipe],
    optimization: Callable[[], ScheduledOptimization],
    weights: Weights,
    *,
    dropout: float,
) -> Results:
    """Return losses, gradients and learning rates of some steps, and the weights after them.

    The columns of `losses` are visual, verb, noun, action, audio, total, localisation, labelled
    visual and labelled audio queries.
    """
    refuse_low_precision(weights)
    model = weights.fill(build(**dict.fromkeys(DROPOUT, dropout))).train()
    settings, batches = optimization(), batches_of()
    recipe = replace(recipe_of(), clip_norm=settings.gradient_clipping)
    built = objective.build_optimizer(model, rate=settings.optimizer.lr, weight_decay=0.0)
    settings.configure(model, built)
    rates = [settings.rate(i) for i in range(len(batches) + 1)]
    losses, norms = [], []
    for batch, drawn, value in zip(batches, draws_of(), rates, strict=False):
        visual, audio = taken_features(model, batch.visual, batch.audio)
        step = objective.Step(batch._replace(visual=visual, audio=audio), *drawn)
        for group in built.param_groups:
            group["lr"] = value
        found = objective.train_step(model, built, step, recipe)
        losses.append(_loss_row(found, step.batch, model))
        gradients = [p.grad.norm() for p in model.parameters() if p.grad is not None]
        norms.append(torch.stack(gradients).norm())
    return {
        "losses": losses,
        "lr": rates,
        "grad_norm": torch.stack(norms),
        "without_gradient": [name for name, p in model.named_parameters() if p.grad is None],
        **{f"parameters/{name}": p for name, p in model.named_parameters()},
    }


def _loss_row(losses: Tensor, batch: WindowBatch, model: TIM) -> list[float]:
    total, verb, noun, action, audio, drloc = losses.tolist()
    counts = [(x != -1).sum().item() for x in (batch.visual_labels[..., 2], batch.audio_labels)]
    n_visual = sum(name.startswith("visual") for name in model.cls_head.names)
    mean = (verb + noun + action) / max(n_visual, 1)
    return [mean, verb, noun, action, audio, total, drloc, *counts]


@operation("tim", "mixup")
def mixup(
    features: Mapping[str, Array],
    labels: Mapping[str, Array],
    logits: Tensor,
    permutation: Tensor,
    lambda_: Array,
    *,
    label_smoothing: float,
) -> Results:
    """Return mixed inputs, permuted labels, and the loss with the labels of both or of one item.

    `logits` are (B * N, K) for the (B, N) labels of actions.
    """
    share, order = float(lambda_), permutation.long().cpu()
    tensors = {name: torch.as_tensor(x) for name, x in features.items()}
    mixed = {f"mixed/{n}": objective.mix(x, x[order], share) for n, x in tensors.items()}
    permuted = {f"permuted/{n}": y[order.numpy()] for n, y in labels.items()}
    actions = torch.as_tensor(labels["action"]).long()
    losses = {
        name: objective.mixed_cross_entropy(
            logits.cpu().view(*actions.shape, -1),
            actions,
            actions[order],
            weight,
            label_smoothing,
            count=(actions != -1).sum(),
        )
        for name, weight in (("loss", share), ("loss_of_own_labels", 1.0))
    }
    return {**mixed, **permuted, **losses}


@operation("tim", "localisation_loss")
@torch.inference_mode()
def localisation_loss(
    weights: Weights,
    pos1: Tensor,
    pos2: Tensor,
    visual: Tensor | None = None,
    audio: Tensor | None = None,
    *,
    d_model: int,
    num_feats: int,
) -> Results:
    """Return the mean error of the predicted distances of pairs of tokens, (B, F, 2 d).

    The first of a pair is a visual token and the second an audio token, or, without `audio`, a
    visual one, too.
    """
    model = network(
        visual_input_dim=1,
        audio_input_dim=1,
        d_model=d_model,
        nhead=1,
        num_layers=1,
        num_feats=num_feats,
        visual_classes=[1],
        audio_classes=1,
    )
    tokens = torch.cat([x for x in (visual, audio) if x is not None], dim=1)
    positions = torch.stack([pos1, pos2]).long()
    errors = objective.localisation_errors(weights.fill(model), tokens, positions)
    return {"loss": errors.mean()}
