"""The structure of a CLIP network: what shapes do not tell is read, never guessed.

Of the settings of our own weights, the `config.json` of the package transformers and the
`open_clip_config.json` of open_clip, the first that is there decides. Without any, only the shapes
of a network of OpenAI are known to have its structure.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from avlib.errors import CheckpointError
from avlib.extractors.clip.network import PUBLISHED, ClipSizes, TowerSizes
from avlib.extractors.structure import naming_structure, own_structure
from avlib.io.weights_files import read_config

# End tokens that the network finds: the last of the vocabulary; 2 stands for it in old files.
OLD_END_TOKEN = 2


def read_structure(checkpoint: Path, settings: Mapping[str, str], inferred: ClipSizes) -> ClipSizes:
    """Return the structure of the network of a file.

    Args:
        checkpoint: the file, which `config.json` lies beside.
        settings: that the file holds.
        inferred: sizes that follow from its shapes.

    Raises:
        CheckpointError: if the structure is not known, or of no network here.
    """
    with naming_structure(checkpoint):
        if own := own_structure(settings, ClipSizes):
            return own
        config = read_config(checkpoint)
        if config is not None and config.get("model_type") == "clip":
            return _of_transformers(config)
        open_clip = read_config(checkpoint, "open_clip_config.json")
        if open_clip is not None:
            return _of_open_clip(open_clip["model_cfg"])
    if inferred in PUBLISHED:
        return inferred
    raise CheckpointError(
        f"{checkpoint}: not of the shapes of a CLIP network of OpenAI, so that the number of heads "
        "and the activation are not known; put its config.json (Hugging Face) or "
        "open_clip_config.json (open_clip) beside it"
    )


def _of_transformers(given: Mapping[str, Any]) -> ClipSizes:
    from transformers import CLIPConfig  # takes seconds; it knows what absent keys mean

    config: Any = CLIPConfig.from_dict(dict(given))
    vision, text = config.vision_config, config.text_config
    if text.eos_token_id not in (OLD_END_TOKEN, text.vocab_size - 1):
        raise ValueError(f"text_config.eos_token_id {text.eos_token_id}, not the last token")
    if vision.num_channels != 3:
        raise ValueError(f"vision_config.num_channels {vision.num_channels}, not 3")
    return ClipSizes(
        vision=_tower(vision),
        text=_tower(text),
        image_size=vision.image_size,
        patch_size=vision.patch_size,
        vocabulary=text.vocab_size,
        positions=text.max_position_embeddings,
        embedding=config.projection_dim,
    )


def _tower(config: Any) -> TowerSizes:
    return TowerSizes(
        width=config.hidden_size,
        depth=config.num_hidden_layers,
        feedforward=config.intermediate_size,
        heads=config.num_attention_heads,
        activation=config.hidden_act,
        eps=config.layer_norm_eps,
    )


def _of_open_clip(model: Mapping[str, Any]) -> ClipSizes:
    """Return the structure that open_clip describes; what it leaves out is as in its code."""
    vision, text = model["vision_cfg"], model["text_cfg"]
    activation = "quick_gelu" if model.get("quick_gelu", False) else "gelu"
    odd = sorted(
        {"timm_model_name", "attentional_pool"} & vision.keys()
        | {"hf_model_name", "no_causal_mask", "embed_cls"} & text.keys()
    )
    if odd:
        raise ValueError(f"{odd[0]} of a network that is not computed here")
    width, text_width = vision.get("width", 768), text.get("width", 512)
    return ClipSizes(
        vision=TowerSizes(
            width=width,
            depth=vision.get("layers", 12),
            feedforward=int(width * vision.get("mlp_ratio", 4.0)),
            heads=width // vision.get("head_width", 64),
            activation=activation,
        ),
        text=TowerSizes(
            width=text_width,
            depth=text.get("layers", 12),
            feedforward=int(text_width * text.get("mlp_ratio", 4.0)),
            heads=text.get("heads", 8),
            activation=activation,
        ),
        image_size=vision.get("image_size", 224),
        patch_size=vision.get("patch_size", 16),
        vocabulary=text.get("vocab_size", 49_408),
        positions=text.get("context_length", 77),
        embedding=model["embed_dim"],
    )
