"""Checkpoints of Omnivore: published ones, and those of networks that are trained here."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from avlib.errors import CheckpointError
from avlib.extractors.omnivore.network import (
    DEPTH_INPUT,
    Omnivore,
    infer_sizes,
    network_weights,
)
from avlib.extractors.omnivore.sizes import SWIN_B, TrunkSizes
from avlib.extractors.omnivore.trunk import VideoSwin
from avlib.extractors.weights import untrained
from avlib.io.checkpoints import fit_state_dict, read_weights
from avlib.io.weights import lost_settings, save_weights

NOT_OF_THE_TRUNK = (DEPTH_INPUT, "head.", "heads.")


@dataclass(frozen=True)
class ClipSize:
    """What a network sees of an interval; the defaults are published.

    Attributes:
        num_frames: frames of a clip.
        crop: height and width in pixels.
    """

    num_frames: int = 32
    crop: int = 224


def save_omnivore(
    target: Path, network: Omnivore, clip: ClipSize, metadata: dict[str, str]
) -> None:
    """Write a network of our own as safetensors.

    Args:
        target: file to write.
        network: its weights are written under the published names, beside `head.*`.
        clip: what it was trained on.
        metadata: more text to note, such as the names of the classes.
    """
    weights = network_weights(network)
    sizes = {
        name: ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
        for name, value in (asdict(infer_sizes(weights)) | asdict(clip)).items()
    }
    save_weights(target, weights, metadata | sizes | {"classes": str(network.head.out_features)})


def load_omnivore(path: Path) -> tuple[VideoSwin, ClipSize]:
    """Return the trunk of a weights file, at the file's own sizes, and what it sees.

    The file is a published checkpoint, {trunk, heads} or the trunk's tensors alone, or one of
    `save_omnivore`. Heads and the input for depth are left out.

    Raises:
        CheckpointError: if the file cannot be read, is of another network or does not fit, or is of
            no published size and does not say which clips it sees.
    """
    stored = read_weights(path)
    state = {n: v for n, v in stored.state.items() if not n.startswith(NOT_OF_THE_TRUNK)}
    try:
        sizes = infer_sizes(state)
    except (KeyError, ValueError, IndexError) as error:
        raise CheckpointError(f"{path}: not an Omnivore file ({error})") from error
    trunk = VideoSwin(sizes).eval()
    fit_state_dict(trunk, state, path)
    return trunk, clip_size(stored.settings, sizes, path)


def clip_size(settings: Mapping[str, str], sizes: TrunkSizes, source: Path) -> ClipSize:
    """Return what a network sees: what was written with its weights, else as published.

    Raises:
        CheckpointError: if neither is known.
    """
    try:
        return ClipSize(int(settings["num_frames"]), int(settings["crop"]))
    except KeyError:
        if sizes.is_published:
            return ClipSize()
        raise lost_settings(source, "the size of its clips, `num_frames` and `crop`,") from None


def untrained_omnivore(seed: int) -> tuple[VideoSwin, ClipSize]:
    """Return the published trunk with random weights, whose features are meaningless."""
    return untrained(lambda: VideoSwin(SWIN_B), seed), ClipSize()
