"""Golden cases of the training: steps, mixup, localisation loss, learning rates."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from avlib.tim.batches import WindowBatch
from avlib.tim.network import TIM
from avlib.tim.objective import (
    StepDraws,
    build_optimizer,
    localisation_errors,
    mix,
    mixed_cross_entropy,
    train_step,
)
from avlib.tim.recipes import TimRecipe
from avlib.training.schedules import warm_cosine_rate
from avlib.verify.golden import Case, Comparison, Numerics, compare
from avlib.verify.rule import fill_by_rule, rule_values
from avlib.verify.tim.network import DEFAULTS, build, described_input, quoted_inputs

SMOOTHING = 0.2
LABELS = ("label_verb", "label_noun", "label_action", "label_class_id")


def train_steps(case: Case, numerics: Numerics) -> Iterator[Comparison]:
    """Compare losses, gradients and learning rates of some steps, and the weights after them.

    They run in float32 or float64 whatever was asked for; nobody trains in less.
    """
    c, arrays, config = case.content, case.own_arrays(), case.content["config"]
    dtype = torch.float64 if numerics.dtype == torch.float64 else torch.float32
    model = build(config, dropout=0.0)
    fill_by_rule(model, case.sidecar["seed"])
    model.to(numerics.device, dtype).train()
    optimizer = build_optimizer(model, rate=config["lr"], weight_decay=config["weight_decay"])
    losses, norms, rates = [], [], [_rate(c, step) for step in range(c["steps"] + 1)]
    for step in range(c["steps"]):
        optimizer.param_groups[0]["lr"] = rates[step]
        batch = _batch(case, step, model, dtype, numerics.device)
        draws = StepDraws(
            float(arrays["lambda"][step]),
            torch.from_numpy(arrays["perm"][step]).long(),
            torch.from_numpy(np.stack([arrays["pos1"][step], arrays["pos2"][step]])).long(),
        )
        clip_norm = 1.0 if c["clip_grad_norm_1"] else None
        found = train_step(
            model,
            optimizer,
            batch,
            draws,
            replace(_recipe(config), clip_norm=clip_norm),
            dropout_seeds=[0],  # unused, as there is no dropout
        )
        losses.append(_loss_row(found.tolist(), batch, model))
        norms.append(torch.stack([p.grad.norm() for p in model.parameters() if p.grad is not None]))
    yield compare("lr", rates, arrays["lr"], case.tolerance("lr"))
    yield compare("losses", losses, arrays["losses"], case.tolerance("losses"))
    sizes = torch.stack(norms).norm(dim=1)
    name = "grad_norm_at_step"
    yield compare(name, sizes, arrays[name], case.tolerance(name))
    yield from _parameters(case, model)


def _rate(content: Mapping[str, Any], step: int) -> float:
    return warm_cosine_rate(
        step,
        base_rate=content["config"]["lr"],
        end_rate=content["eta_min"],
        total_steps=content["total_steps_T_max"],
        warmup_steps=content["warmup_steps"],
    )


def _recipe(config: Mapping[str, Any]) -> TimRecipe:
    return TimRecipe(
        name="case",
        lambda_audio=config["lambda_audio"],
        lambda_drloc=config["lambda_drloc"],
        label_smoothing=SMOOTHING,
        data_modality=config.get("data_modality", DEFAULTS["data_modality"]),
    )


def _batch(
    case: Case, step: int, model: TIM, dtype: torch.dtype, device: torch.device
) -> WindowBatch:
    """Return the batch of a step; its features are described in words."""
    described = dict(re.findall(r"(visual|audio): (rule_input\([^)]*\))", case.content["inputs"]))
    inputs = {
        name: described_input(text.replace("<step>", str(step)))
        for name, text in described.items()
        if model.model_modality in ("audio_visual", name)
    }
    visual, audio = (inputs.get(name) for name in ("visual", "audio"))
    arrays = case.own_arrays()
    labels = [torch.from_numpy(arrays[f"{step}.{name}"]).long() for name in LABELS]
    visual_labels, audio_labels = torch.stack(labels[:3], dim=2), labels[3]
    return WindowBatch(
        visual=None if visual is None else visual.to(device, dtype),
        audio=None if audio is None else audio.to(device, dtype),
        times=torch.from_numpy(arrays[f"{step}.times"]).to(device, dtype),
        visual_labels=visual_labels.to(device),
        audio_labels=audio_labels.to(device),
        visual_queries=visual_labels[..., 0].to(device),
        audio_queries=audio_labels.to(device),
    )


def _loss_row(losses: Sequence[float], batch: WindowBatch, model: TIM) -> list[float]:
    """Return visual, verb, noun, action, audio, total, localisation and the counts of labels."""
    total, verb, noun, action, audio, drloc = losses
    counts = [(x != -1).sum().item() for x in (batch.visual_labels[..., 2], batch.audio_labels)]
    n_visual = sum(name.startswith("visual") for name in model.cls_head.names)
    mean = (verb + noun + action) / max(n_visual, 1)
    return [mean, verb, noun, action, audio, total, drloc, *counts]


def _parameters(case: Case, model: TIM) -> Iterator[Comparison]:
    """Compare the weights; the bias of keys has no gradient but rounding, and is left out."""
    arrays = case.own_arrays()
    for i, name in enumerate(case.content["param_order"]):
        values = model.get_parameter(name).detach().flatten()
        first = values[:4]
        if name.endswith("self_attn.in_proj_bias"):
            query, _, value = values.chunk(3)
            values = torch.cat([query, value])
        golden, tolerance = arrays["param_abs_sum"][i], case.tolerance("param_abs_sum")
        yield compare(f"{name} abs_sum", values.double().abs().sum(), golden, tolerance)
        golden = arrays["param_first4"][i][: len(first)]
        yield compare(f"{name} first4", first, golden, case.tolerance("param_first4"))


def rates(case: Case, _: Numerics) -> Iterator[Comparison]:
    """Compare the learning rate at given steps."""
    c, arrays = case.content, case.own_arrays()
    result = [
        warm_cosine_rate(
            step,
            base_rate=c["base_lr"],
            end_rate=c["eta_min"],
            total_steps=c["steps_per_epoch"] * c["epochs"],
            warmup_steps=c["steps_per_epoch"] * c["warmup_epochs"],
        )
        for step in arrays["step"].tolist()
    ]
    yield compare("value", result, arrays["value"], case.tolerance("value"))


def mixup(case: Case, _: Numerics) -> Iterator[Comparison]:
    """Compare mixed inputs, permuted labels and the loss with both."""
    arrays, inputs = case.own_arrays(), quoted_inputs(case.content["about"], case.sidecar["seed"])
    lam = float(arrays["lambda"])
    permutation = torch.from_numpy(arrays["perm"]).long()
    for name, golden in arrays.items():
        if name.startswith("out"):
            x = inputs[name.removeprefix("out")]
            yield compare(name, mix(x, x[permutation], lam), golden, case.tolerance(name))
        elif name.endswith("_b"):
            own = arrays[f"{name.removesuffix('_b')}_a"]
            yield compare(name, own[arrays["perm"]], golden, case.tolerance(name))
    labels = torch.from_numpy(arrays["action_a"]).long()
    logits = inputs["pred"].view(*labels.shape, -1)
    found = re.search(r"smoothing ([\d.]+)", case.content["about"])
    smoothing = float(found[1]) if found else SMOOTHING
    for name, share in (("loss", lam), ("loss_a_only", 1.0)):
        loss = mixed_cross_entropy(
            logits, labels, labels[permutation], share, smoothing, count=(labels != -1).sum()
        )
        yield compare(name, loss, arrays[name], case.tolerance(name))


@torch.inference_mode()
def drloc(case: Case, _: Numerics) -> Iterator[Comparison]:
    """Compare the localisation loss between the modalities and within one."""
    arrays, inputs = case.own_arrays(), quoted_inputs(case.content["about"], case.sidecar["seed"])
    positions = torch.from_numpy(np.stack([arrays["pos1"], arrays["pos2"]])).long()
    visual, audio = inputs["visual"], inputs["audio"]
    model = _localiser(visual.shape[1], visual.shape[2] // 2, case.sidecar["seed"])
    tokens = {"cross_modal": torch.cat([visual, audio], dim=1), "single": visual}
    for name, x in tokens.items():
        loss = localisation_errors(model, x, positions).mean()
        yield compare(name, loss, arrays[name], case.tolerance(name))


def _localiser(num_feats: int, d_model: int, seed: int) -> TIM:
    """Return a small network whose localisation head is filled by rule."""
    config = {"d_model": d_model, "nhead": 1, "num_layers": 1, "num_feats": num_feats}
    model = build(config)
    for name, parameter in model.drloc_mlp.named_parameters():
        values: NDArray[np.float64] = rule_values(f"drloc_mlp.{name}", tuple(parameter.shape), seed)
        parameter.copy_(torch.from_numpy(values))
    return model
