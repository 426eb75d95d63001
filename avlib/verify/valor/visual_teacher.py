"""Golden cases of the visual teacher: embeddings of pictures and captions, and their logits."""

import math
from collections.abc import Iterator

import torch

from avlib.extractors.clip.network import VIT_L_14, Clip
from avlib.extractors.clip.weights import openai_names
from avlib.io.renaming import Renaming, without_weights
from avlib.valor.captions import PUBLISHED_TOKENS, clip_tokens
from avlib.verify.golden import Case, Comparison, Numerics, compare, compare_exactly
from avlib.verify.rule import rule_input
from avlib.verify.valor.rule_network import fill_published

# Prefix of the arrays; by which names the weights were drawn, and the scale that was left alone.
NAMINGS = {
    "hf": (Renaming({}), 2.6592),
    "openclip": (
        openai_names(VIT_L_14.vision.depth, VIT_L_14.text.depth),
        math.log(1 / 0.07),
    ),
}


@torch.inference_mode()
def clip(case: Case, numerics: Numerics) -> Iterator[Comparison]:
    """Compare tokens, and embeddings and logits for each naming that the case has."""
    c, golden = case.content, case.arrays
    captions = c["captions"]
    if PUBLISHED_TOKENS.keys() >= set(captions):
        tokens = clip_tokens(captions).tolist()
        yield compare_exactly("token_ids_77", tokens, golden["token_ids_77"].tolist())
    (given,) = (entry for entry in c["inputs"] if entry["name"] == "pixels")
    drawn = rule_input("pixels", tuple(given["shape"]), given["seed"], given.get("scale", 1.0))
    images = torch.from_numpy(drawn).to(numerics.device, numerics.dtype)
    chosen = c.get("caption_indices_used_for_text_arrays", range(len(captions)))
    tokens = torch.from_numpy(golden["token_ids_77"][list(chosen)]).long().to(numerics.device)
    network = without_weights(lambda: Clip(VIT_L_14))
    for prefix, (naming, logit_scale) in NAMINGS.items():
        if f"{prefix}_image" not in golden:
            continue
        fill_published(network.model, c["fill_seed"], naming)
        network.model.logit_scale.fill_(logit_scale)
        network.to(numerics.device, numerics.dtype)
        image, text = network.image_embeddings(images), network.text_embeddings(tokens)
        results = {"image": image, "text": text, "logits_per_image": network.logits(image, text)}
        for name, result in results.items():
            array = f"{prefix}_{name}"
            yield compare(array, result, golden[array], case.tolerance(array))
