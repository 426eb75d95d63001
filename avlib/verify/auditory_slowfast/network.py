"""Golden cases of the network: forward pass, packing of the pathways, names of the weights."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from avlib.extractors.auditory_slowfast.log_mel import interval_log_mels
from avlib.extractors.auditory_slowfast.network import (
    AuditorySlowFast,
    feature_width,
    fold_batch_norm,
    pack_pathways,
    slow_frame_indices,
)
from avlib.extractors.auditory_slowfast.views import view_slices
from avlib.verify.auditory_slowfast.front_end import recording
from avlib.verify.golden import Case, Comparison, Numerics, compare, compare_exactly
from avlib.verify.rule import fill_by_rule, rule_input
from avlib.verify.tolerance import EXACT

PUBLISHED_WIDTH = 64
# Classes and sample rates of the published configurations, where a case does not say them.
CLASSES = {"epicsounds": 44, "perception": 67, "ave": 28, "vggsound": 309}
RATES = {"epicsounds": 24_000, "perception": 24_000, "ave": 16_000, "vggsound": 16_000}
STAGES = ("s1", "s1_fuse", "s2", "s2_fuse", "s3", "s3_fuse", "s4", "s4_fuse", "s5")


def case_input(content: Mapping[str, Any]) -> Tensor:
    """Return the input of a case: offset + rule_input(name, shape, seed, scale)."""
    spec = content["input"]
    drawn = rule_input(spec["name"], tuple(spec["shape"]), spec["seed"], spec.get("scale", 1.0))
    return torch.from_numpy(drawn + np.float32(spec.get("offset", 0.0)))


def case_classes(case: Case) -> list[int]:
    """Return the number of classes of each head, as given or as the golden scores have them."""
    given = case.content.get("num_classes")
    if given is not None:
        return [given] if isinstance(given, int) else list(given)
    scores = {n: a for n, a in case.own_arrays().items() if re.search("logits|probs", n)}
    by_head = {_head(name): array.shape[-1] for name, array in scores.items()}
    if by_head:
        return [by_head[head] for head in sorted(by_head, key=str)]
    return [CLASSES.get(_config(case.content), 1)]


def _config(content: Mapping[str, Any]) -> str:
    """Return the first word of `config`, which may go on with what differs."""
    return (str(content.get("config", "")).split() or [""])[0]


def _head(array: str) -> int | None:
    """Return which head an array of scores belongs to: verb 0, noun 1, or None for all."""
    words = set(re.split(r"[_/]", array))
    return 0 if words & {"verb", "0"} else 1 if words & {"noun", "1"} else None


def rule_model(num_classes: Sequence[int], width: int, seed: int) -> AuditorySlowFast:
    """Return a network in evaluation mode with weights by rule."""
    model = AuditorySlowFast(num_classes=num_classes, width=width).eval()
    fill_by_rule(model, seed)
    return model


def _model(case: Case) -> AuditorySlowFast:
    features = case.own_arrays().get("features")
    channels = feature_width() if features is None else features.shape[-1]
    width = PUBLISHED_WIDTH * channels // feature_width()
    return rule_model(case_classes(case), width, case.content["fill_seed"])


def forward(case: Case, numerics: Numerics) -> Iterator[Comparison]:
    """Compare features and scores, of the plain network and of its copy for inference."""
    return _outputs(case, case_input(case.content), numerics)


def sound_features(case: Case, numerics: Numerics) -> Iterator[Comparison]:
    """Compare features computed from a recording, interval by interval."""
    c = case.content
    rate = c.get("sampling_rate") or RATES.get(_config(c)) or c["wave"]["sr"]
    views = c.get("num_features", 1)
    slices = [
        view_slices(start_s, stop_s, sample_rate=rate, views=views)[c.get("set_index", 0)]
        for start_s, stop_s in c["intervals"]
    ]
    log_mels = interval_log_mels(recording(c["wave"], rate), slices, sample_rate=rate)
    return _outputs(case, log_mels[:, None], numerics)


@torch.inference_mode()
def _outputs(case: Case, x: Tensor, numerics: Numerics) -> Iterator[Comparison]:
    model = _model(case).to(numerics.device, numerics.dtype)
    x = x.to(numerics.device, numerics.dtype)
    stages: dict[str, tuple[Tensor, Tensor]] = {}
    for name in STAGES:
        model.get_submodule(name).register_forward_hook(
            lambda _module, _inputs, outputs, name=name: stages.update({name: outputs})
        )
    yield from _compare_outputs(case, model, x, "")
    for name, golden in case.content.get("stages", {}).items():
        yield from _compare_stage(name, stages[name], golden, case)
    yield from _compare_outputs(case, fold_batch_norm(model), x, " (folded)")


def _compare_outputs(
    case: Case, model: AuditorySlowFast, x: Tensor, suffix: str
) -> Iterator[Comparison]:
    features = model.features(x)
    logits = model.head(features)
    results = {"features": [features], "logits": logits}
    results["probs"] = [head.softmax(dim=-1) for head in logits]
    for name, golden in case.own_arrays().items():
        kind = next((kind for kind in results if kind in name), None)
        if kind is None:
            yield Comparison(name + suffix, False, message="an array of an unknown kind")
            continue
        head = _head(name)
        result = torch.cat(list(results[kind]), dim=-1) if head is None else results[kind][head]
        yield compare(name + suffix, result, golden, case.tolerance(name, kind))


def _compare_stage(
    stage: str, outputs: tuple[Tensor, Tensor], golden: Sequence[Mapping[str, Any]], case: Case
) -> Iterator[Comparison]:
    tolerance = case.tolerance("stages", "features")
    for pathway, (output, expected) in enumerate(zip(outputs, golden, strict=True)):
        flat = output.double().flatten()
        name = f"{stage} pathway {pathway}"
        yield compare_exactly(f"{name} shape", list(output.shape), expected["shape"])
        results = {
            "mean": flat.mean(),
            "std": flat.std(),
            "first8": flat[:8],
            "last4": flat[-4:],
        }
        for key, result in results.items():
            yield compare(f"{name} {key}", result, expected[key], tolerance)


def packing(case: Case, _: Numerics) -> Iterator[Comparison]:
    """Compare the frames of the slow pathway; the fast one is the input."""
    c = case.content
    indices = slow_frame_indices(c["frames"], c["alpha"])
    yield compare_exactly("slow_indices", indices, c["slow_indices"])
    x = torch.arange(c["frames"], dtype=torch.float32)[None, None, :, None]
    slow, fast = pack_pathways(x, c["alpha"])
    yield compare_exactly("slow pathway", slow.flatten().int().tolist(), c["slow_indices"])
    yield from case.compare_noted({"fast_is_input": torch.equal(fast, x)}, EXACT)


def state_dict(case: Case, _: Numerics) -> Iterator[Comparison]:
    """Compare names, shapes and types of the weights, and how many there are."""
    c = case.content
    width = c["backbone"][0][1][0]
    for config, heads in c["heads"].items():
        num_classes = [shape[0] for name, shape, _ in heads if name.endswith(".weight")]
        with torch.device("meta"):
            model = AuditorySlowFast(num_classes=num_classes, width=width)
        entries = [
            [name, list(tensor.shape), str(tensor.dtype).removeprefix("torch.")]
            for name, tensor in model.state_dict().items()
        ]
        yield compare_exactly(f"{config} entries", entries, c["backbone"] + heads)
        if config in c.get("parameters", {}):
            n_values = sum(p.numel() for p in model.parameters())
            yield compare_exactly(f"{config} parameters", n_values, c["parameters"][config])
        if len(num_classes) == 1 and "total_entries" in c:
            yield compare_exactly(f"{config} total_entries", len(entries), c["total_entries"])
