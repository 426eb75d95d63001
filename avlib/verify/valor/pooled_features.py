"""Golden cases of ResNet-152, R(2+1)D-18 and VGGish as LLP has them."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from avlib.extractors.resnet.network import r2plus1d_18, resnet152
from avlib.extractors.vggish.network import VGGish
from avlib.extractors.vggish.patches import SAMPLE_RATE, embed
from avlib.extractors.vggish.segments import segment_patches
from avlib.extractors.weights import untrained
from avlib.verify.golden import Case, Comparison, Numerics, compare
from avlib.verify.rule import fill_by_rule, rule_input
from avlib.verify.tolerance import Tolerance

SECONDS = 10
FRAME_STEP = 12  # distance of the frames of a patch that files hold
LARGEST_INT16 = 32_767
# Name of the features and of the input, and what makes them.
NETWORKS: dict[str, tuple[str, Callable[[], nn.Module]]] = {
    "res152": ("frames_2d", resnet152),
    "r2plus1d_18": ("clips_3d", r2plus1d_18),
}


@torch.inference_mode()
def features(case: Case, numerics: Numerics) -> Iterator[Comparison]:
    """Compare the features of pictures, clips and a sound by rule, whichever a case has."""
    c, golden = case.content, case.arrays
    inputs = {entry["name"]: entry for entry in c.get("inputs", ())}
    for array, (name, build) in NETWORKS.items():
        if array in golden:
            network = _filled(untrained(build, 0), c["fill_seed"], numerics)
            given = torch.from_numpy(_drawn(inputs[name])).to(numerics.device, numerics.dtype)
            yield compare(array, network(given), golden[array], _tolerance(case, golden[array]))
    if "vggish_logmel" in golden:
        patches = segment_patches(_sound(c["input_seed"]), SAMPLE_RATE)
        network = _filled(VGGish(width=64, hidden=4096).eval(), c["fill_seed"], numerics)
        results = {
            "vggish_logmel": patches[:, ::FRAME_STEP],
            "vggish_embedding": np.concatenate(list(embed(network, patches, SECONDS))),
        }
        for array, result in results.items():
            yield compare(array, result, golden[array], _tolerance(case, golden[array]))


def _filled(network: nn.Module, seed: int, numerics: Numerics) -> Any:
    fill_by_rule(network, seed)
    return network.to(numerics.device, numerics.dtype)


def _drawn(entry: Mapping[str, Any]) -> NDArray[np.float32]:
    return rule_input(entry["name"], tuple(entry["shape"]), entry["seed"], entry.get("scale", 1.0))


def _sound(seed: int) -> NDArray[np.int16]:
    """Return ten seconds of a tone on the left, a rising one on the right: (n_samples, 2)."""
    n = SECONDS * SAMPLE_RATE
    t = np.arange(n) / SAMPLE_RATE
    angles = {"left": (220 + 40 * seed) * t, "right": (331 + 10 * t) * t}
    # The noise is scaled in float32, so were the samples of the golden files cut to integers.
    sides = [
        0.4 * np.sin(2 * np.pi * angle) + 0.1 * rule_input(side, (n,), seed)
        for side, angle in angles.items()
    ]
    return np.trunc(LARGEST_INT16 * np.clip(np.stack(sides, axis=1), -1, 1)).astype(np.int16)


def _tolerance(case: Case, golden: NDArray[Any]) -> Tolerance:
    """Read a part of the largest value, or what other sidecars have."""
    given = case.content.get("tolerance", case.sidecar.get("tolerance"))
    if isinstance(given, Mapping) and "rel_to_max" in given:
        return Tolerance(float(given["rel_to_max"]) * float(np.abs(golden).max()), 0.0)
    return case.tolerance("features")
