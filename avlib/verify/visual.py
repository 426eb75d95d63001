"""Operations of the visual features, and of VGGish, which goes with VGG-19.

The parameters of VGGish's 8-bit form are the public ones
of the repository tensorflow/models (Apache-2.0), in the file beside this module.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from PIL.Image import Resampling
from torch import Tensor

from avlib.extractors.frames import normalise
from avlib.extractors.omnivore.clips import centre_crop, omnivore_frames, resize, short_side_scale
from avlib.extractors.omnivore.network import omnivore_trunk, published_name
from avlib.extractors.omnivore.sizes import SWIN_B
from avlib.extractors.omnivore.window_attention import fuse_attention
from avlib.extractors.rand_augment import (
    ENHANCERS,
    OMNIVORE,
    PLAIN,
    Operation,
    augment,
    operation,
)
from avlib.extractors.vgg19.maps import sampled_frames, second_maps
from avlib.extractors.vgg19.network import PUBLISHED_WIDTH, VGG19
from avlib.extractors.vggish.network import EMBEDDING, VGGish
from avlib.extractors.vggish.patches import embed, patches, quantise, read_pca, second_patches
from avlib.extractors.videomae.clips import augmented_square, plain_square, videomae_frames
from avlib.extractors.videomae.network import VIT_L, VideoMAE
from avlib.media.frames import Frame
from avlib.verify import operations
from avlib.verify.networks import state_entries
from avlib.verify.operations import Arguments, Inputs, NetworkArguments, Results

PCA = Path(__file__).with_name("vggish_pca_params.npz")
BATCH_SIZE = 16
# What the original calls an augmentation, where that is something else.
ORIGINAL_NAMES = {
    **{name: f"{name}Increasing" for name in ("Posterize", "Solarize", *ENHANCERS)},
    **{name: f"{name}Rel" for name in ("TranslateX", "TranslateY")},
}


class Trunk(NetworkArguments):
    """Sizes of Omnivore's trunk, as published where they are left out."""

    width: int = SWIN_B.width
    depths: list[int] | None = None
    heads: list[int] | None = None
    window: list[int] | None = None

    def build(self) -> Any:
        """Return the network in evaluation mode."""
        depths, heads = tuple(self.depths or SWIN_B.depths), tuple(self.heads or SWIN_B.heads)
        t, h, w = self.window or SWIN_B.window
        sizes = replace(SWIN_B, width=self.width, depths=depths, heads=heads, window=(t, h, w))
        return omnivore_trunk(sizes).eval()


@operations.operation("omnivore", "forward")
@torch.inference_mode()
def omnivore_forward(arguments: Trunk, inputs: Inputs) -> Results:
    """Return the features of clips, of the copy for inference, too, and the stages' outputs."""
    trunk, clips = inputs.filled(arguments.build(), published_name), inputs.tensor("clips")
    results: dict[str, Any] = {}
    modules = {"norm": trunk.norm} | {
        f"layers.{part // 2}": module for part, module in enumerate(trunk.features)
    }  # the last part of a layer is the one that counts
    hooks = [
        module.register_forward_hook(
            lambda _module, _inputs, output, name=name: results.update(
                {name: output.movedim(-1, 1)}  # channels first
            )
        )
        for name, module in modules.items()
    ]
    results["features"] = trunk(clips)
    for hook in hooks:
        hook.remove()
    return results | {"fused/features": fuse_attention(trunk)(clips)}


@operations.operation("omnivore", "state_dict")
def omnivore_weights(arguments: Trunk, inputs: Inputs) -> Results:
    """Return shape and type of the trunk's weights by published name."""
    with torch.device("meta"):
        trunk = arguments.build()
    return _by_name(trunk, {published_name(n): t for n, t in trunk.state_dict().items()})


def _by_name(network: Any, state: dict[str, Tensor]) -> dict[str, Any]:
    found = state_entries(network, state)
    return found | {"by_name": {name: rest for name, *rest in found["entries"]}}


class Interval(Arguments):
    """An interval in frames, from 0.

    Attributes:
        start_frame: its first frame.
        stop_frame: its end.
        frames_in_video: later frames are the last one; null where they are not.
    """

    start_frame: int
    stop_frame: int
    frames_in_video: int | None = None


class OmnivoreInterval(Interval):
    """Number of frames of a clip."""

    num_frames: int = 32


@operations.operation("omnivore", "frames")
def omnivore_frame_numbers(arguments: OmnivoreInterval, inputs: Inputs) -> Results:
    """Return the numbers, from 1, of the frames of a clip."""
    return {"numbers": np.minimum(_omnivore_numbers(arguments) + 1, _last(arguments))}


@operations.operation("videomae", "frames")
def videomae_frame_numbers(arguments: Interval, inputs: Inputs) -> Results:
    """Return the numbers, from 1, of the frames of a clip."""
    numbers = videomae_frames([arguments.start_frame], [arguments.stop_frame])[0] + 1
    return {"numbers": np.clip(numbers, 1, max(_last(arguments), 1))}


def _omnivore_numbers(a: OmnivoreInterval) -> NDArray[np.int64]:
    return omnivore_frames([a.start_frame], [a.stop_frame], num_frames=a.num_frames)[0]


def _last(a: Interval) -> int:
    return np.iinfo(np.int64).max if a.frames_in_video is None else a.frames_in_video


class OmnivoreClip(OmnivoreInterval):
    """A clip, the size of its crop in pixels, and what is scaled to it."""

    crop: int
    scaled: Literal["short_side", "height"] = "short_side"


@operations.operation("omnivore", "clip")
def omnivore_clip(arguments: OmnivoreClip, inputs: Inputs) -> Results:
    """Return a clip (3, T, H, W) of BGR frames, augmented by the draws of each of its frames."""
    a, frames = arguments, inputs["frames"]
    pictures: list[Frame] = [frames[i] for i in np.minimum(_omnivore_numbers(a), len(frames) - 1)]
    drawn = [[_drawn(draw) for draw in of_frame] for of_frame in inputs.get("draws", [])]
    if drawn:
        images = zip((Image.fromarray(p) for p in pictures), drawn, strict=True)
        pictures = [np.asarray(augment(image, of, OMNIVORE.fill)) for image, of in images]
    scale = short_side_scale(pictures[0], a.crop)
    if a.scaled == "height":
        scale = a.crop / pictures[0].shape[0]
    seen = np.stack([centre_crop(resize(p, scale), a.crop)[..., ::-1] for p in pictures])
    clip = normalise(torch.from_numpy(seen)[None])[0]
    # Published means are sums in single precision, in the order of a layout with channels last.
    values = np.moveaxis(np.ascontiguousarray(np.moveaxis(clip.numpy(), 0, -1)), -1, 0)
    names = [[_original(op) for op in of_frame] for of_frame in drawn]
    means = {"mean": values.mean((1, 2, 3)), "std": values.std((1, 2, 3))}
    return {"clip": clip, "augmentation": names, **means}


def _original(op: Operation) -> list[Any]:
    name = ORIGINAL_NAMES.get(op.name, op.name)
    return [name] if op.name in PLAIN else [name, op.argument]


def _drawn(given: Mapping[str, Any]) -> Operation:
    """Return an operation of a draw: its name, level, resampling, and a sign if it has two."""
    resampling, sign = Resampling[given["resampling"]], given.get("is_negative", False)
    return operation(given["name"], given["level"], is_negative=sign, resampling=resampling)


@operations.operation("videomae", "clip")
def videomae_clip(arguments: Interval, inputs: Inputs) -> Results:
    """Return a clip (3, T, H, W) of BGR frames, augmented by the draws of the clip, if any."""
    a, pictures = arguments, inputs["frames"][..., ::-1]
    numbers = videomae_frames([a.start_frame], [a.stop_frame])[0]
    chosen = [pictures[i] for i in np.clip(numbers, 0, len(pictures) - 1)]
    if "draws" in inputs:
        drawn = [_drawn(draw) for draw in inputs["draws"]]
        squares = [augmented_square(picture.copy(), drawn) for picture in chosen]
    else:
        squares = [plain_square(picture) for picture in chosen]
    return {"clip": normalise(torch.from_numpy(np.stack(squares))[None])[0]}


class Transformer(NetworkArguments):
    """Sizes of VideoMAE, as published where they are left out."""

    width: int = VIT_L.width
    depth: int = VIT_L.depth
    feedforward: int = VIT_L.feedforward
    classes: list[int] | None = None

    def build(self) -> VideoMAE:
        """Return the network without memory for its weights."""
        sizes = {"width": self.width, "depth": self.depth, "feedforward": self.feedforward}
        verbs, nouns = self.classes or VIT_L.classes
        with torch.device("meta"):
            return VideoMAE(replace(VIT_L, **sizes, classes=(verbs, nouns))).eval()


@operations.operation("videomae", "forward")
@torch.inference_mode()
def videomae_forward(arguments: Transformer, inputs: Inputs) -> Results:
    """Return features, and the logits of both heads."""
    network = arguments.build()
    network.load_state_dict(inputs.rule_state(network.state_dict()), assign=True)
    features = network.to(inputs.numerics.device).features(inputs.tensor("clips"))
    logits = dict(zip(("verb", "noun"), network.heads(features), strict=True))
    return {"features": features, **logits}


@operations.operation("videomae", "state_dict")
def videomae_weights(arguments: Transformer, inputs: Inputs) -> Results:
    """Return shape and type of all weights by published name."""
    network = arguments.build()
    return _by_name(network, network.state_dict())


class Sampling(Arguments):
    """Number of frames, seconds, and frames that are sampled of each second."""

    frames: int
    seconds: int
    per_second: int


@operations.operation("vgg19", "sampled_frames")
def vgg19_frames(arguments: Sampling, inputs: Inputs) -> Results:
    """Return the frames that are sampled, counted from 0."""
    a = arguments
    return {"indices": sampled_frames(a.frames, a.seconds, a.per_second).ravel()}


class Maps(NetworkArguments):
    """Frames that are sampled of each second, and the channels of the given ones."""

    seconds: int
    per_second: int
    order: Literal["RGB", "BGR"] = "RGB"
    width: int = PUBLISHED_WIDTH


@operations.operation("vgg19", "forward")
def vgg19_maps(arguments: Maps, inputs: Inputs) -> Results:
    """Return the mean maps of each second, and the frames that they are of."""
    a, frames = arguments, inputs["frames"]
    frames = frames if a.order == "RGB" else frames[..., ::-1]
    indices = sampled_frames(len(frames), a.seconds, a.per_second)
    network = inputs.filled(VGG19(width=a.width).eval())
    maps = second_maps(network, [partial(_same, frame) for frame in frames], indices)
    return {"indices": indices.ravel(), "features": maps, "abs_max": np.abs(maps).max()}


def _same(frame: Frame) -> Frame:
    return frame


class Vggish(NetworkArguments):
    """Sizes of the network, as published where they are left out."""

    width: int = 64
    hidden: int = 4096


class VggishSound(Vggish):
    """Samples per second of a recording."""

    sample_rate: int


@operations.operation("vggish", "forward")
def vggish_forward(arguments: VggishSound, inputs: Inputs) -> Results:
    """Return the patches of a recording, those of its seconds, and embeddings given weights."""
    a, waveform = arguments, inputs["waveform"]
    made = patches(waveform.astype(np.float64), a.sample_rate)
    results = {"examples": made, "per_second": second_patches(waveform, a.sample_rate)}
    if "weights" not in inputs:
        return results
    network = inputs.filled(VGGish(width=a.width, hidden=a.hidden).eval())
    parts = [np.empty((0, EMBEDDING), np.float32), *embed(network, made, BATCH_SIZE)]
    embedding = np.concatenate(parts)
    return results | {"embedding": embedding, "abs_max": np.abs(embedding).max(initial=0.0)}


@operations.operation("vggish", "quantise")
def vggish_quantise(arguments: Arguments, inputs: Inputs) -> Results:
    """Return the 8-bit form of embeddings, by the public parameters."""
    return {"pca_uint8": quantise(inputs["embedding"], read_pca(PCA))}


@operations.operation("vggish", "state_dict")
def vggish_weights(arguments: Vggish, inputs: Inputs) -> Results:
    """Return shape and type of all weights by name."""
    with torch.device("meta"):
        network = VGGish(width=arguments.width, hidden=arguments.hidden)
    return _by_name(network, network.state_dict())
