"""CLAP with feature fusion: one embedding space of sounds and texts.

Source: Wu et al., "Large-scale Contrastive Language-Audio Pretraining with Feature Fusion and
Keyword-to-Caption Augmentation", ICASSP 2023; the audio tower is HTSAT, Chen et al., ICASSP 2022,
the text tower RoBERTa. The network is that of the package transformers, built from sizes alone;
weights are read under the names of the published `630k-fusion-best.pt`, and under its own.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from avlib.extractors.htsat import EPS, HtsatSizes, audio_config

HEAD_WIDTH = 64  # channels of an attention head of the published text tower
TEXT_EPS = 1e-5  # RoBERTa's; the package's default is another


@dataclass(frozen=True)
class ClapSizes:
    """Structure of a network; what follows `patch_size` does not follow from shapes of weights.

    Attributes:
        audio_width: channels of a patch of a spectrogram; every further stage doubles them.
        audio_depths: blocks of each stage of the audio tower.
        audio_heads: attention heads of each stage.
        text_width: channels of a token.
        text_depth: blocks of the text tower.
        text_feedforward: channels between the two linear layers of its blocks.
        vocabulary: number of tokens.
        positions: rows of the table of positions, two more than the longest text.
        embedding: channels of the common space.
        patch_size: bands and frames of a patch of a spectrogram; 4 as published.
        text_heads: attention heads of the text tower; None for one of each HEAD_WIDTH channels, as
            published.
        text_activation: of its feed-forward networks, as the package transformers calls it.
        text_eps: of its layer norms.
        audio_activation: of the feed-forward networks of the audio tower.
        audio_eps: of its layer norms.
        projection_activation: between the two layers into the common space.
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
    text_heads: int | None = None
    text_activation: str = "gelu"
    text_eps: float = TEXT_EPS
    audio_activation: str = "gelu"
    audio_eps: float = EPS
    projection_activation: str = "relu"

    @property
    def audio(self) -> HtsatSizes:
        """Structure of the audio tower."""
        return HtsatSizes(
            width=self.audio_width,
            depths=self.audio_depths,
            heads=self.audio_heads,
            patch_size=self.patch_size,
            activation=self.audio_activation,
            eps=self.audio_eps,
        )


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
        fusion = {"enable_fusion": True, "fusion_type": "aff_2d"}
        audio = fusion | audio_config(sizes.audio)
        text = {
            "hidden_size": sizes.text_width,
            "num_hidden_layers": sizes.text_depth,
            "num_attention_heads": sizes.text_heads or sizes.text_width // HEAD_WIDTH,
            "hidden_act": sizes.text_activation,
            "intermediate_size": sizes.text_feedforward,
            "vocab_size": sizes.vocabulary,
            "max_position_embeddings": sizes.positions,
            "layer_norm_eps": sizes.text_eps,
        }
        config = ClapConfig(
            audio_config=audio,
            text_config=text,
            projection_dim=sizes.embedding,
            projection_hidden_act=sizes.projection_activation,
        )
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
        return self.project_sounds(output.pooler_output), output.last_hidden_state

    def project_sounds(self, pooled: Tensor) -> Tensor:
        """Return embeddings (B, embedding) of length 1 of what the audio tower gives (B, C)."""
        return nn.functional.normalize(self.model.audio_projection(pooled), dim=-1)

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
