"""CLIP with a vision transformer: one embedding space of images and captions.

Source: Radford et al., "Learning Transferable Visual Models From Natural Language Supervision",
ICML 2021. The network is that of the package transformers, built from sizes alone; its published
weights are read under the names of transformers and under those of OpenAI and open_clip.
"""

from dataclasses import dataclass

from torch import Tensor, nn

HEAD_WIDTH = 64  # channels of an attention head of the published networks
EPS = 1e-5  # of their layer norms


@dataclass(frozen=True)
class TowerSizes:
    """Structure of one transformer; the last three do not follow from the shapes of its weights.

    Attributes:
        width: channels of a token.
        depth: number of blocks.
        feedforward: channels between the two linear layers of a block.
        heads: attention heads; None for one of each HEAD_WIDTH channels, as published.
        activation: between the two linear layers, as the package transformers calls it.
        eps: of the layer norms.
    """

    width: int
    depth: int
    feedforward: int
    heads: int | None = None
    activation: str = "quick_gelu"
    eps: float = EPS


@dataclass(frozen=True)
class ClipSizes:
    """Sizes of a network.

    Attributes:
        vision: tower of the images.
        text: tower of the captions.
        image_size: pixels of an image on either side.
        patch_size: pixels of a patch on either side.
        vocabulary: number of tokens, of which the last one ends a caption.
        positions: longest caption in tokens.
        embedding: channels of the common space.
    """

    vision: TowerSizes
    text: TowerSizes
    image_size: int
    patch_size: int
    vocabulary: int
    positions: int
    embedding: int


def _published(vision: int, depth: int, text: int, image_size: int, patch_size: int) -> ClipSizes:
    """Return the sizes of a network of OpenAI with towers of these widths."""
    return ClipSizes(
        vision=TowerSizes(width=vision, depth=depth, feedforward=4 * vision),
        text=TowerSizes(width=text, depth=12, feedforward=4 * text),
        image_size=image_size,
        patch_size=patch_size,
        vocabulary=49_408,
        positions=77,
        embedding=text,
    )


VIT_L_14 = _published(1024, 24, 768, image_size=224, patch_size=14)
PUBLISHED = (
    VIT_L_14,
    _published(1024, 24, 768, image_size=336, patch_size=14),
    _published(768, 12, 512, image_size=224, patch_size=16),
    _published(768, 12, 512, image_size=224, patch_size=32),
)


class Clip(nn.Module):
    """The whole network; its tensors have the names of transformers behind `model.`.

    Args:
        sizes: sizes of the network.
    """

    def __init__(self, sizes: ClipSizes) -> None:
        from transformers import CLIPConfig, CLIPModel  # takes seconds

        super().__init__()
        self.sizes = sizes
        vision = _tower_config(sizes.vision) | {
            "image_size": sizes.image_size,
            "patch_size": sizes.patch_size,
        }
        text = _tower_config(sizes.text) | {
            "vocab_size": sizes.vocabulary,
            "max_position_embeddings": sizes.positions,
            "bos_token_id": sizes.vocabulary - 2,
            "eos_token_id": sizes.vocabulary - 1,
            "pad_token_id": sizes.vocabulary - 1,
        }
        config = CLIPConfig(vision_config=vision, text_config=text, projection_dim=sizes.embedding)
        self.model = CLIPModel(config)

    def image_embeddings(self, images: Tensor) -> Tensor:
        """Return embeddings (B, embedding) of length 1.

        Args:
            images: (B, 3, image_size, image_size), RGB, normalised.
        """
        pooled = self.model.vision_model(pixel_values=images).pooler_output  # (B, vision.width)
        return nn.functional.normalize(self.model.visual_projection(pooled), dim=-1)

    def text_embeddings(self, token_ids: Tensor) -> Tensor:
        """Return embeddings (N, embedding) of length 1.

        Attention looks back only and the first end token is read, so what comes after it, zeros or
        end tokens, does not matter and needs no mask.

        Args:
            token_ids: (N, at most positions) captions between start and end token.
        """
        pooled = self.model.text_model(input_ids=token_ids).pooler_output  # (N, text.width)
        return nn.functional.normalize(self.model.text_projection(pooled), dim=-1)

    def logits(self, images: Tensor, texts: Tensor) -> Tensor:
        """Return the scaled cosines (B, N) of embeddings (B, embedding) and (N, embedding)."""
        return self.model.logit_scale.exp() * (images @ texts.T)


def _tower_config(sizes: TowerSizes) -> dict[str, object]:
    return {
        "hidden_size": sizes.width,
        "num_hidden_layers": sizes.depth,
        "num_attention_heads": sizes.heads or sizes.width // HEAD_WIDTH,
        "intermediate_size": sizes.feedforward,
        "hidden_act": sizes.activation,
        "layer_norm_eps": sizes.eps,
    }
