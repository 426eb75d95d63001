"""Golden cases of Omnivore: features of the trunk, plain and augmented clips, weights."""

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from PIL import Image
from PIL.Image import Resampling
from torch import Tensor
from torchvision.models.video.swin_transformer import SwinTransformer3d

from avlib.extractors.omnivore.clips import centre_crop, omnivore_frames, resize, short_side_scale
from avlib.extractors.omnivore.network import (
    DEPTH_INPUT,
    POSITION_INDEX,
    infer_sizes,
    omnivore_trunk,
    position_index,
    published_name,
)
from avlib.extractors.omnivore.sizes import SWIN_B
from avlib.extractors.omnivore.window_attention import fuse_attention
from avlib.extractors.pictures import normalise
from avlib.extractors.rand_augment import (
    ENHANCERS,
    OMNIVORE,
    OPERATIONS,
    PLAIN,
    Operation,
    augment,
    operation,
)
from avlib.media.frames import Frame
from avlib.verify.golden import Case, Comparison, Numerics, compare, compare_exactly
from avlib.verify.rule import described_input, rule_frames, rule_values
from avlib.verify.visual.stored import stored_part

SCALED_BY_HEIGHT = "epickitchens"  # the original makes slivers of its portrait videos
LARGEST_CLIP_SEED = 100_000_000
GEOMETRIC = {"Rotate", "ShearX", "ShearY", "TranslateX", "TranslateY"}
# What the original calls an operation, where that is something else.
ORIGINAL_NAMES = {
    **{name: f"{name}Increasing" for name in ("Posterize", "Solarize", *ENHANCERS)},
    **{name: f"{name}Rel" for name in ("TranslateX", "TranslateY")},
}


@torch.inference_mode()
def features(case: Case, numerics: Numerics) -> Iterator[Comparison]:
    """Compare the trunk's features, of torchvision's network and of its copy for inference."""
    clips = torch.from_numpy(described_input(case.content["input"]))
    clips = clips.to(numerics.device, numerics.dtype)
    trunk = _rule_trunk(case.content["fill_seed"], numerics)
    shapes: dict[str, list[int]] = {}
    modules = {"norm": trunk.norm} | {
        f"layers.{part // 2}": module for part, module in enumerate(trunk.features)
    }  # the last part of a layer is the one that counts
    hooks = [
        module.register_forward_hook(
            lambda _module, _inputs, output, name=name: shapes.update({name: _shape(output)})
        )
        for name, module in modules.items()
    ]
    golden, tolerance = case.arrays[case.id], case.tolerance("features")
    yield compare("features", trunk(clips), golden, tolerance)
    for hook in hooks:
        hook.remove()
    for name, shape in case.content.get("stage_output_shapes", {}).items():
        yield compare_exactly(f"{name} shape", shapes[name], shape)
    yield compare("features (fused)", fuse_attention(trunk)(clips), golden, tolerance)


def _shape(output: Tensor) -> list[int]:
    """Return the shape of a stage's output, channels first."""
    batch, *axes, channels = output.shape
    return [batch, channels, *axes]


@lru_cache(maxsize=1)  # cases share their weights
def _rule_trunk(seed: int, numerics: Numerics) -> SwinTransformer3d:
    trunk = omnivore_trunk(SWIN_B).eval()
    for name, parameter in trunk.named_parameters():
        values = rule_values(published_name(name), tuple(parameter.shape), seed)
        parameter.data = torch.from_numpy(values.astype(np.float32))
    return trunk.to(numerics.device, numerics.dtype)


def transforms(case: Case, _: Numerics) -> Iterator[Comparison]:
    """Compare a plain clip."""
    yield from _compare_clip(case, _pictures(case.content))


def augmented(case: Case, _: Numerics) -> Iterator[Comparison]:
    """Compare a clip as the original augments it, with the operations of each frame."""
    c, pictures = case.content, _pictures(case.content)
    operations = _drawn(case) if c["augmentation"] else []
    named = [[_as_noted(op) for op in of_frame] for of_frame in operations]
    yield compare_exactly("ops_per_frame", named, c["ops_per_frame"])
    if operations:
        images = [Image.fromarray(picture) for picture in pictures]
        pictures = [
            np.asarray(augment(image, of_frame, OMNIVORE.fill))
            for image, of_frame in zip(images, operations, strict=True)
        ]
    yield from _compare_clip(case, pictures)


def _pictures(content: Mapping[str, Any]) -> list[Frame]:
    """Return the pictures of a case's clip, BGR as the original augments them."""
    given = content["frames"]
    frames = rule_frames(given["n"], given["height"], given["width"], given["seed"])
    start, stop = content["start_stop"]
    numbers = omnivore_frames([start], [stop], num_frames=content["num_frames"])[0]
    return [frames[number] for number in np.minimum(numbers, given["n"] - 1)]


def _compare_clip(case: Case, pictures: Sequence[Frame]) -> Iterator[Comparison]:
    c, crop = case.content, case.content["crop"]
    scale = short_side_scale(pictures[0], crop)
    if c["dataset"] == SCALED_BY_HEIGHT:
        scale = crop / pictures[0].shape[0]
    seen = np.stack([centre_crop(resize(p, scale), crop)[..., ::-1] for p in pictures])
    clip = normalise(torch.from_numpy(seen)[None])[0]  # (3, T, H, W)
    tolerance, text = case.tolerance("output"), str(c.get("stored", ""))
    stored = stored_part(clip.numpy(), text) if "[" in text else clip.numpy()
    yield compare("output", stored, case.arrays[case.id], tolerance)
    # The noted ones are sums in single precision, in the order of a layout with channels last.
    values = np.moveaxis(np.ascontiguousarray(np.moveaxis(clip.numpy(), 0, -1)), -1, 0)
    statistics = {"mean": values.mean((1, 2, 3)), "std": values.std((1, 2, 3))}
    yield from case.compare_noted(statistics, tolerance)
    if "output_shape" in c:
        yield compare_exactly("output_shape", list(clip.shape), c["output_shape"])


def _drawn(case: Case) -> list[list[Operation]]:
    """Return the operations of each frame of a case's clip, as the original draws them.

    A clip has a seed, with which both generators begin anew before every operation. The pair of
    operations of a frame is drawn before that, so the first frame's pair is that of the clip
    before. The clips of a group of cases are made one after the other.
    """
    group = case.id.rpartition("/")[0]
    names = [entry["name"] for entry in case.sidecar["cases"] if entry["augmentation"]]
    clips = [name for name in names if name.rpartition("/")[0] == group]
    seeds = [int(seed) for seed in re.findall(r"seed\((\d+)\)", case.content["rng"])]
    python, numpy = random.Random(seeds[0]), np.random.RandomState(seeds[-1])
    operations: list[list[Operation]] = []
    for _ in range(clips.index(case.id) + 1):
        seed = python.randint(0, LARGEST_CLIP_SEED)
        operations = []
        for _ in range(case.content["num_frames"]):
            pair = numpy.choice(OPERATIONS, OMNIVORE.operations)
            operations.append([_seeded_operation(str(n), seed, python, numpy) for n in pair])
    return operations


def _seeded_operation(
    name: str, seed: int, python: random.Random, numpy: np.random.RandomState
) -> Operation:
    python.seed(seed)
    numpy.seed(seed)
    level = min(max(python.gauss(OMNIVORE.magnitude, 0.5), 0.0), 10.0)
    has_sign = name in GEOMETRIC or name in ENHANCERS
    is_negative = has_sign and python.random() > 0.5
    kind = python.choice(OMNIVORE.resampling) if name in GEOMETRIC else Resampling.BILINEAR
    return operation(name, level, is_negative=is_negative, resampling=kind)


def _as_noted(op: Operation) -> list[Any]:
    name = ORIGINAL_NAMES.get(op.name, op.name)
    return [name] if op.name in PLAIN else [name, op.argument]


def weights(entry: Mapping[str, Any]) -> Iterator[Comparison]:
    """Compare names, shapes and types of a trunk's weights, and how many there are."""
    given = {name: (shape, dtype) for name, shape, dtype in entry["trunk"]}
    dropped = {name: given.pop(name) for name in list(given) if name.startswith(DEPTH_INPUT)}
    with torch.device("meta"):
        state = {name: torch.empty(shape) for name, (shape, _) in given.items()}
    tables = [state[name] for name in state if name.endswith("relative_position_bias_table")]
    state[POSITION_INDEX] = _square_index(len(state[POSITION_INDEX]), len(tables[0]))
    sizes = infer_sizes(state)
    with torch.device("meta"):
        trunk = omnivore_trunk(sizes)
    own = {
        published_name(name): (list(tensor.shape), str(tensor.dtype).removeprefix("torch."))
        for name, tensor in trunk.state_dict().items()
    }
    yield compare_exactly("trunk names", sorted(own), sorted(given))
    shapes = {name: own.get(name) for name in given}
    yield compare_exactly("trunk shapes and types", shapes, given)
    if "n_trunk_parameters" in entry:
        n_values = sum(p.numel() for p in trunk.parameters())
        n_values += sum(int(np.prod(shape)) for shape, _ in dropped.values())
        yield compare_exactly("n_trunk_parameters", n_values, entry["n_trunk_parameters"])


def _square_index(n_tokens: int, n_distances: int) -> Tensor:
    """Return the position index of the window that is as high as it is wide.

    Raises:
        ValueError: if there is none.
    """
    for side in range(1, n_tokens + 1):
        time = n_tokens // side**2
        if time * side**2 == n_tokens and (2 * time - 1) * (2 * side - 1) ** 2 == n_distances:
            return position_index((time, side, side))
    raise ValueError(f"no square window has {n_tokens} tokens and {n_distances} distances")
