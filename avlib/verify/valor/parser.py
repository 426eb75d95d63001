"""Operations on the parser: outputs, names of its weights, losses, rates, training steps."""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from avlib.valor import objective
from avlib.valor.network import (
    MOTION_DIM,
    EventParser,
    ParsedEvents,
    clap_time_map,
    pool_to_segments,
)
from avlib.valor.recipes import ParserRecipe
from avlib.valor.weights import PARSERS, new_parser
from avlib.verify.networks import Optimization, refuse_low_precision, weight_list
from avlib.verify.operations import Array, Results, Weights, operation

STREAMS = ("x_audio_in", "x_visual_in", "x_audio_out", "x_visual_out")
LOSSES = ("video_loss", "audio_loss", "visual_loss", "loss")  # columns of `losses`


def parser(
    *,
    network: Literal["valor", "han"] = "valor",
    audio_dim: int,
    visual_dim: int,
    motion_dim: int = MOTION_DIM,
    hidden_dim: int,
    nhead: int,
    ff_dim: int,
    num_layers: int,
    norm_where: Literal["post_norm", "pre_norm"] = "post_norm",
) -> EventParser:
    """Return the network."""
    sizes = {name: value for name, value in locals().items() if name != "network"}
    return PARSERS[network](**sizes)


operation("valor", "state_dict", build=parser)(weight_list())


@operation("valor", "forward", build=parser)
@torch.inference_mode()
def forward(
    build: Callable[[], EventParser],
    weights: Weights,
    audio: Tensor,
    visual: Tensor,
    motion: Tensor,
) -> Results:
    """Return the outputs, and the streams before and after the encoder, of features of files."""
    model = weights.fill(build()).eval()
    before = model.streams(*(pool_to_segments(x) for x in (audio, visual, motion)))
    after = model.hat_encoder(*before)
    streams = dict(zip(STREAMS, (*before, *after), strict=True))
    return model.parse(*after)._asdict() | streams


@operation("valor", "first_weights", build=parser)
def first_weights(build: Any, *, torch_seed: int, n_videos: int) -> Results:
    """Return digests of the first weights of a seed, and the order of the first epoch.

    A digest is sum, absolute sum, first and last value of a parameter.
    """
    model, state = new_parser(torch_seed, **build.keywords)
    named = {name: p.detach().double().flatten() for name, p in model.named_parameters()}
    return {
        "param_names": list(named),
        "digests": [
            [float(x) for x in (p.sum(), p.abs().sum(), p[0], p[-1])] for p in named.values()
        ],
        "first_epoch_order": objective.EpochOrders(state, n_videos)(0),
    }


@operation("valor", "clap_time_map")
def time_map() -> Results:
    """Return what takes the time bins of an audio map to segments."""
    return {"P": clap_time_map()}


@operation("valor", "losses")
def losses(
    frame_logits: Tensor,
    global_prob: Tensor,
    labels: Tensor,
    audio_labels: Tensor,
    visual_labels: Tensor,
    a_prob: Tensor | None = None,
    v_prob: Tensor | None = None,
) -> Results:
    """Return the losses of given outputs: those of VALOR, and, with `a_prob`, those of HAN."""
    nothing = frame_logits.new_empty(0)
    a, v = (nothing if x is None else x for x in (a_prob, v_prob))
    output = ParsedEvents(global_prob, a, v, frame_logits.sigmoid(), frame_logits)
    targets = (x.to(frame_logits.dtype) for x in (labels, audio_labels, visual_labels))
    batch = objective.ParserBatch(nothing, nothing, nothing, *targets)
    found = {"valor": objective.valor_losses(output, batch)}
    if a_prob is not None:
        found["han"] = objective.baseline_losses(output, batch)
    return {f"{of}/{name}": x for of, all_ in found.items() for name, x in all_._asdict().items()}


@operation("valor", "learning_rates")
def learning_rates(
    *,
    scheduler: Literal["warm_up_cos_anneal", "steplr"],
    lr: float,
    lr_min: float = 0.0,
    epochs: int,
    warm_up_epochs: int = 10,
    step_epochs: int = 10,
    step_factor: float = 0.1,
) -> Results:
    """Return the rate of every epoch, from 1."""
    recipe = ParserRecipe(name="case", seed=0, **locals())
    return {"lr": [objective.epoch_rate(epoch, recipe) for epoch in range(1, epochs + 1)]}


def given_batches(
    audio: Tensor,
    visual: Tensor,
    motion: Tensor,
    labels: Tensor | None = None,
    audio_labels: Tensor | None = None,
    visual_labels: Tensor | None = None,
) -> list[objective.ParserBatch]:
    """Return the batch of each step, the first axis of all inputs."""
    features = [[pool_to_segments(step) for step in x] for x in (audio, visual, motion)]
    given = (labels, audio_labels, visual_labels)
    targets: list[Any] = [[None] * len(audio) if x is None else x for x in given]
    return [objective.ParserBatch(*of_step) for of_step in zip(*features, *targets, strict=True)]


@operation(
    *("valor", "train_steps"), build=parser, batches_of=given_batches, optimization=Optimization
)
def train_steps(
    build: Callable[[], EventParser],
    batches_of: Callable[[], list[objective.ParserBatch]],
    optimization: Callable[[], Optimization],
    weights: Weights,
    *,
    lr_per_step: list[float],
    dropout: bool,
    torch_seed: int = 0,
) -> Results:
    """Return losses and gradients of some steps, and the weights after them.

    The columns of `losses` are video, audio, visual and total, those of `grad_norm` before and
    after clipping; `param_grad_norm` is of the first step, before clipping, 0 where there is no
    gradient. Dropout is at the network's own rate.
    """
    refuse_low_precision(weights)
    model, settings = weights.fill(build()).train(dropout), optimization()
    kind: Literal["adam", "adamw"] = "adam" if settings.optimizer.name == "Adam" else "adamw"
    recipe = ParserRecipe(name="case", seed=0, lr=settings.optimizer.lr, optimizer=kind)
    built = objective.build_optimizer(model, recipe)
    settings.configure(model, built)
    batches = batches_of()
    rows, norms = [], []
    first = _first_norms(model, batches[0], torch_seed)
    torch.manual_seed(torch_seed)
    for batch, rate in zip(batches, lr_per_step, strict=True):
        for group in built.param_groups:
            group["lr"] = rate
        values = objective.train_step(model, built, batch, grad_norm=settings.gradient_clipping)
        rows.append([values[name] for name in LOSSES])
        norms.append([values["grad_norm"], float(np.linalg.norm(_gradient_norms(model)))])
    return {
        "losses": rows,
        "grad_norm": norms,
        "param_grad_norm": first,
        "param_names": [name for name, _ in model.named_parameters()],
        "without_gradient": [name for name, p in model.named_parameters() if p.grad is None],
        **{f"parameters/{name}": p for name, p in model.named_parameters()},
    }


def _first_norms(model: nn.Module, batch: objective.ParserBatch, seed: int) -> Array:
    torch.manual_seed(seed)
    total: Tensor = objective.parser_losses(model, objective.run_parser(model, batch), batch).total
    total.backward()  # type: ignore[no-untyped-call]
    return _gradient_norms(model)


def _gradient_norms(model: nn.Module) -> Array:
    """Return the norm of the gradient of each parameter, 0 where there is none."""
    gradients = (p.grad for p in model.parameters())
    return np.array([0.0 if g is None else g.double().norm().item() for g in gradients])
