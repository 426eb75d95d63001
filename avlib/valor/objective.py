"""Training objective of the parser: losses, optimizer step, learning rates, order of the videos.

Sources: Tian et al., ECCV 2020 (HAN); Lai et al., NeurIPS 2023 (VALOR), section 3 and the
published programs. Pseudo labels enter unchanged; they are thresholded and gated by the weak
labels in `avlib.valor.pseudo_labels`.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Adam, AdamW, Optimizer

from avlib.valor.network import BaselineParser, ParsedEvents
from avlib.valor.recipes import ParserRecipe

# Video probabilities may lie outside of [0, 1]; both bounds are float32 numbers.
LOWEST, HIGHEST = 1e-7, 1 - 2.0**-23
VISUAL_SMOOTHING = 0.9  # of HAN: weight of the visual label, the rest is 1 / 2


class ParserBatch(NamedTuple):
    """Features and labels of B videos.

    Attributes:
        audio: (B, T, width) audio features.
        visual: (B, T, width) 2-D visual features.
        motion: (B, T, width) 3-D visual features.
        labels: (B, K) weak labels of 0 and 1, float.
        audio_labels: (B, T, K) pseudo labels of the audio teacher, float; None without any.
        visual_labels: (B, T, K) pseudo labels of the visual teacher; None without any.
    """

    audio: Tensor
    visual: Tensor
    motion: Tensor
    labels: Tensor
    audio_labels: Tensor | None
    visual_labels: Tensor | None

    def to(self, device: torch.device) -> "ParserBatch":
        """Return the batch on a device."""
        return ParserBatch._make(None if x is None else x.to(device) for x in self)


class ParserLosses(NamedTuple):
    """The total loss and its three parts, scalars.

    `audio` and `visual` compare segments with pseudo labels, or, for the baseline, videos with
    weak labels.
    """

    total: Tensor
    video: Tensor
    audio: Tensor
    visual: Tensor


def video_loss(probs: Tensor, labels: Tensor) -> Tensor:
    """Return the mean binary cross-entropy of probabilities (B, K), clamped to [LOWEST, HIGHEST].

    A clamped probability has no gradient.
    """
    return functional.binary_cross_entropy(probs.clamp(LOWEST, HIGHEST), labels)


def valor_losses(output: ParsedEvents, batch: ParserBatch) -> ParserLosses:
    """Return the losses of VALOR, on weak labels of videos and pseudo labels of segments.

    Raises:
        ValueError: if the batch has no pseudo labels.
    """
    if batch.audio_labels is None or batch.visual_labels is None:
        raise ValueError("the batch has no pseudo labels")
    loss = functional.binary_cross_entropy_with_logits
    audio = loss(output.frame_logits[:, :, 0], batch.audio_labels)
    visual = loss(output.frame_logits[:, :, 1], batch.visual_labels)
    video = video_loss(output.global_prob, batch.labels)
    return ParserLosses(audio + visual + video, video, audio, visual)


def baseline_losses(output: ParsedEvents, batch: ParserBatch) -> ParserLosses:
    """Return the losses of HAN, on weak labels: audio, visual and both together."""
    smooth = VISUAL_SMOOTHING * batch.labels + (1 - VISUAL_SMOOTHING) / 2
    audio = video_loss(output.a_prob, batch.labels)
    visual = video_loss(output.v_prob, smooth)
    video = video_loss(output.global_prob, batch.labels)
    return ParserLosses(audio + visual + video, video, audio, visual)


def run_parser(model: nn.Module, batch: ParserBatch) -> ParsedEvents:
    """Return the output of a network for a batch."""
    return model(batch.audio, batch.visual, batch.motion)


def parser_losses(model: nn.Module, output: ParsedEvents, batch: ParserBatch) -> ParserLosses:
    """Return the losses of a network's output: `baseline_losses` of HAN, else `valor_losses`."""
    if isinstance(model, BaselineParser):
        return baseline_losses(output, batch)
    return valor_losses(output, batch)


def build_optimizer(model: nn.Module, recipe: ParserRecipe) -> Optimizer:
    """Return the recipe's optimizer over all parameters, in one group.

    Parameters that the network does not use get no gradient and never change.
    """
    kind = AdamW if recipe.optimizer == "adamw" else Adam
    return kind(
        model.parameters(),
        lr=recipe.lr,
        betas=recipe.betas,
        eps=recipe.eps,
        weight_decay=recipe.weight_decay,
        fused=True,
    )


def train_step(
    model: nn.Module, optimizer: Optimizer, batch: ParserBatch, *, grad_norm: float | None
) -> dict[str, float]:
    """Take one step; return the losses before it and the norm of the gradient before clipping.

    Args:
        model: network, on the device of the batch.
        optimizer: with the learning rate of this step.
        batch: videos.
        grad_norm: largest norm of the gradient; None: not clipped.

    Returns:
        `loss`, `video_loss`, `audio_loss`, `visual_loss` and `grad_norm`.
    """
    optimizer.zero_grad()
    losses = parser_losses(model, run_parser(model, batch), batch)
    losses.total.backward()  # type: ignore[no-untyped-call]
    largest = math.inf if grad_norm is None else grad_norm
    norm = nn.utils.clip_grad_norm_(model.parameters(), largest)
    optimizer.step()
    values = torch.stack([*losses, norm]).tolist()
    return dict(zip((*loss_names(), "grad_norm"), values, strict=True))


def loss_names() -> list[str]:
    """Return the names of the losses in the log, in the order of ParserLosses."""
    return ["loss", *(f"{part}_loss" for part in ParserLosses._fields[1:])]


def epoch_rate(epoch: int, recipe: ParserRecipe) -> float:
    """Return the learning rate of all steps of an epoch, counted from 1."""
    if recipe.scheduler == "steplr":
        return recipe.lr * recipe.step_factor ** ((epoch - 1) // recipe.step_epochs)
    warm_up = recipe.warm_up_epochs
    if epoch < warm_up:
        return epoch / warm_up * recipe.lr
    share = (epoch - warm_up) / max(recipe.epochs - warm_up, 1)  # 0 if all epochs are warm-up
    return recipe.lr_min + 0.5 * (recipe.lr - recipe.lr_min) * (1 + math.cos(math.pi * share))


class EpochOrders:
    """The order of the training videos in each epoch, as in the published program.

    That program draws three numbers per epoch from torch's CPU generator: two when training begins
    (the second is the seed of the order), one when validation begins. Dropout on a GPU draws none.

    Args:
        state: state of the generator after the initial weights are drawn.
        n_videos: number of videos.
    """

    def __init__(self, state: Tensor, n_videos: int) -> None:
        self.state, self.n_videos = state, n_videos

    def __call__(self, epoch: int) -> Tensor:
        """Return the order of an epoch, counted from 0: (n_videos,)."""
        generator = torch.Generator().set_state(self.state)
        drawn = [_draw(generator) for _ in range(3 * epoch + 2)]
        return torch.randperm(self.n_videos, generator=torch.Generator().manual_seed(drawn[-1]))


def _draw(generator: torch.Generator) -> int:
    return int(torch.empty((), dtype=torch.int64).random_(generator=generator))
