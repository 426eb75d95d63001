"""The structure of a CLAP network: what shapes do not tell is read, never guessed.

Of the settings of our own weights and the `config.json` of the package transformers, the first that
is there decides. Without either, only the shapes of the published network have its structure.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from avlib.errors import CheckpointError
from avlib.extractors.clap.network import HTSAT_TINY, ClapSizes
from avlib.extractors.structure import naming_structure, own_structure
from avlib.io.weights_files import read_config

# What the front end and the network here are made for.
AUDIO = {
    "enable_fusion": (True,),
    "fusion_type": ("aff_2d", None),  # the package computes this one whatever is named
    "spec_size": (256,),
    "num_mel_bins": (64,),
    "window_size": (8,),
    "mlp_ratio": (4.0,),
    "aff_block_r": (4,),
    "patch_embed_input_channels": (1,),
    "qkv_bias": (True,),
    "flatten_patch_embeds": (True,),
    "enable_patch_layer_norm": (True,),
}
TEXT = {"pad_token_id": (1,), "type_vocab_size": (1,)}


def read_structure(checkpoint: Path, settings: Mapping[str, str], inferred: ClapSizes) -> ClapSizes:
    """Return the structure of the network of a file.

    Args:
        checkpoint: the file, which `config.json` lies beside.
        settings: that the file holds.
        inferred: sizes that follow from its shapes.

    Raises:
        CheckpointError: if the structure is not known, or of no network here.
    """
    with naming_structure(checkpoint):
        if own := own_structure(settings, ClapSizes):
            return own
        config = read_config(checkpoint)
        if config is not None and config.get("model_type") == "clap":
            return _of_transformers(config)
    if inferred == HTSAT_TINY:
        return inferred
    raise CheckpointError(
        f"{checkpoint}: not of the shapes of the published CLAP (630k-fusion-best.pt), so that the "
        "number of heads and the activations are not known; put its config.json (Hugging Face) "
        "beside it"
    )


def _of_transformers(given: Mapping[str, Any]) -> ClapSizes:
    from transformers import ClapConfig  # takes seconds; it knows what absent keys mean

    config: Any = ClapConfig.from_dict(dict(given))
    audio, text = config.audio_config, config.text_config
    for section, part, allowed in (("audio", audio, AUDIO), ("text", text, TEXT)):
        for name, values in allowed.items():
            value = getattr(part, name)
            if value not in values:
                raise ValueError(f"{section}_config.{name} is {value!r}, not {values[0]!r}")
    stride = audio.patch_stride
    strides = list(stride) if isinstance(stride, list | tuple) else [stride, stride]
    if strides != [audio.patch_size] * 2:
        raise ValueError(f"audio_config.patch_stride is {strides}, not that of its patches")
    return ClapSizes(
        audio_width=audio.patch_embeds_hidden_size,
        audio_depths=tuple(audio.depths),
        audio_heads=tuple(audio.num_attention_heads),
        text_width=text.hidden_size,
        text_depth=text.num_hidden_layers,
        text_feedforward=text.intermediate_size,
        vocabulary=text.vocab_size,
        positions=text.max_position_embeddings,
        embedding=config.projection_dim,
        patch_size=audio.patch_size,
        text_heads=text.num_attention_heads,
        text_activation=text.hidden_act,
        text_eps=text.layer_norm_eps,
        audio_activation=audio.hidden_act,
        audio_eps=audio.layer_norm_eps,
        projection_activation=config.projection_hidden_act,
    )
