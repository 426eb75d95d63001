"""CLAP with feature fusion: one embedding space of sounds and texts.

Source: Wu et al., "Large-scale Contrastive Language-Audio Pretraining with Feature Fusion and
Keyword-to-Caption Augmentation", ICASSP 2023; the audio tower is HTSAT, Chen et al., ICASSP 2022,
the text tower RoBERTa. The network is that of the package transformers, built from sizes alone;
weights are read under the names of the published `630k-fusion-best.pt`, and under its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from avlib.errors import CheckpointError
from avlib.io.checkpoints import load_state_dict
from avlib.io.renaming import Renaming, count_blocks, fit_renamed, with_parameters, without_weights

HEAD_WIDTH = 64  # channels of an attention head of the text tower
TEXT_EPS = 1e-5  # RoBERTa's; the package's default is another
OWN_MARK = "audio_model.audio_encoder.batch_norm.weight"  # in files with the package's names
AUDIO, TEXT = "audio_model.audio_encoder", "text_model"
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
QKV = ("query", "key", "value")
PROJECTIONS = {
    f"{tower}_projection.linear{i}": f"{tower}_projection.{2 * (i - 1)}"
    for tower in ("audio", "text")
    for i in (1, 2)
}
# Buffers of the text tower that the published file holds under another name, or not at all.
COUNTERS = {f"{TEXT}.embeddings.position_ids", f"{TEXT}.embeddings.token_type_ids"}
# Parts of the published file that neither embeddings nor feature maps need.
UNUSED = (
    "text_branch.embeddings.position_ids",
    "text_branch.embeddings.token_type_ids",
    "text_transform.",
    "audio_transform.",
    "audio_branch.spectrogram_extractor.",
    "audio_branch.logmel_extractor.",
    "audio_branch.tscam_conv.",
    "audio_branch.head.",
)


@dataclass(frozen=True)
class ClapSizes:
    """What tells one network from another.

    Attributes:
        audio_width: channels of a patch of a spectrogram; every further stage doubles them.
        audio_depths: blocks of each stage of the audio tower.
        audio_heads: attention heads of each stage.
        text_width: channels of a token, a multiple of HEAD_WIDTH.
        text_depth: blocks of the text tower.
        text_feedforward: channels between the two linear layers of its blocks.
        vocabulary: number of tokens.
        positions: rows of the table of positions, two more than the longest text.
        embedding: channels of the common space.
        patch_size: bands and frames of a patch of a spectrogram; 4 as published.
    """

    audio_width: int
    audio_depths: tuple[int, ...]
    audio_heads: tuple[int, ...]
    text_width: int
    text_depth: int
    text_feedforward: int
    vocabulary: int
    positions: int
    embedding: int
    patch_size: int = 4


HTSAT_TINY = ClapSizes(
    audio_width=96,
    audio_depths=(2, 2, 6, 2),
    audio_heads=(4, 8, 16, 32),
    text_width=768,
    text_depth=12,
    text_feedforward=3072,
    vocabulary=50_265,
    positions=514,
    embedding=512,
)


class Clap(nn.Module):
    """The whole network; its tensors have the names of transformers behind `model.`.

    Args:
        sizes: sizes of the network.
    """

    def __init__(self, sizes: ClapSizes) -> None:
        from transformers import ClapConfig, ClapModel  # takes seconds

        super().__init__()
        self.sizes = sizes
        audio = {
            "enable_fusion": True,
            "fusion_type": "aff_2d",
            "patch_size": sizes.patch_size,
            "patch_stride": [sizes.patch_size, sizes.patch_size],
            "patch_embeds_hidden_size": sizes.audio_width,
            "hidden_size": sizes.audio_width << (len(sizes.audio_depths) - 1),
            "depths": list(sizes.audio_depths),
            "num_attention_heads": list(sizes.audio_heads),
            "num_hidden_layers": len(sizes.audio_depths),
        }
        text = {
            "hidden_size": sizes.text_width,
            "num_hidden_layers": sizes.text_depth,
            "num_attention_heads": sizes.text_width // HEAD_WIDTH,
            "intermediate_size": sizes.text_feedforward,
            "vocab_size": sizes.vocabulary,
            "max_position_embeddings": sizes.positions,
            "layer_norm_eps": TEXT_EPS,
        }
        config = ClapConfig(audio_config=audio, text_config=text, projection_dim=sizes.embedding)
        self.model = ClapModel(config)

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return self.model.device

    @property
    def dtype(self) -> torch.dtype:
        """The precision of its weights."""
        return self.model.dtype

    def listen(self, log_mels: Tensor, is_longer: Tensor) -> tuple[Tensor, Tensor]:
        """Return embeddings (B, embedding) of length 1, and feature maps (B, C, 2, T).

        Sounds of one batch do not change each other's results.

        Args:
            log_mels: (B, 4, frames, bands) in decibels, as `clap_mel` makes them.
            is_longer: (B,) whether the last three log-mels, parts of a longer sound, count.
        """
        output = self.model.audio_model(input_features=log_mels, is_longer=is_longer[:, None])
        projected = self.model.audio_projection(output.pooler_output)
        return nn.functional.normalize(projected, dim=-1), output.last_hidden_state

    def text_embeddings(self, token_ids: Tensor, mask: Tensor) -> Tensor:
        """Return embeddings (N, embedding) of length 1.

        Args:
            token_ids: (N, L) texts between start and end token.
            mask: (N, L), 0 where there is only padding.
        """
        pooled = self.model.text_model(input_ids=token_ids, attention_mask=mask).pooler_output
        return nn.functional.normalize(self.model.text_projection(pooled), dim=-1)

    def logits(self, sounds: Tensor, texts: Tensor) -> Tensor:
        """Return the scaled cosines (B, N) of embeddings (B, embedding) and (N, embedding)."""
        return self.model.logit_scale_a.exp() * (sounds @ texts.T)


def published_names(sizes: ClapSizes) -> Renaming:
    """Return how the published file calls the tensors of `Clap.model`, but for the UNUSED ones."""
    with torch.device("meta"):
        own = Clap(sizes).model.state_dict()
    names = {
        name: name.replace(AUDIO, "audio_branch", 1).replace("batch_norm.", "bn0.", 1)
        for name in own
        if name.startswith(AUDIO)
    }
    names |= {n: n.replace(TEXT, "text_branch", 1) for n in own if n.startswith(f"{TEXT}.")}
    names |= dict(with_parameters(PROJECTIONS))
    thirds: dict[str, tuple[str, ...]] = {}
    for stage, depth in enumerate(sizes.audio_depths):
        for i in range(depth):
            block = f"layers.{stage}.blocks.{i}"
            parts = dict(with_parameters(BLOCK_MODULES)) | BLOCK_TENSORS
            names |= {f"{AUDIO}.{block}.{o}": f"audio_branch.{block}.{p}" for o, p in parts.items()}
            for kind in ("weight", "bias"):
                group = tuple(f"{AUDIO}.{block}.attention.self.{part}.{kind}" for part in QKV)
                thirds[f"audio_branch.{block}.attn.qkv.{kind}"] = group
    return Renaming(names=names, thirds=thirds, absent=COUNTERS)


def is_unused(name: str) -> bool:
    """Say whether a file's tensor is needed for neither embeddings nor feature maps."""
    return name.startswith(UNUSED) or name.endswith(".attn_mask") or name in COUNTERS


def infer_sizes(state: Mapping[str, Tensor]) -> ClapSizes:
    """Return the sizes of the network with these weights, in either naming.

    Raises:
        KeyError: if a tensor that tells a size is missing.
    """
    is_own = OWN_MARK in state
    audio, text = (AUDIO, TEXT) if is_own else ("audio_branch", "text_branch")
    table = f"{'attention.self' if is_own else 'attn'}.relative_position_bias_table"
    n_stages = count_blocks(state, f"{audio}.layers.")
    layer = f"{text}.encoder.layer."
    return ClapSizes(
        audio_width=len(state[f"{audio}.patch_embed.proj.bias"]),
        audio_depths=tuple(
            count_blocks(state, f"{audio}.layers.{i}.blocks.") for i in range(n_stages)
        ),
        audio_heads=tuple(
            state[f"{audio}.layers.{i}.blocks.0.{table}"].shape[-1] for i in range(n_stages)
        ),
        text_width=len(state[f"{text}.pooler.dense.bias"]),
        text_depth=count_blocks(state, layer),
        text_feedforward=len(state[f"{layer}0.intermediate.dense.bias"]),
        vocabulary=len(state[f"{text}.embeddings.word_embeddings.weight"]),
        positions=len(state[f"{text}.embeddings.position_embeddings.weight"]),
        embedding=len(
            state["text_projection.linear2.bias" if is_own else "text_projection.2.bias"]
        ),
        patch_size=state[f"{audio}.patch_embed.proj.weight"].shape[-1],
    )


def load_clap(checkpoint: Path) -> Clap:
    """Return the network of a checkpoint, at the file's own sizes and in float32.

    Raises:
        CheckpointError: if the file cannot be read or does not fit.
    """
    state = {
        name: tensor
        for name, tensor in load_state_dict(checkpoint, allows_foreign=True).items()
        if not is_unused(name)
    }
    try:
        sizes = infer_sizes(state)
    except KeyError as error:
        raise CheckpointError(
            f"{checkpoint}: no {error.args[0]}; not a file of CLAP with an HTSAT"
        ) from error
    network = without_weights(lambda: Clap(sizes))
    own_names = Renaming({}, absent=COUNTERS)
    fit_renamed(
        network.model, state, checkpoint, own_names if OWN_MARK in state else published_names(sizes)
    )
    return network


def untrained_clap(sizes: ClapSizes, seed: int) -> Clap:
    """Return a network with random weights, whose embeddings carry nothing learned."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Clap(sizes).eval()
