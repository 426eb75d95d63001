"""Operations of the visual teacher: embeddings of images and captions, and their logits."""

from collections.abc import Mapping
from typing import Any, Literal

import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor

from avlib.extractors.clap.network import ClapSizes
from avlib.extractors.clip.network import VIT_L_14, Clip, ClipSizes
from avlib.extractors.clip.weights import openai_names
from avlib.io.renaming import Renaming, without_weights
from avlib.valor.captions import clip_tokens
from avlib.verify.by_class import Arguments, Inputs, NetworkArguments, Results, operation
from avlib.verify.cases import CaseError
from avlib.verify.valor.rule_network import fill_published

Names = Literal["huggingface", "openai"]


def _renaming(names: Names, sizes: ClipSizes) -> Renaming:
    if names == "huggingface":
        return Renaming({})
    return openai_names(sizes.vision.depth, sizes.text.depth)


class ClipArguments(NetworkArguments):
    """By which names the weights are drawn, and the logarithm of the scale of the logits."""

    names: Names
    logit_scale: float


@operation("valor", "clip_embeddings")
@torch.inference_mode()
def clip_embeddings(arguments: ClipArguments, inputs: Inputs) -> Results:
    """Return embeddings of images and of tokens of captions, and their logits, of ViT-L/14."""
    network = without_weights(lambda: Clip(VIT_L_14))
    fill_published(network.model, inputs["weights"], _renaming(arguments.names, VIT_L_14))
    network.model.logit_scale.fill_(arguments.logit_scale)
    network.to(inputs.numerics.device, inputs.numerics.dtype)
    image = network.image_embeddings(inputs.tensor("images"))
    text = network.text_embeddings(inputs.tensor("token_ids").long())
    return {"image": image, "text": text, "logits_per_image": network.logits(image, text)}


@operation("valor", "caption_tokens")
def tokens_of_captions(arguments: Arguments, inputs: Inputs) -> Results:
    """Return the padded tokens of captions."""
    return {"token_ids": clip_tokens(inputs["captions"])}


class TeacherSizes(Arguments):
    """Sizes of a network, by the fields of the class that the library has for them."""

    sizes: dict[str, Any]


class ClipWeightArguments(TeacherSizes):
    """Sizes, and which names of the weights."""

    names: Names


@operation("valor", "clip_state_dict")
def clip_state_dict(arguments: ClipWeightArguments, inputs: Inputs) -> Results:
    """Return published names and shapes of the weights of CLIP."""
    try:
        sizes = TypeAdapter(ClipSizes).validate_python(arguments.sizes)
    except ValidationError as error:
        raise CaseError(f"argument sizes: {error}") from error
    with torch.device("meta"):
        state = Clip(sizes).model.state_dict()
    return taken_weights(state, _renaming(arguments.names, sizes))


def clap_sizes(given: Mapping[str, Any]) -> ClapSizes:
    """Return the sizes of CLAP.

    Raises:
        CaseError: if one is unknown, missing or of another type.
    """
    try:
        return TypeAdapter(ClapSizes).validate_python(given)
    except ValidationError as error:
        raise CaseError(f"argument sizes: {error}") from error


def taken_weights(state: Mapping[str, Tensor], renaming: Renaming) -> dict[str, Any]:
    """Return the published names and shapes of the weights that a network takes from a file."""
    published = renaming.published(dict(state))
    shapes = {name: list(tensor.shape) for name, tensor in published.items()}
    return {"names": sorted(shapes), "shapes": shapes, "n_tensors": len(shapes)}
