"""HTSAT, the audio tower of CLAP and of WavCaps: its structure and the names of its weights.

Source: Chen et al., "HTS-AT: A Hierarchical Token-Semantic Audio Transformer", ICASSP 2022. The
network is `ClapAudioModel` of the package transformers; published files have the names of HTSAT.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from avlib.io.renaming import Renaming, with_parameters

N_MELS = 64
IMAGE_SIZE = 256  # bands and frames of a log-mel become a square
WINDOW = 8  # tokens along each side of a window of attention
EPS = 1e-5
CLASSES = 527  # of AudioSet, which published files still have a layer for
QKV = ("query", "key", "value")
BLOCK_MODULES = {
    "attention.output.dense": "attn.proj",
    "intermediate.dense": "mlp.fc1",
    "output.dense": "mlp.fc2",
    "layernorm_before": "norm1",
    "layernorm_after": "norm2",
}
BLOCK_TENSORS = {
    f"attention.self.{name}": f"attn.{name}"
    for name in ("relative_position_bias_table", "relative_position_index")
}


@dataclass(frozen=True)
class HtsatSizes:
    """Structure of a tower.

    Attributes:
        width: channels of a patch of a spectrogram; every further stage doubles them.
        depths: blocks of each stage.
        heads: attention heads of each stage.
        patch_size: bands and frames of a patch.
        activation: of the feed-forward networks, as the package transformers calls it.
        eps: of the layer norms.
    """

    width: int
    depths: tuple[int, ...]
    heads: tuple[int, ...]
    patch_size: int = 4
    activation: str = "gelu"
    eps: float = EPS

    @property
    def hidden(self) -> int:
        """Channels of the last stage."""
        return self.width << (len(self.depths) - 1)


def audio_config(sizes: HtsatSizes) -> dict[str, Any]:
    """Return the arguments of the package's `ClapAudioConfig`."""
    return {
        "patch_size": sizes.patch_size,
        "patch_stride": [sizes.patch_size, sizes.patch_size],
        "patch_embeds_hidden_size": sizes.width,
        "hidden_size": sizes.hidden,
        "depths": list(sizes.depths),
        "num_attention_heads": list(sizes.heads),
        "num_hidden_layers": len(sizes.depths),
        "hidden_act": sizes.activation,
        "layer_norm_eps": sizes.eps,
    }


def published_names(names: Iterable[str], own: str, published: str) -> Renaming:
    """Return how a file calls the tensors of a tower.

    Args:
        names: of the tensors of a network that has the tower; others are left out.
        own: name of the `ClapAudioModel.audio_encoder` in the network.
        published: name of the tower in the file.
    """
    renamed = {
        name: name.replace(own, published, 1).replace("batch_norm.", "bn0.", 1)
        for name in names
        if name.startswith(f"{own}.")
    }
    blocks = {name.partition(".attention.")[0] for name in renamed if ".attention." in name}
    thirds: dict[str, tuple[str, ...]] = {}
    parts = dict(with_parameters(BLOCK_MODULES)) | BLOCK_TENSORS
    for block in sorted(blocks):
        outside = block.replace(own, published, 1)
        renamed |= {f"{block}.{o}": f"{outside}.{p}" for o, p in parts.items()}
        for kind in ("weight", "bias"):
            group = tuple(f"{block}.attention.self.{part}.{kind}" for part in QKV)
            thirds[f"{outside}.attn.qkv.{kind}"] = group
    return Renaming(names=renamed, thirds=thirds)


def unused_shapes(sizes: HtsatSizes, tower: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield names and shapes of what a file has for classes of AudioSet, or can be computed.

    Args:
        sizes: of the tower.
        tower: its name in the file.
    """
    grid, tokens = IMAGE_SIZE // sizes.patch_size, WINDOW * WINDOW
    for stage, depth in enumerate(sizes.depths):
        side = (grid >> stage) // WINDOW
        if side > 1:
            for block in range(1, depth, 2):
                name = f"{tower}.layers.{stage}.blocks.{block}.attn_mask"
                yield name, (side * side, tokens, tokens)
    last = grid >> (len(sizes.depths) - 1)
    height = last * N_MELS // IMAGE_SIZE
    yield f"{tower}.tscam_conv.weight", (CLASSES, sizes.hidden, height, 3)
    yield f"{tower}.tscam_conv.bias", (CLASSES,)
    yield f"{tower}.head.weight", (CLASSES, CLASSES)
    yield f"{tower}.head.bias", (CLASSES,)
