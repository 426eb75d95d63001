"""All networks that make features, by name: their weights checked, and a shard extracted."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avlib.errors import ConfigError
from avlib.extractors.extraction import ShardFiles

if TYPE_CHECKING:  # each network has imports of its own, which take seconds
    from avlib.extractors.clap.embeddings import Backend


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
        from avlib.extractors.auditory_slowfast.extraction import check_weights

        assert preset is not None
        check_weights(checkpoint, preset, target)
    elif network == "omnivore":
        from avlib.extractors.omnivore.weights import check_omnivore

        check_omnivore(checkpoint, target)
    elif network == "vgg19":
        from avlib.extractors.vgg19.maps import check_vgg19

        check_vgg19(checkpoint, target)
    elif network == "vggish":
        from avlib.extractors.vggish.patches import check_vggish

        check_vggish(checkpoint, target)
    elif network in ("res152", "r2plus1d_18", "clip", "clap"):
        from avlib.valor.extraction import check_segment_network

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
        from avlib.extractors.auditory_slowfast.extraction import ExtractionSettings
        from avlib.extractors.auditory_slowfast.extraction_sound_extraction import (
            extract_sound_shard,
        )

        extract_sound_shard(files, ExtractionSettings(**settings), views=views)
    elif extractor == "omnivore":
        from avlib.extractors.clips import VisualSettings, extract_visual_shard

        extract_visual_shard(files, VisualSettings(extractor="omnivore", **settings), views=views)
    elif extractor == "vgg19":
        from avlib.extractors.pictures import PictureSettings
        from avlib.extractors.vgg19.extraction import extract_vgg19_shard

        extract_vgg19_shard(files, PictureSettings(**settings))
    elif extractor == "vggish":
        from avlib.extractors.vggish.extraction import VggishSettings, extract_vggish_shard

        extract_vggish_shard(files, VggishSettings(**settings))
    else:
        raise ConfigError(f"no network is called {extractor!r}")
