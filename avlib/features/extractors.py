"""All networks that make features, by name: their weights checked, and a shard extracted."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avlib.errors import ConfigError
from avlib.features.extraction import ShardFiles

if TYPE_CHECKING:  # each network has imports of its own, which take seconds
    from avlib.features.clap import Backend


def check_given_weights(
    network: str,
    checkpoint: Path,
    *,
    preset: str | None,
    clap_backend: "Backend" = "transformers",
    target: Path,
) -> None:
    """Write what a checkpoint is, if it fits its network.

    Args:
        network: asf, omnivore, vgg19, vggish, res152, r2plus1d_18, clip or clap.
        checkpoint: the file.
        preset: of Auditory SlowFast; None for other networks.
        clap_backend: package that runs CLAP.
        target: JSON file to write.

    Raises:
        CheckpointError: if it does not fit.
    """
    # Each network has imports of its own, which take seconds and which the others do without.
    if network == "asf":
        from avlib.features.auditory_slowfast import check_weights

        assert preset is not None
        check_weights(checkpoint, preset, target)
    elif network == "omnivore":
        from avlib.features.omnivore import check_omnivore

        check_omnivore(checkpoint, target)
    elif network == "vgg19":
        from avlib.features.vgg19 import check_vgg19

        check_vgg19(checkpoint, target)
    elif network == "vggish":
        from avlib.features.vggish import check_vggish

        check_vggish(checkpoint, target)
    elif network in ("res152", "r2plus1d_18", "clip", "clap"):
        from avlib.features.segment_extraction import check_segment_network

        check_segment_network(network, checkpoint, target, clap_backend)
    else:
        raise ConfigError(f"no network is called {network!r}")


def extract_shard(
    extractor: str, files: ShardFiles, settings: Mapping[str, Any], *, views: dict[str, int]
) -> None:
    """Write the features of every usable video of a shard, and their index.

    Args:
        extractor: asf, omnivore, vgg19 or vggish.
        files: inputs and outputs; the sources are packs for features of the sound, lists of
            videos for those of the picture.
        settings: what decides the bytes: the fields of the extractor's settings.
        views: views of each interval, by split; VGG-19 and VGGish have one.

    Raises:
        CheckpointError: if the weights do not fit the network.
    """
    if extractor == "asf":
        from avlib.features.auditory_slowfast import ExtractionSettings
        from avlib.features.sound_extraction import extract_sound_shard

        extract_sound_shard(files, ExtractionSettings(**settings), views=views)
    elif extractor == "omnivore":
        from avlib.features.visual_extraction import VisualSettings, extract_visual_shard

        extract_visual_shard(files, VisualSettings(extractor="omnivore", **settings), views=views)
    elif extractor == "vgg19":
        from avlib.features.picture_extraction import PictureSettings
        from avlib.features.vgg19_extraction import extract_vgg19_shard

        extract_vgg19_shard(files, PictureSettings(**settings))
    elif extractor == "vggish":
        from avlib.features.vggish_extraction import VggishSettings, extract_vggish_shard

        extract_vggish_shard(files, VggishSettings(**settings))
    else:
        raise ConfigError(f"no network is called {extractor!r}")
