"""Operations of the training of the parser: losses, rates, steps."""

from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import Optimizer

from avlib.valor.network import ParsedEvents, pool_to_segments
from avlib.valor.objective import (
    ParserBatch,
    baseline_losses,
    build_optimizer,
    epoch_rate,
    parser_losses,
    run_parser,
    train_step,
    valor_losses,
)
from avlib.valor.recipes import ParserRecipe
from avlib.verify.by_class import Arguments, Inputs, Results, operation
from avlib.verify.cases import CaseError
from avlib.verify.networks import (
    Clipping,
    OptimizerSettings,
    ParameterGroup,
    configure,
)
from avlib.verify.valor.networks import INPUTS, ParserSizes

LOSSES = ("video_loss", "audio_loss", "visual_loss", "loss")  # columns of `losses`
LABELS = ("labels", "audio_labels", "visual_labels")


@operation("valor", "losses")
def losses(arguments: Arguments, inputs: Inputs) -> Results:
    """Return the losses of given outputs: those of VALOR, and, with `a_prob`, those of HAN."""
    frame_logits = inputs.tensor("frame_logits")
    nothing = frame_logits.new_empty(0)
    a_prob, v_prob = (inputs.tensor(n) if n in inputs else nothing for n in ("a_prob", "v_prob"))
    global_prob = inputs.tensor("global_prob")
    output = ParsedEvents(global_prob, a_prob, v_prob, frame_logits.sigmoid(), frame_logits)
    labels = (inputs.tensor(name).to(frame_logits.dtype) for name in LABELS)
    batch = ParserBatch(nothing, nothing, nothing, *labels)
    results = {f"valor/{name}": x for name, x in valor_losses(output, batch)._asdict().items()}
    if "a_prob" in inputs:
        found = baseline_losses(output, batch)._asdict()
        results |= {f"han/{name}": x for name, x in found.items()}
    return results


class EpochRateArguments(Arguments):
    """Learning rates by epochs."""

    scheduler: Literal["warm_up_cos_anneal", "steplr"]
    lr: float
    lr_min: float = 0.0
    epochs: int
    warm_up_epochs: int = 10
    step_epochs: int = 10
    step_factor: float = 0.1


@operation("valor", "learning_rates")
def learning_rates(arguments: EpochRateArguments, inputs: Inputs) -> Results:
    """Return the rate of every epoch, from 1."""
    recipe = ParserRecipe(name="case", seed=0, **arguments.model_dump())
    return {"lr": [epoch_rate(epoch, recipe) for epoch in range(1, recipe.epochs + 1)]}


class ParserStepArguments(ParserSizes):
    """Sizes and settings of a training.

    Attributes:
        optimizer: its `lr` is that of the first step.
        parameter_groups: with a weight decay of their own; null: all parameters alike.
        lr_per_step: learning rate of each step.
        gradient_clipping: largest norm of the gradient; null for any.
        dropout: whether there is dropout, of the network's own rate.
        torch_seed: of dropout.
    """

    optimizer: OptimizerSettings
    parameter_groups: list[ParameterGroup] | None = None
    lr_per_step: list[float]
    gradient_clipping: Clipping
    dropout: bool
    torch_seed: int = 0


@operation("valor", "train_steps")
def train_steps(arguments: ParserStepArguments, inputs: Inputs) -> Results:
    """Return losses and gradients of some steps, and the weights after them.

    All inputs but the weights have a first axis of steps. The columns of `losses` are video,
    audio, visual and total, those of `grad_norm` before and after clipping; `param_grad_norm` is
    of the first step, before clipping, 0 where there is no gradient.
    """
    if inputs.numerics.dtype not in (torch.float32, torch.float64):
        raise CaseError("nobody trains in less than float32")
    model = inputs.filled(arguments.build()).train(arguments.dropout)
    optimizer, batches = _optimizer(model, arguments), _batches(inputs)
    rows, norms = [], []
    first = _first_norms(model, batches[0], arguments.torch_seed)
    torch.manual_seed(arguments.torch_seed)
    for batch, rate in zip(batches, arguments.lr_per_step, strict=True):
        for group in optimizer.param_groups:
            group["lr"] = rate
        values = train_step(model, optimizer, batch, grad_norm=arguments.gradient_clipping)
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


def _optimizer(model: nn.Module, arguments: ParserStepArguments) -> Optimizer:
    settings = arguments.optimizer
    kind: Literal["adam", "adamw"] = "adam" if settings.name == "Adam" else "adamw"
    optimizer = build_optimizer(
        model, ParserRecipe(name="case", seed=0, lr=settings.lr, optimizer=kind)
    )
    configure(model, optimizer, settings, arguments.parameter_groups)
    return optimizer


def _batches(inputs: Inputs) -> list[ParserBatch]:
    """Return the batch of each step."""
    given: dict[str, Any] = {name: inputs.tensor(name) for name in INPUTS}
    labels = {name: inputs.tensor(name) for name in LABELS if name in inputs}
    return [
        ParserBatch(
            *(pool_to_segments(x[step]) for x in given.values()),
            *(labels[name][step] if name in labels else None for name in LABELS),
        )
        for step in range(len(given["audio"]))
    ]


def _first_norms(model: nn.Module, batch: ParserBatch, seed: int) -> NDArray[np.float64]:
    torch.manual_seed(seed)
    total: Tensor = parser_losses(model, run_parser(model, batch), batch).total
    total.backward()  # type: ignore[no-untyped-call]
    return _gradient_norms(model)


def _gradient_norms(model: nn.Module) -> NDArray[np.float64]:
    """Return the norm of the gradient of each parameter, 0 where there is none."""
    gradients = (p.grad for p in model.parameters())
    return np.array([0.0 if g is None else g.double().norm().item() for g in gradients])
