"""Golden cases of VGG-19: which frames are sampled, and the mean maps of each second."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np

from avlib.extractors.vgg19.maps import sampled_frames, second_maps
from avlib.extractors.vgg19.network import PUBLISHED_WIDTH, VGG19
from avlib.media.frames import Frame
from avlib.verify.golden import Case, Comparison, Numerics, compare, compare_exactly
from avlib.verify.rule import fill_by_rule, rule_frames
from avlib.verify.visual.stored import stored_part


def vgg19(case: Case, numerics: Numerics) -> Iterator[Comparison]:
    """Compare the maps of one video, and the frames of others."""
    c: Mapping[str, Any] = case.content.get("case", case.content)
    given = c["frames"]
    frames = rule_frames(given["n"], given["height"], given["width"], given["seed"])
    frames = frames if given.get("order", "RGB") == "RGB" else frames[..., ::-1]
    indices = sampled_frames(given["n"], c["seconds"], c["frames_per_second_sampled"])
    if "indices" in c:
        yield compare_exactly("indices", indices.ravel().tolist(), c["indices"])
    network = VGG19(width=PUBLISHED_WIDTH).eval()
    fill_by_rule(network, c["fill_seed"])
    network.to(numerics.device, numerics.dtype)
    maps = second_maps(network, [partial(_picture, frame) for frame in frames], indices)
    tolerance = case.tolerance("features")
    stored = stored_part(maps, c.get("stored", "features[:]"))
    yield compare("features", stored, case.own_arrays()["features"], tolerance)
    if "output_shape" in c:
        yield compare_exactly("output_shape", list(maps.shape), c["output_shape"])
    if "absmax" in c:
        yield compare("absmax", np.abs(maps).max(), c["absmax"], tolerance)
    for example in c.get("frame_sampling_examples", ()):
        yield from _sampling(example)


def _picture(frame: Frame) -> Frame:
    return frame


def _sampling(example: Mapping[str, Any]) -> Iterator[Comparison]:
    n_frames = example["frames"]
    sampled = sampled_frames(n_frames, example["seconds"], example["per_second"]).ravel().tolist()
    first, last = example["first"], example["last"]
    yield compare_exactly(f"first of {n_frames} frames", sampled[: len(first)], first)
    yield compare_exactly(f"last of {n_frames} frames", sampled[-len(last) :], last)
