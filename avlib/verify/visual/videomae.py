"""Golden cases of VideoMAE: features and scores, plain and augmented clips, frame numbers."""

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from avlib.extractors.pictures import normalise
from avlib.extractors.rand_augment import MAX_LEVEL, OPERATIONS, VIDEOMAE, Operation, operation
from avlib.extractors.videomae.clips import augmented_square, plain_square, videomae_frames
from avlib.extractors.videomae.network import VIT_L, VideoMAE, infer_sizes
from avlib.verify.golden import Case, Comparison, Numerics, compare, compare_exactly
from avlib.verify.rule import described_input, rule_frames, rule_values
from avlib.verify.visual.stored import stored_part

HEADS = ("verb", "noun")
WITHOUT_SIGN = set(OPERATIONS[:3]) | {"Posterize", "Solarize", "SolarizeAdd"}


@torch.inference_mode()
def videomae(case: Case, numerics: Numerics) -> Iterator[Comparison]:
    """Compare features, and the scores of both heads."""
    network = _network(case.content, numerics)
    clips = torch.from_numpy(described_input(case.content["input"]))
    features = network.features(clips.to(numerics.device, numerics.dtype))
    golden = {"features": case.arrays[case.id]}  # whose own name has no suffix
    golden |= case.own_arrays()
    results = dict(zip(HEADS, network.heads(features), strict=True)) | {"features": features}
    for name, values in golden.items():
        yield compare(name, results[name], values, case.tolerance(name))


def _network(content: Mapping[str, Any], numerics: Numerics) -> VideoMAE:
    """Return a network filled by rule, which is never in memory twice."""
    sizes = replace(VIT_L, depth=content["depth"])
    with torch.device("meta"):
        network = VideoMAE(sizes).eval()
    seed = content["fill_seed"]
    state = {
        name: torch.from_numpy(rule_values(name, tuple(tensor.shape), seed)).to(numerics.dtype)
        for name, tensor in network.state_dict().items()
    }
    network.load_state_dict(state, assign=True)
    return network.to(numerics.device)


def transforms(case: Case, _: Numerics) -> Iterator[Comparison]:
    """Compare a clip, with the augmentation that the original's generators draw."""
    c, given = case.content, case.content["frames"]
    pictures = rule_frames(given["n"], given["height"], given["width"], given["seed"])[..., ::-1]
    start, stop = c["start_stop"]
    chosen = np.clip(videomae_frames([start], [stop])[0], 0, given["n"] - 1)
    if c["augmented"]:
        operations = _drawn(c["rng"], int(case.id.rpartition("/")[2]))
        squares = [augmented_square(pictures[i].copy(), operations) for i in chosen]
    else:
        squares = [plain_square(pictures[i]) for i in chosen]
    clip = normalise(torch.from_numpy(np.stack(squares))[None])[0]
    tolerance = case.tolerance("output")
    stored = stored_part(clip.numpy(), c["stored"])
    yield compare("output", stored, case.arrays[case.id], tolerance)
    if "output_shape" in c:
        yield compare_exactly("output_shape", list(clip.shape), c["output_shape"])
    values = clip.double().flatten(1)
    statistics = {"mean": values.mean(dim=1), "std": values.std(dim=1, correction=0)}
    yield from case.compare_noted(statistics, tolerance)


def _drawn(seeding: str, item: int) -> list[Operation]:
    """Return the operations of an item, as the original draws them from two generators.

    Args:
        seeding: such as `random.seed(5); numpy.random.seed(5) before item 0`.
        item: which clip; the draws of those between the seeding and it come first.
    """
    seeded = re.search(r"before item (\d+)", seeding)
    first = int(seeded[1]) if seeded else 0
    seeds = [int(seed) for seed in re.findall(r"seed\((\d+)\)", seeding)]
    python = random.Random(seeds[0])
    numpy = np.random.RandomState(seeds[1])
    for _ in range(first, item + 1):
        drawn = []
        for name in numpy.choice(OPERATIONS, VIDEOMAE.operations):
            if python.random() > VIDEOMAE.probability:
                continue
            level = min(max(python.gauss(VIDEOMAE.magnitude, 0.5), 0.0), MAX_LEVEL)
            is_negative = name not in WITHOUT_SIGN and python.random() > 0.5
            resampling = VIDEOMAE.resampling[0]
            drawn.append(
                operation(str(name), level, is_negative=is_negative, resampling=resampling)
            )
    return drawn


def frame_table(rows: Sequence[Mapping[str, Any]]) -> Iterator[Comparison]:
    """Compare the numbers, from 1, of the frames of intervals."""
    frames = videomae_frames(*([row[key] for row in rows] for key in ("start_frame", "stop_frame")))
    for row, numbers in zip(rows, (frames + 1).tolist(), strict=True):
        if "frames_in_video" in row:
            numbers = np.clip(numbers, 1, row["frames_in_video"]).tolist()
        name = f"VideoMAE {row['start_frame']} to {row['stop_frame']}"
        yield compare_exactly(name, numbers, row["indices"])


def weights(entry: Sequence[Any]) -> dict[str, list[int]]:
    """Return names and shapes of the network of these (name, shape, type) rows."""
    with torch.device("meta"):
        given = {name: torch.empty(shape) for name, shape, _ in entry}
        network = VideoMAE(infer_sizes(given))
    return {name: list(tensor.shape) for name, tensor in network.state_dict().items()}
