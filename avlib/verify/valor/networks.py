"""Golden cases of the parsing network: outputs, names of the weights, first weights by seed."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from avlib.valor.network import BaselineParser, EventParser, clap_time_map, pool_to_segments
from avlib.valor.objective import EpochOrders
from avlib.valor.weights import new_parser
from avlib.verify.golden import Case, Comparison, Numerics, compare, compare_exactly
from avlib.verify.rule import fill_by_rule, rule_input

OWN_WEIGHT = "fc_av_att.weight"  # of this network and of no other that is verified here
INPUTS = ("audio", "video_s", "video_st")
STREAMS = ("x_audio_in", "x_visual_in", "x_audio_out", "x_visual_out")
VIDEOS = re.compile(r"\((\d+) videos")  # that an order is of
BASELINE: dict[str, Any] = {
    "hidden_dim": 512,
    "nhead": 1,
    "ff_dim": 512,
    "num_layers": 1,
    "norm_where": "post_norm",
    "input_a_dim": 128,
    "input_v_dim": 2048,
}


def sizes(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of the network that a configuration describes."""
    renamed = {"input_a_dim": "audio_dim", "input_v_dim": "visual_dim"}
    return {renamed.get(name, name): value for name, value in config.items()}


def build(content: Mapping[str, Any]) -> EventParser:
    """Return the network of a case: the baseline where it has no configuration."""
    if "config" in content:
        return EventParser(**sizes(content["config"]))
    return BaselineParser(**sizes(BASELINE))


@torch.inference_mode()
def forward(case: Case, numerics: Numerics) -> Iterator[Comparison]:
    """Compare the outputs, and the streams before and after the encoder."""
    model = build(case.content)
    fill_by_rule(model, case.content["fill_seed"])
    model.to(numerics.device, numerics.dtype).eval()
    inputs = {
        entry["name"]: torch.from_numpy(
            rule_input(entry["name"], tuple(entry["shape"]), entry["seed"], entry["scale"])
        ).to(numerics.device, numerics.dtype)
        for entry in case.content["inputs"]
    }
    before = model.streams(*(pool_to_segments(inputs[name]) for name in INPUTS))
    after = model.hat_encoder(*before)
    results = model.parse(*after)._asdict()
    results |= dict(zip(STREAMS, (*before, *after), strict=True))
    for name, golden in case.own_arrays().items():
        yield compare(name, results[name], golden, case.tolerance(name))


def lists_network(content: Mapping[str, Any]) -> bool:
    """Say whether an entry of a sidecar lists the weights of this network."""
    rows = content.get("tensors")
    return isinstance(rows, list) and any(row[0] == OWN_WEIGHT for row in rows)


def state_dict(case: Case, _: Numerics) -> Iterator[Comparison]:
    """Compare names, shapes, types and order of the weights, and how many there are."""
    c = case.content
    with torch.device("meta"):
        state = build(c).state_dict()
    entries = [
        [name, list(tensor.shape), str(tensor.dtype).removeprefix("torch.")]
        for name, tensor in state.items()
    ]
    yield compare_exactly("tensors", entries, c["tensors"])
    counts = {"n_tensors": len(state), "n_parameters": sum(t.numel() for t in state.values())}
    for name, count in counts.items():
        yield compare_exactly(name, count, c[name])


def first_weights(case: Case, _: Numerics) -> Iterator[Comparison]:
    """Compare the first weights of a seed, and the order of the first epoch."""
    c = case.content
    model, state = new_parser(c["seed"], **sizes(c["config"]))
    yield compare_exactly("param_names", [n for n, _ in model.named_parameters()], c["param_names"])
    digest = case.arrays[f"{case.id}__f64"]
    yield compare("weights", digests(model, c["param_names"]), digest, case.tolerance("weights"))
    golden = case.arrays[f"{case.id}_first_epoch_order"]
    n_videos = VIDEOS.search(case.sidecar["what"])
    order = EpochOrders(state, int(n_videos[1]) if n_videos else 10_000)(0)[: len(golden)]
    yield compare_exactly("first_epoch_order", order.tolist(), golden.tolist())


def digests(model: nn.Module, names: list[str]) -> NDArray[np.float64]:
    """Return sum, absolute sum, first and last value of each parameter: (P, 4)."""
    return np.array([_digest(model.get_parameter(name)) for name in names])


def _digest(parameter: Tensor) -> list[float]:
    values = parameter.detach().double().flatten()
    return [float(x) for x in (values.sum(), values.abs().sum(), values[0], values[-1])]


def time_map(case: Case, _: Numerics) -> Iterator[Comparison]:
    """Compare what takes the time bins of an audio map to segments."""
    yield compare("P", clap_time_map(), case.arrays["P"], case.tolerance("P"))
