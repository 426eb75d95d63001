"""What a parser of audio-visual events is trained for: losses, steps, rates, orders.

Sources: Tian et al., ECCV 2020 (HAN); Lai et al., NeurIPS 2023 (VALOR), section 3 and the
published programs. The labels of the teachers enter as they are; what smooths or gates them is
done before.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Adam, AdamW, Optimizer

from avlib.io.checkpoints import fit_state_dict, load_state_dict
from avlib.valor.feature_folders import FEATURES
from avlib.valor.network import BaselineParser, EventParser, ParsedEvents
from avlib.valor.recipes import EventParsingRecipe

NETWORKS = {"valor": EventParser, "han": BaselineParser}
# Video probabilities may lie outside of [0, 1]; both bounds are float32 numbers.
LOWEST, HIGHEST = 1e-7, 1 - 2.0**-23
VISUAL_SMOOTHING = 0.9  # of HAN: that share of a visual label is kept, the rest is an even chance


class ParsingBatch(NamedTuple):
    """Videos of a step.

    Attributes:
        audio: (B, T, width).
        visual: (B, T, width), 2-D features.
        motion: (B, T, width), 3-D features.
        labels: (B, K), 1 where a video has an event of the class, float.
        audio_labels: (B, T, K) of the audio teacher, float; None where there are none.
        visual_labels: (B, T, K) of the visual teacher.
    """

    audio: Tensor
    visual: Tensor
    motion: Tensor
    labels: Tensor
    audio_labels: Tensor | None
    visual_labels: Tensor | None

    def to(self, device: torch.device) -> "ParsingBatch":
        """Return the batch on a device."""
        return ParsingBatch._make(None if x is None else x.to(device) for x in self)


class ParsingLosses(NamedTuple):
    """The objective and its parts, each of no dimension.

    The parts for sound and picture are those of the teachers' segment labels, or, of the baseline,
    those of the video labels.
    """

    total: Tensor
    video: Tensor
    audio: Tensor
    visual: Tensor


def video_loss(probs: Tensor, labels: Tensor) -> Tensor:
    """Return the mean cross-entropy of probabilities (B, K), clamped to [LOWEST, HIGHEST].

    What is clamped has no gradient.
    """
    return functional.binary_cross_entropy(probs.clamp(LOWEST, HIGHEST), labels)


def valor_losses(output: ParsedEvents, batch: ParsingBatch) -> ParsingLosses:
    """Return the losses of VALOR: those of video labels and of the teachers' segment labels.

    Raises:
        ValueError: if the batch has no segment labels.
    """
    if batch.audio_labels is None or batch.visual_labels is None:
        raise ValueError("the batch has no segment labels of the teachers")
    loss = functional.binary_cross_entropy_with_logits
    audio = loss(output.frame_logits[:, :, 0], batch.audio_labels)
    visual = loss(output.frame_logits[:, :, 1], batch.visual_labels)
    video = video_loss(output.global_prob, batch.labels)
    return ParsingLosses(audio + visual + video, video, audio, visual)


def baseline_losses(output: ParsedEvents, batch: ParsingBatch) -> ParsingLosses:
    """Return the losses of HAN: those of video labels, for all, for sound and for picture."""
    smooth = VISUAL_SMOOTHING * batch.labels + (1 - VISUAL_SMOOTHING) / 2
    audio = video_loss(output.a_prob, batch.labels)
    visual = video_loss(output.v_prob, smooth)
    video = video_loss(output.global_prob, batch.labels)
    return ParsingLosses(audio + visual + video, video, audio, visual)


def ask(model: nn.Module, batch: ParsingBatch) -> ParsedEvents:
    """Return what a network says of a batch."""
    return model(batch.audio, batch.visual, batch.motion)


def losses_of(model: nn.Module, output: ParsedEvents, batch: ParsingBatch) -> ParsingLosses:
    """Return the losses that a network is trained for, of what it says of a batch."""
    if isinstance(model, BaselineParser):
        return baseline_losses(output, batch)
    return valor_losses(output, batch)


def build_optimizer(model: nn.Module, recipe: EventParsingRecipe) -> Optimizer:
    """Return what the recipe names, on all parameters alike.

    Parameters that the network does not use have no gradient, and so never change.
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
    model: nn.Module, optimizer: Optimizer, batch: ParsingBatch, *, grad_norm: float | None
) -> dict[str, float]:
    """Take one step; return the losses before it and the gradient's norm before it is clipped.

    Args:
        model: on the device of the batch.
        optimizer: its learning rate is that of the step.
        batch: videos.
        grad_norm: largest norm of the gradient; None for any.

    Returns:
        `loss`, `video_loss`, `audio_loss`, `visual_loss` and `grad_norm`.
    """
    optimizer.zero_grad()
    losses = losses_of(model, ask(model, batch), batch)
    losses.total.backward()  # type: ignore[no-untyped-call]
    largest = math.inf if grad_norm is None else grad_norm
    norm = nn.utils.clip_grad_norm_(model.parameters(), largest)
    optimizer.step()
    values = torch.stack([*losses, norm]).tolist()
    return dict(zip((*loss_names(), "grad_norm"), values, strict=True))


def loss_names() -> list[str]:
    """Return what the losses are called in the log, in the order of ParsingLosses."""
    return ["loss", *(f"{part}_loss" for part in ParsingLosses._fields[1:])]


def epoch_rate(epoch: int, recipe: EventParsingRecipe) -> float:
    """Return the learning rate of an epoch, from 1; it is the same for all of its steps."""
    if recipe.scheduler == "steplr":
        return recipe.lr * recipe.step_factor ** ((epoch - 1) // recipe.step_epochs)
    warm_up = recipe.warm_up_epochs
    if epoch < warm_up:
        return epoch / warm_up * recipe.lr
    share = (epoch - warm_up) / max(recipe.epochs - warm_up, 1)  # 0 where all is warm-up
    return recipe.lr_min + 0.5 * (recipe.lr - recipe.lr_min) * (1 + math.cos(math.pi * share))


def network_sizes(
    recipe: EventParsingRecipe, widths: Mapping[str, int] | None = None, **sizes: Any
) -> dict[str, Any]:
    """Return the arguments of a recipe's network.

    Args:
        recipe: of the network.
        widths: of `audio`, `visual` and `motion` features; None for the published ones.
        sizes: other arguments of `EventParser`, such as `num_classes`.
    """
    widths = widths or {name: FEATURES[kind].width for name, kind in recipe.kinds.items()}
    of_recipe = ("hidden_dim", "nhead", "ff_dim", "num_layers", "norm_where")
    found = {f"{modality}_dim": width for modality, width in widths.items()}
    return found | {name: getattr(recipe, name) for name in of_recipe} | sizes


def new_event_parser(seed: int, network: str = "valor", **sizes: Any) -> tuple[EventParser, Tensor]:
    """Return a network with the first weights of a seed, and the random state after they are drawn.

    Both are those of the published program; the random state is what its orders come from.

    Args:
        seed: of torch's generator on the CPU.
        network: key of NETWORKS.
        sizes: arguments of the network.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = NETWORKS[network](**sizes)
        return model, torch.get_rng_state()


def load_event_parser(path: Path, network: str = "valor", **sizes: Any) -> EventParser:
    """Return the network of a checkpoint, such as the published `checkpoint_best.pt`.

    Args:
        path: torch file with a plain state dictionary, or safetensors.
        network: key of NETWORKS.
        sizes: arguments of the network, as `network_sizes` gives them.

    Raises:
        CheckpointError: if the file cannot be read as weights, or does not fit exactly; the message
            names what is missing, unexpected or of another shape.
    """
    state = load_state_dict(path)
    with torch.random.fork_rng(devices=[]):
        model = NETWORKS[network](**sizes)
    fit_state_dict(model, state, path)
    return model


class EpochOrders:
    """The orders in which the published program goes through its videos.

    It draws three numbers an epoch from torch's generator on the CPU: two when it begins to train
    (the second one seeds the order), one when it begins to validate. Dropout on a GPU draws none.

    Args:
        state: of the generator after the first weights are drawn.
        n_videos: number of videos.
    """

    def __init__(self, state: Tensor, n_videos: int) -> None:
        self.state, self.n_videos = state, n_videos

    def __call__(self, epoch: int) -> Tensor:
        """Return the order of an epoch, from 0: (n_videos,)."""
        generator = torch.Generator().set_state(self.state)
        drawn = [_draw(generator) for _ in range(3 * epoch + 2)]
        return torch.randperm(self.n_videos, generator=torch.Generator().manual_seed(drawn[-1]))


def _draw(generator: torch.Generator) -> int:
    return int(torch.empty((), dtype=torch.int64).random_(generator=generator))
