"""Operations of the visual features, and of VGGish, which goes with VGG-19.

The parameters of VGGish's 8-bit form are the public ones
of the repository tensorflow/models (Apache-2.0), in the file beside this module.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image
from PIL.Image import Resampling
from torch import Tensor

from avlib.extractors import rand_augment
from avlib.extractors.frames import normalise
from avlib.extractors.omnivore.clips import centre_crop, omnivore_frames, resize, short_side_scale
from avlib.extractors.omnivore.sizes import SWIN_B
from avlib.extractors.omnivore.trunk import VideoSwin, fuse_attention
from avlib.extractors.vgg19.maps import sampled_frames, second_maps
from avlib.extractors.vgg19.network import PUBLISHED_WIDTH, VGG19
from avlib.extractors.vggish.network import EMBEDDING, VGGish
from avlib.extractors.vggish.patches import embed, patches, quantise, read_pca, second_patches
from avlib.extractors.videomae.clips import augmented_square, plain_square, videomae_frames
from avlib.extractors.videomae.network import VIT_L, VideoMAE
from avlib.io.renaming import without_weights
from avlib.media.frames import Frame
from avlib.verify.networks import recorded, weight_list
from avlib.verify.operations import Array, Results, Weights, operation

PCA = Path(__file__).with_name("vggish_pca_params.npz")
BATCH_SIZE = 16
ENDLESS = np.iinfo(np.int64).max  # frames of a video whose length does not matter
# What the original calls an augmentation, where that is something else.
ORIGINAL_NAMES = {
    **{n: f"{n}Increasing" for n in ("Posterize", "Solarize", *rand_augment.ENHANCERS)},
    **{n: f"{n}Rel" for n in ("TranslateX", "TranslateY")},
}


def trunk(
    *,
    width: int = SWIN_B.width,
    depths: list[int] | None = None,
    heads: list[int] | None = None,
    window: list[int] | None = None,
) -> VideoSwin:
    """Return Omnivore's trunk, of the published sizes where they are left out."""
    given = {"depths": depths, "heads": heads, "window": window}
    sizes: dict[str, Any] = {name: tuple(size) for name, size in given.items() if size}
    return VideoSwin(replace(SWIN_B, width=width, **sizes)).eval()


operation("omnivore", "state_dict", build=trunk)(weight_list())


@operation("omnivore", "forward", build=trunk)
@torch.inference_mode()
def omnivore_forward(build: Callable[[], VideoSwin], clips: Tensor, weights: Weights) -> Results:
    """Return the features of clips, of the copy for inference, too, and the stages' outputs."""
    model = weights.fill(build())
    modules = {f"layers.{number}": stage for number, stage in enumerate(model.layers)}
    with recorded({**modules, "norm": model.norm}) as outputs:
        features = model(clips)
    stages = {name: output.movedim(-1, 1) for name, output in outputs.items()}  # channels first
    return {**stages, "features": features, "fused/features": fuse_attention(model)(clips)}


def chosen_frames(*, start_frame: int, stop_frame: int, num_frames: int = 32) -> Array:
    """Return the numbers, from 0, of the frames of Omnivore's clip of an interval."""
    return omnivore_frames([start_frame], [stop_frame], num_frames=num_frames)[0]


@operation("omnivore", "frames", choose=chosen_frames)
def omnivore_frame_numbers(
    choose: Callable[[], Array], *, frames_in_video: int | None = None
) -> Results:
    """Return the numbers, from 1, of the frames of a clip; later ones are the video's last."""
    return {"numbers": np.minimum(choose() + 1, _last(frames_in_video))}


@operation("videomae", "frames")
def videomae_frame_numbers(
    *, start_frame: int, stop_frame: int, frames_in_video: int | None = None
) -> Results:
    """Return the numbers, from 1, of the frames of a clip; later ones are the video's last."""
    numbers = videomae_frames([start_frame], [stop_frame])[0] + 1
    return {"numbers": np.clip(numbers, 1, max(_last(frames_in_video), 1))}


def _last(frames_in_video: int | None) -> int:
    return ENDLESS if frames_in_video is None else frames_in_video


@operation("omnivore", "clip", choose=chosen_frames)
def omnivore_clip(
    choose: Callable[[], Array],
    frames: Array,
    draws: Sequence[Sequence[Mapping[str, Any]]] = (),
    *,
    frames_in_video: int | None = None,
    crop: int,
    scaled: Literal["short_side", "height"] = "short_side",
) -> Results:
    """Return a clip (3, T, H, W) of BGR frames, augmented by the draws of each of its frames."""
    pictures: list[Frame] = [frames[i] for i in np.minimum(choose(), len(frames) - 1)]
    drawn = [[_drawn(**draw) for draw in of_frame] for of_frame in draws]
    if drawn:
        images = zip((Image.fromarray(p) for p in pictures), drawn, strict=True)
        fill = rand_augment.OMNIVORE.fill
        pictures = [np.asarray(rand_augment.augment(image, of, fill)) for image, of in images]
    height = pictures[0].shape[0]
    scale = crop / height if scaled == "height" else short_side_scale(pictures[0], crop)
    seen = np.stack([centre_crop(resize(p, scale), crop)[..., ::-1] for p in pictures])
    clip = normalise(torch.from_numpy(seen)[None])[0]
    # Published means are sums in single precision, in the order of a layout with channels last.
    values = np.moveaxis(np.ascontiguousarray(np.moveaxis(clip.numpy(), 0, -1)), -1, 0)
    names = [[_original(op) for op in of_frame] for of_frame in drawn]
    means = {"mean": values.mean((1, 2, 3)), "std": values.std((1, 2, 3))}
    return {"clip": clip, "augmentation": names, **means}


def _original(op: rand_augment.Operation) -> list[Any]:
    name = ORIGINAL_NAMES.get(op.name, op.name)
    return [name] if op.name in rand_augment.PLAIN else [name, op.argument]


def _drawn(
    name: str, level: float, resampling: str, is_negative: bool = False
) -> rand_augment.Operation:
    """Return an operation of a draw."""
    how = Resampling[resampling]
    return rand_augment.operation(name, level, is_negative=is_negative, resampling=how)


@operation("videomae", "clip")
def videomae_clip(
    frames: Array,
    draws: Sequence[Mapping[str, Any]] | None = None,
    *,
    start_frame: int,
    stop_frame: int,
    frames_in_video: int | None = None,
) -> Results:
    """Return a clip (3, T, H, W) of BGR frames, augmented by the draws of the clip, if any."""
    numbers = videomae_frames([start_frame], [stop_frame])[0]
    chosen = [frames[i][..., ::-1] for i in np.clip(numbers, 0, len(frames) - 1)]
    if draws is None:
        squares = [plain_square(picture) for picture in chosen]
    else:
        drawn = [_drawn(**draw) for draw in draws]
        squares = [augmented_square(picture.copy(), drawn) for picture in chosen]
    return {"clip": normalise(torch.from_numpy(np.stack(squares))[None])[0]}


def transformer(
    *,
    width: int = VIT_L.width,
    depth: int = VIT_L.depth,
    feedforward: int = VIT_L.feedforward,
    classes: list[int] | None = None,
) -> VideoMAE:
    """Return VideoMAE, of the published sizes where they are left out."""
    verbs, nouns = classes or VIT_L.classes
    sizes = replace(VIT_L, width=width, depth=depth, feedforward=feedforward)
    return VideoMAE(replace(sizes, classes=(verbs, nouns)))


operation("videomae", "state_dict", build=transformer)(weight_list())


@operation("videomae", "forward", build=transformer)
@torch.inference_mode()
def videomae_forward(build: Callable[[], VideoMAE], clips: Tensor, weights: Weights) -> Results:
    """Return features, and the logits of both heads."""
    model = weights.fill(without_weights(build))
    features = model.features(clips)
    return {"features": features, **dict(zip(("verb", "noun"), model.heads(features), strict=True))}


@operation("vgg19", "sampled_frames")
def vgg19_frames(*, frames: int, seconds: int, per_second: int) -> Results:
    """Return the frames that are sampled, counted from 0."""
    return {"indices": sampled_frames(frames, seconds, per_second).ravel()}


@operation("vgg19", "forward")
def vgg19_maps(
    frames: Array,
    weights: Weights,
    *,
    seconds: int,
    per_second: int,
    order: Literal["RGB", "BGR"] = "RGB",
    width: int = PUBLISHED_WIDTH,
) -> Results:
    """Return the mean maps of each second, and the frames that they are of."""
    pictures = frames if order == "RGB" else frames[..., ::-1]
    indices = sampled_frames(len(frames), seconds, per_second)
    network = weights.fill(VGG19(width=width).eval())
    maps = second_maps(network, [partial(np.asarray, picture) for picture in pictures], indices)
    return {"indices": indices.ravel(), "features": maps, "abs_max": np.abs(maps).max()}


def vggish(*, width: int = 64, hidden: int = 4096) -> VGGish:
    """Return VGGish, of the published sizes where they are left out."""
    return VGGish(width=width, hidden=hidden).eval()


operation("vggish", "state_dict", build=vggish)(weight_list())


@operation("vggish", "forward", build=vggish)
def vggish_forward(
    build: Callable[[], VGGish],
    waveform: Array,
    weights: Weights | None = None,
    *,
    sample_rate: int,
) -> Results:
    """Return the patches of a recording, those of its seconds, and embeddings given weights."""
    made = patches(waveform.astype(np.float64), sample_rate)
    results = {"examples": made, "per_second": second_patches(waveform, sample_rate)}
    if weights is None:
        return results
    parts = embed(weights.fill(build()), made, BATCH_SIZE)
    embedding = np.concatenate([np.empty((0, EMBEDDING), np.float32), *parts])
    return results | {"embedding": embedding, "abs_max": np.abs(embedding).max(initial=0.0)}


@operation("vggish", "quantise")
def vggish_quantise(embedding: Array) -> Results:
    """Return the 8-bit form of embeddings, by the public parameters."""
    return {"pca_uint8": quantise(embedding, read_pca(PCA))}
