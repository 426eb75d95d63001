"""Checkpoints of CLIP, under the names of transformers, OpenAI and open_clip."""

import math
import zipfile
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from avlib.errors import CheckpointError
from avlib.extractors.clip.network import Clip, ClipSizes, TowerSizes
from avlib.extractors.clip.structure import read_structure
from avlib.extractors.weights import build_network, untrained
from avlib.io.checkpoints import read_weights
from avlib.io.renaming import Renaming, count_blocks, fit_renamed, with_parameters

OPENAI_MARK = "visual.class_embedding"  # a name that only files of OpenAI and open_clip hold
# The towers: blocks in transformers, blocks of OpenAI.
TOWERS = {
    "vision_model.encoder.layers": "visual.transformer.resblocks",
    "text_model.encoder.layers": "transformer.resblocks",
}
BLOCK_MODULES = {
    "layer_norm1": "ln_1",
    "self_attn.out_proj": "attn.out_proj",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
}
MODULES = {
    "vision_model.pre_layrnorm": "visual.ln_pre",
    "vision_model.post_layernorm": "visual.ln_post",
    "text_model.final_layer_norm": "ln_final",
}
TENSORS = {
    "vision_model.embeddings.class_embedding": OPENAI_MARK,
    "vision_model.embeddings.patch_embedding.weight": "visual.conv1.weight",
    "vision_model.embeddings.position_embedding.weight": "visual.positional_embedding",
    "visual_projection.weight": "visual.proj",
    "text_model.embeddings.token_embedding.weight": "token_embedding.weight",
    "text_model.embeddings.position_embedding.weight": "positional_embedding",
    "text_projection.weight": "text_projection",
}
QKV = ("q_proj", "k_proj", "v_proj")
NOT_WEIGHTS = {  # tensors of published files that the network does not hold
    "input_resolution",
    "context_length",
    "vocab_size",
    "text_model.embeddings.position_ids",
    "vision_model.embeddings.position_ids",
}


def openai_names(vision_depth: int, text_depth: int) -> Renaming:
    """Return how OpenAI and open_clip call the tensors of `Clip.model`."""
    modules = dict(MODULES)
    thirds: dict[str, tuple[str, ...]] = {}
    for (own, published), depth in zip(TOWERS.items(), (vision_depth, text_depth), strict=True):
        for i in range(depth):
            modules |= {f"{own}.{i}.{o}": f"{published}.{i}.{p}" for o, p in BLOCK_MODULES.items()}
            for kind in ("weight", "bias"):
                parts = tuple(f"{own}.{i}.self_attn.{part}.{kind}" for part in QKV)
                thirds[f"{published}.{i}.attn.in_proj_{kind}"] = parts
    return Renaming(
        names=TENSORS | dict(with_parameters(modules)),
        thirds=thirds,
        transposed={"visual.proj", "text_projection"},
    )


def file_names(state: Mapping[str, Tensor]) -> Renaming:
    """Return how the file with these tensors calls those of `Clip.model`."""
    if OPENAI_MARK not in state:
        return Renaming({})
    return openai_names(*(count_blocks(state, f"{blocks}.") for blocks in TOWERS.values()))


def infer_sizes(state: Mapping[str, Tensor]) -> ClipSizes:
    """Return the sizes of the network with these weights, which have the names of transformers.

    Raises:
        KeyError: if a tensor that decides a size is missing.
    """
    vision, text = (_infer_tower(state, blocks) for blocks in TOWERS)
    patch_size = state["vision_model.embeddings.patch_embedding.weight"].shape[-1]
    n_tokens = len(state["vision_model.embeddings.position_embedding.weight"])  # one is the class
    return ClipSizes(
        vision=vision,
        text=text,
        image_size=patch_size * math.isqrt(n_tokens - 1),
        patch_size=patch_size,
        vocabulary=len(state["text_model.embeddings.token_embedding.weight"]),
        positions=len(state["text_model.embeddings.position_embedding.weight"]),
        embedding=len(state["text_projection.weight"]),
    )


def _infer_tower(state: Mapping[str, Tensor], blocks: str) -> TowerSizes:
    first = f"{blocks}.0"
    return TowerSizes(
        width=len(state[f"{first}.mlp.fc2.bias"]),
        depth=count_blocks(state, f"{blocks}."),
        feedforward=len(state[f"{first}.mlp.fc1.bias"]),
    )


def load_clip(checkpoint: Path) -> Clip:
    """Return the network of a checkpoint, of the file's own structure and in float32.

    Args:
        checkpoint: a file, the index of several, or a Hugging Face folder of either.

    Raises:
        CheckpointError: if the file cannot be read or does not fit, or the structure of its network
            is not known.
    """
    if _is_program(checkpoint):
        raise CheckpointError(
            f"{checkpoint}: a TorchScript program, as OpenAI's own file is; in an environment of "
            "your own, save torch.jit.load(FILE).state_dict() with torch.save, or take "
            "model.safetensors of openai/clip-vit-large-patch14"
        )
    stored = read_weights(checkpoint)
    state = {n: t for n, t in stored.state.items() if n not in NOT_WEIGHTS}
    renaming = file_names(state)
    try:
        inferred = infer_sizes(renaming.own(state))
    except (KeyError, IndexError, TypeError) as error:
        lacking = renaming.names.get(error.args[0], error.args[0])
        raise CheckpointError(
            f"{checkpoint}: no {lacking}; not a CLIP file with the names of transformers, OpenAI "
            "or open_clip"
        ) from error
    sizes = read_structure(checkpoint, stored.settings, inferred)
    network = build_network(lambda: Clip(sizes), checkpoint)
    fit_renamed(network.model, state, checkpoint, renaming)
    return network


def _is_program(path: Path) -> bool:
    """Return whether a file is an archive of code and weights, which is not read here."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any("/code/" in name for name in archive.namelist())
    except Exception:  # no archive, or a damaged one, which its reader says
        return False


def untrained_clip(sizes: ClipSizes, seed: int) -> Clip:
    """Return a network with random weights, whose embeddings are meaningless."""
    return untrained(lambda: Clip(sizes), seed)
