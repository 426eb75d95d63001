"""Golden cases of the training of the parsing network: losses, rates, steps."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from avlib.valor.feature_folders import FEATURE_KINDS
from avlib.valor.network import MOTION_DIM, NUM_CLASSES, SEGMENTS, ParsedEvents, pool_to_segments
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
from avlib.valor.recipes import PARSER_RECIPES, ParserRecipe
from avlib.verify.golden import Case, Comparison, Numerics, compare, compare_exactly
from avlib.verify.rule import fill_by_rule, rule_input
from avlib.verify.tolerance import NUMBER, Tolerance
from avlib.verify.valor.networks import build, digests

LOSSES = ("video_loss", "audio_loss", "visual_loss", "loss")  # in the order of the golden rows
RENAMED = {"warm_up_epoch": "warm_up_epochs", "step_size": "step_epochs", "gamma": "step_factor"}
# Soft-max does not change with these, so their gradient is 0 but for rounding.
WITHOUT_GRADIENT = ("fc_frame_att.bias", "fc_av_att.bias", "in_proj_bias")


def losses(case: Case, numerics: Numerics) -> Iterator[Comparison]:
    """Compare the losses of VALOR and of HAN on stored outputs."""
    arrays = {
        name: torch.from_numpy(values).to(numerics.device, torch.float32)
        for name, values in case.own_arrays().items()
    }
    frame_logits = arrays["frame_logits"]
    nothing = frame_logits.new_empty(0)
    by_modality = (arrays.get("a_prob", nothing), arrays.get("v_prob", nothing))
    output = ParsedEvents(arrays["output"], *by_modality, frame_logits.sigmoid(), frame_logits)
    labels = (arrays["label"], arrays["audio_pseudo"], arrays["visual_pseudo"])
    batch = ParserBatch(nothing, nothing, nothing, *labels)
    total, *parts = valor_losses(output, batch)
    names = ("loss_video", "loss_valor_a", "loss_valor_v", "loss_total")
    for name, loss in zip(names, (*parts, total), strict=True):
        yield compare(name, loss, arrays[name].cpu(), case.tolerance(name))
    if (name := "han_losses_a_v_video") in arrays:
        _, video, audio, visual = baseline_losses(output, batch)
        found = torch.stack([audio, visual, video])
        yield compare(name, found, arrays[name].cpu(), case.tolerance(name))


def learning_rates(case: Case, _: Numerics) -> Iterator[Comparison]:
    """Compare the rate of every epoch."""
    settings = {RENAMED.get(name, name): v for name, v in case.content["settings"].items()}
    base = PARSER_RECIPES["valor"]
    recipe = _changed(base, settings)
    name = "lr_used_in_epoch_1_to_N"
    rates = [epoch_rate(epoch, recipe) for epoch in range(1, recipe.epochs + 1)]
    yield compare(name, rates, case.content[name], case.tolerance(name))


def train_steps(case: Case, numerics: Numerics) -> Iterator[Comparison]:
    """Compare losses and gradients of some steps, and the weights after them.

    They run in float32 or float64 whatever was asked for; nobody trains in less.
    """
    c, arrays = case.content, case.own_arrays()
    dtype = torch.float64 if numerics.dtype == torch.float64 else torch.float32
    model = build(c)
    fill_by_rule(model, c["fill_seed"])
    model.to(numerics.device, dtype).eval()  # without dropout
    optimizer, clip_norm = build_optimizer(model, _recipe(c["optimizer"])), _clip_norm(c["what"])
    rows, norms = [], []
    for step, rate in enumerate(c["optimizer"]["lr_per_step"]):
        batch = _batch(c, step, numerics.device, dtype)
        if step == 0:
            parser_losses(model, run_parser(model, batch), batch).total.backward()  # type: ignore[no-untyped-call]
            first_norms = _gradient_norms(model, c["param_names"])
        optimizer.param_groups[0]["lr"] = rate
        values = train_step(model, optimizer, batch, grad_norm=clip_norm)
        rows.append([values[name] for name in LOSSES])
        clipped = float(np.linalg.norm(_gradient_norms(model, c["param_names"])))
        norms.append([values["grad_norm"], clipped])
    names = [name for name, p in model.named_parameters() if p.grad is None]
    yield compare_exactly("params_without_gradient", names, c["params_without_gradient"])
    yield compare("losses", rows, arrays["losses"], _relative(case, "losses"))
    yield compare("grad_norm", norms, arrays["grad_norm"], _relative(case, "grad_norm"))
    name = "param_grad_norm_step0"
    yield compare(name, first_norms, arrays[name], case.tolerance("param_grad_norm"))
    yield from _weights(case, model)


def _recipe(optimizer: Mapping[str, Any]) -> ParserRecipe:
    """Return a recipe with the optimiser of a case."""
    return _changed(
        PARSER_RECIPES["valor"],
        {
            "optimizer": optimizer["name"].lower(),
            "betas": tuple(optimizer["betas"]),
            "eps": optimizer["eps"],
            "weight_decay": optimizer["weight_decay"],
        },
    )


def _changed(recipe: ParserRecipe, values: Mapping[str, Any]) -> ParserRecipe:
    fields = vars(recipe)
    return ParserRecipe(**fields | {n: v for n, v in values.items() if n in fields})


def _clip_norm(text: str) -> float | None:
    """Read the norm in `clip_grad_norm_(max_norm=1)`; None where there is none."""
    found = re.search(rf"max_norm={NUMBER}", text)
    return float(found[1]) if found else None


def _batch(
    content: Mapping[str, Any], step: int, device: torch.device, dtype: torch.dtype
) -> ParserBatch:
    """Return the batch of a step, whose inputs and labels are described in words."""
    text = content["inputs"]
    seed, size = (_number(pattern, text) for pattern in (r"seed=(\d+)\+i", r"\bB=(\d+)"))

    def drawn(name: str, *shape: int) -> Tensor:
        values = rule_input(name, (size, *shape), seed + step)
        return torch.from_numpy(values).to(device, dtype)

    def is_above(name: str, *shape: int) -> Tensor:
        threshold = re.search(rf'rule_input\("{name}",[^>]*> {NUMBER}', text)
        if threshold is None:
            raise ValueError(f"no threshold of {name!r} in {text!r}")
        return (drawn(name, *shape) > float(threshold[1])).to(dtype)

    widths = {
        "audio": content["config"]["input_a_dim"],
        "video_s": content["config"]["input_v_dim"],
    }
    inputs = [drawn(name, *_shape(name, width)) for name, width in widths.items()]
    inputs.append(drawn("video_st", SEGMENTS, MOTION_DIM))
    segments = (SEGMENTS, NUM_CLASSES)
    labels = (is_above("label", NUM_CLASSES), is_above("pa", *segments), is_above("pv", *segments))
    return ParserBatch._make([*(pool_to_segments(x) for x in inputs), *labels])


def _number(pattern: str, text: str) -> int:
    found = re.search(pattern, text)
    if found is None:
        raise ValueError(f"no {pattern!r} in {text!r}")
    return int(found[1])


def _shape(name: str, width: int) -> tuple[int, int]:
    """Return rows and width of an input: those of the published feature of that width."""
    kinds = {"audio": ("vggish", "clap"), "video_s": ("res152", "clip")}[name]
    rows = [FEATURE_KINDS[kind].rows for kind in kinds if FEATURE_KINDS[kind].width == width]
    return rows[0] if rows else SEGMENTS, width


def _gradient_norms(model: nn.Module, names: list[str]) -> NDArray[np.float64]:
    """Return the norm of the gradient of each parameter, 0 where there is none."""
    gradients = (model.get_parameter(name).grad for name in names)
    return np.array([0.0 if g is None else g.double().norm().item() for g in gradients])


def _relative(case: Case, name: str) -> Tolerance:
    """Read the entry `<name>_rel`, or what other sidecars have."""
    given = case.content.get("tolerance")
    if isinstance(given, Mapping) and f"{name}_rel" in given:
        return Tolerance(0.0, float(given[f"{name}_rel"]))
    return case.tolerance(name)


def _weights(case: Case, model: nn.Module) -> Iterator[Comparison]:
    """Compare the weights, but for those whose gradient is only rounding."""
    text = case.content["tolerance"]["digest"]
    ends = re.search(rf"first/last element abs {NUMBER}", text)
    sums = re.search(rf"abs {NUMBER} \* absolute sum \+ {NUMBER}", text)
    if ends is None or sums is None:
        raise ValueError(f"not a tolerance of digests: {text!r}")
    golden = case.own_arrays()["param_digest__f64"]
    for name, found, expected in zip(
        case.content["param_names"],
        digests(model, case.content["param_names"]),
        golden,
        strict=True,
    ):
        if name.endswith(WITHOUT_GRADIENT):
            continue
        yield compare(f"{name} ends", found[2:], expected[2:], Tolerance(float(ends[1]), 0.0))
        allowed = float(sums[1]) * expected[1] + float(sums[2])
        yield compare(f"{name} sums", found[:2], expected[:2], Tolerance(allowed, 0.0))
