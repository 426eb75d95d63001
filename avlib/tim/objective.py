"""What TIM is trained for: recognition of queries under mixup, and localisation of features.

Source: Chalk et al., "TIM: A Time Interval Machine for Audio-Visual Action Recognition",
CVPR 2024, section 3; localisation loss after Liu et al., "Efficient Training of Visual
Transformers with Small Datasets", NeurIPS 2021.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler
from torch.nn import functional
from torch.optim import AdamW, Optimizer

from avlib.tim.batches import PADDING, WindowBatch
from avlib.tim.network import TIM, TimOutput
from avlib.tim.recipes import TimRecipe
from avlib.training.team import ALONE, Team


@dataclass(frozen=True)
class StepDraws:
    """The random numbers of a step, beside dropout.

    Attributes:
        lam: share of an item itself in the mixture.
        permutation: (B,) the item that is mixed into each.
        positions: (2, B, m) pairs of positions in [0, F); None without localisation loss.
    """

    lam: float
    permutation: Tensor
    positions: Tensor | None


class Losses(NamedTuple):
    """Parts of the objective, each of no dimension; None where the model has no such head."""

    total: Tensor
    verb: Tensor | None
    noun: Tensor | None
    action: Tensor | None
    audio: Tensor | None
    drloc: Tensor | None


def draw_step(
    rng: np.random.Generator, batch_size: int, *, mixup_alpha: float, m_drloc: int, num_feats: int
) -> StepDraws:
    """Draw the random numbers of a step.

    Args:
        rng: generator of the step.
        batch_size: items of the batch.
        mixup_alpha: both parameters of the beta distribution; 0 or less for no mixup.
        m_drloc: pairs of positions an item; 0 for none.
        num_feats: features of a modality, F.
    """
    lam = rng.beta(mixup_alpha, mixup_alpha) if mixup_alpha > 0 else 1.0
    permutation = torch.from_numpy(rng.permutation(batch_size))
    positions = torch.from_numpy(rng.integers(num_feats, size=(2, batch_size, m_drloc)))
    return StepDraws(float(lam), permutation, positions if m_drloc else None)


def mix(x: Tensor, others: Tensor, lam: float) -> Tensor:
    """Return `lam * x + (1 - lam) * others`."""
    return x if lam == 1 else torch.lerp(others, x, lam)


def objective(
    model: TIM,
    batch: WindowBatch,
    draws: StepDraws,
    recipe: TimRecipe,
    *,
    part: slice = slice(None),
) -> Losses:
    """Return the losses of the items `part`, as their share of the losses of the whole batch.

    Each is divided by the whole batch's counts, so that the parts' losses and gradients add up to
    those of the batch. Features and time vectors are mixed, those of queries, too; a label counts
    as much as the item that it belongs to. Without labelled slots a loss is 0.
    """
    others = draws.permutation.to(batch.times.device)[part]
    has_drloc = recipe.lambda_drloc > 0 and draws.positions is not None
    output = _mixed_output(model, batch, draws.lam, part, others, keeps_tokens=has_drloc)
    labels, smoothing = slot_labels(batch), recipe.label_smoothing
    verb, noun, action, sound = (
        None
        if logits is None
        else mixed_cross_entropy(
            logits, y[part], y[others], draws.lam, smoothing, count=(y != PADDING).sum()
        )
        for logits, y in zip(output[:4], labels, strict=True)
    )
    drloc = None
    if output.tokens is not None and draws.positions is not None:
        positions = draws.positions.to(output.tokens.device)[:, part]
        distances = localisation_errors(model, output.tokens, positions)
        drloc = distances.sum() / (len(batch.times) * positions.shape[2])
    visual_losses = [loss for loss in (verb, noun, action) if loss is not None]
    total = _total(visual_losses, sound, recipe)
    if drloc is not None:
        total = total + recipe.lambda_drloc * drloc
    return Losses(total, verb, noun, action, sound, drloc)


def _mixed_output(
    model: TIM, batch: WindowBatch, lam: float, part: slice, others: Tensor, *, keeps_tokens: bool
) -> TimOutput:
    """Return what the network makes of the items `part`, each mixed with one of `others`."""
    visual, audio = (
        None if x is None else mix(x[part], x[others], lam) for x in (batch.visual, batch.audio)
    )
    times = torch.cat([batch.times[part], batch.times[others]])
    own, mixed_in = model.time_vectors(times).chunk(2)
    sizes = (batch.visual_labels.shape[1], batch.audio_labels.shape[1])
    vectors = mix(own, mixed_in, lam)
    return model.encode(visual, audio, vectors, *sizes, keeps_tokens=keeps_tokens)


def slot_labels(batch: WindowBatch) -> tuple[Tensor, ...]:
    """Return the labels of verbs, nouns, actions and sounds: (B, N) each.

    A visual slot counts for any of them only if it has an action.
    """
    has_action = batch.visual_labels[..., 2:] != PADDING
    return *batch.visual_labels.where(has_action, PADDING).unbind(dim=2), batch.audio_labels


def _total(visual: list[Tensor], audio: Tensor | None, recipe: TimRecipe) -> Tensor:
    if recipe.data_modality == "audio":
        assert audio is not None
        return audio
    total = torch.stack(visual).mean()
    return total if audio is None else total + recipe.lambda_audio * audio


def mixed_cross_entropy(
    logits: Tensor, own: Tensor, others: Tensor, lam: float, smoothing: float, *, count: Tensor
) -> Tensor:
    """Return the cross-entropy with the labels of both items of a mixture, over `count`.

    Slots are those labelled in the item itself for the one, and in the other item for the other.

    Shape:
        logits: (B, N, K).
        own, others: (B, N), PADDING where a slot has no label.
        count: of no dimension, the slots to divide by; where 0, the loss is 0.
    """
    sums = [
        functional.cross_entropy(
            logits.flatten(0, 1),
            labels.flatten(),
            ignore_index=PADDING,
            label_smoothing=smoothing,
            reduction="sum",
        )
        for labels in (own, others)
    ]
    return (lam * sums[0] + (1 - lam) * sums[1]) / count.clamp(min=1)


def localisation_errors(model: TIM, tokens: Tensor, positions: Tensor) -> Tensor:
    """Return how far predicted distances of features are from true ones, in units of F.

    The first of a pair is a visual feature and the second an audio feature, where there are both.

    Shape:
        tokens: (B, M * F, 2 d).
        positions: (2, B, m), in [0, F).
        returns: (B, m).
    """
    n_feats = model.num_feats
    second = tokens.shape[1] - n_feats  # where the second modality begins
    rows = torch.arange(len(tokens), device=tokens.device)[:, None] * tokens.shape[1]
    flat = tokens.flatten(0, 1)
    pairs = [
        functional.embedding(rows + offset + place, flat)  # (B, m, 2 d); a gather, quick backwards
        for offset, place in zip((0, second), positions, strict=True)
    ]
    predicted = model.drloc_mlp(torch.cat(pairs, dim=2)).squeeze(2)  # (B, m)
    distances = (positions[0] - positions[1]).abs() / n_feats
    return (predicted - distances).abs()


def build_optimizer(model: TIM, *, rate: float, weight_decay: float) -> AdamW:
    """Return AdamW on all parameters alike: norms, biases and class tokens decay, too."""
    return AdamW(model.parameters(), lr=rate, weight_decay=weight_decay, fused=True)


class Step(NamedTuple):
    """All that a step needs: the windows, and its random numbers.

    Attributes:
        batch: windows of the whole step.
        draws: mixup and pairs of positions.
        dropout_seeds: one for each part of the batch.
    """

    batch: WindowBatch
    draws: StepDraws
    dropout_seeds: Sequence[int]

    def parts(self, team: Team) -> Iterator[tuple[slice, int]]:
        """Yield the items and the seed of each part that is this process's."""
        n_items, n_parts = len(self.batch.times), len(self.dropout_seeds)
        for number in range(team.rank, n_parts, team.size):
            start, stop = (n * n_items // n_parts for n in (number, number + 1))
            if start < stop:
                yield slice(start, stop), self.dropout_seeds[number]


def train_step(
    model: TIM,
    optimizer: Optimizer,
    step: Step,
    recipe: TimRecipe,
    *,
    scaler: GradScaler | None = None,
    precision: torch.dtype = torch.float32,
    team: Team = ALONE,
) -> Tensor:
    """Take one step; return the losses before it: (6,), as in Losses, 0 for those that are None.

    The parts of a batch are computed one after the other, which bounds the memory.

    Args:
        model: in training mode.
        optimizer: its learning rate is that of the step.
        step: its batch is on the device of the model.
        recipe: weights and smoothing of the losses, and the largest norm of the gradient.
        scaler: of the loss, for float16; a scale that was too high skips the step.
        precision: in which to compute where that is safe.
        team: the processes that train together, and share the parts.
    """
    sums = step.batch.times.new_zeros(len(Losses._fields))
    scaler = scaler or GradScaler(sums.device.type, enabled=False)
    optimizer.zero_grad()
    for part, seed in step.parts(team):
        torch.manual_seed(seed)
        is_mixed = precision != torch.float32
        with torch.autocast(sums.device.type, precision, enabled=is_mixed):
            losses = objective(model, step.batch, step.draws, recipe, part=part)
        scaler.scale(losses.total).backward()  # type: ignore[no-untyped-call]
        sums += torch.stack([_value(loss, sums) for loss in losses])
    sums = team.add_up(model.parameters(), sums)
    scaler.unscale_(optimizer)
    if recipe.clip_norm is not None:
        nn.utils.clip_grad_norm_(model.parameters(), recipe.clip_norm)
    scaler.step(optimizer)
    scaler.update()
    return sums


def _value(loss: Tensor | None, like: Tensor) -> Tensor:
    return like.new_zeros(()) if loss is None else loss.detach().to(like)
