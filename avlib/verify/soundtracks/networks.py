"""Golden cases of the soundtrack networks: logits, pooled activations, names of the weights."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from avlib.soundtracks.network import (
    ResNet,
    SoundtrackNetwork,
    infer_network,
    network_weights,
    published_name,
    soundtrack_network,
)
from avlib.verify.golden import Case, Comparison, Numerics, compare, compare_exactly
from avlib.verify.rule import fill_by_rule
from avlib.verify.soundtracks.expressions import evaluate
from avlib.verify.tolerance import EXACT, NUMBER, Tolerance

COLUMNS_DIFFERENCE = "max_abs_difference_if_all_6_columns_were_averaged"

# Of the classifiers of these networks, and of no others that are verified here.
OWN_NAMES = {"group2.fc.weight", "classifier.6.weight", "lin8.weight", "lin.weight"}


@torch.inference_mode()
def forward(case: Case, numerics: Numerics) -> Iterator[Comparison]:
    """Compare logits and pooled activations, and what averaging the whole map would change."""
    c, tolerance = case.content, _tolerance(case)
    inputs = torch.from_numpy(evaluate(c["input"], c)).to(numerics.device, numerics.dtype)
    network = _rule_network(c, numerics)
    outputs: dict[str, Tensor] = {}
    if isinstance(network, ResNet):
        for name in ("layer4", "avgpool"):
            network.get_submodule(name).register_forward_hook(
                lambda _module, _inputs, output, name=name: outputs.update({name: output})
            )
    logits = network(inputs)
    yield compare("logits", logits, case.arrays[case.id], tolerance)
    results, shapes = {"output_absmax": logits.abs().max()}, {"output_shape": list(logits.shape)}
    if outputs:
        pooled = outputs["avgpool"].flatten(1)
        shapes |= {
            "layer4_shape": list(outputs["layer4"].shape),
            "pooled_shape": list(pooled.shape),
        }
        if f"{case.id}/pooled" in case.arrays:
            yield compare("pooled", pooled, case.arrays[f"{case.id}/pooled"], tolerance)
        whole = outputs["layer4"].mean(dim=(2, 3))
        results[COLUMNS_DIFFERENCE] = (whole - pooled).abs().max()
    yield from case.compare_noted(shapes, EXACT)
    yield from case.compare_noted(results, tolerance)


def _rule_network(content: Mapping[str, Any], numerics: Numerics) -> SoundtrackNetwork:
    """Return the network of a case in evaluation mode, with weights by rule."""
    name = content["network"].removesuffix("_bn")  # the original has both names for one network
    network = soundtrack_network(name, **content["kwargs"]).eval()
    fill_by_rule(network, content["fill_seed"], published_name)
    return network.to(numerics.device, numerics.dtype)


def _tolerance(case: Case) -> Tolerance:
    """Read `1e-5 of output_absmax of the case`, or what other sidecars have."""
    text = case.content.get("tolerance", case.sidecar.get("tolerance"))
    of_number = re.match(rf"{NUMBER} of (\w+)", text) if isinstance(text, str) else None
    if of_number is None:
        return case.tolerance("logits")
    return Tolerance(float(of_number[1]) * case.content[of_number[2]], 0.0)


def state_dicts(case: Case, _: Numerics) -> Iterator[Comparison]:
    """Compare names, shapes and types of the weights of every network, and how many there are."""
    for name, entry in case.content.items():
        if not isinstance(entry, Mapping):
            continue
        with torch.device("meta"):
            given = {row[0]: torch.empty(row[1]) for row in entry["state_dict"]}
            network = _network(name, given)
        entries = [
            [tensor_name, list(tensor.shape), str(tensor.dtype).removeprefix("torch.")]
            for tensor_name, tensor in network_weights(network).items()
        ]
        yield compare_exactly(f"{name} entries", entries, entry["state_dict"])
        if "n_parameters" in entry:
            n_values = sum(p.numel() for p in network.parameters())
            yield compare_exactly(f"{name} n_parameters", n_values, entry["n_parameters"])


def _network(name: str, given: Mapping[str, Tensor]) -> SoundtrackNetwork:
    """Return the network of that name and of as many classes, else that of those weights."""
    network = infer_network(given)
    depth = re.match(r"(resnet|vgg)\d+", name)
    if depth is None:
        return network
    num_classes = network.get_parameter(f"{network.classifier_name}bias").numel()
    return soundtrack_network(depth[0], num_classes=num_classes)


def lists_networks(content: Mapping[str, Any]) -> bool:
    """Say whether an entry of a sidecar lists the weights of one of these networks."""
    entries = (entry for entry in content.values() if isinstance(entry, Mapping))
    rows = (row[0] for entry in entries for row in entry.get("state_dict", ()))
    return not OWN_NAMES.isdisjoint(rows)
