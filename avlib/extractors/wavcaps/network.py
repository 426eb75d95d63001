"""ASE, the audio-language retrieval network of WavCaps: one embedding space of sounds and texts.

Source: Mei et al., "WavCaps: A ChatGPT-Assisted Weakly-Labelled Audio Captioning Dataset for
Audio-Language Multimodal Research", 2023; the audio tower is HTSAT, the text tower BERT. Both are
networks of the package transformers, built from sizes alone; `weights.py` has the published names.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from avlib.extractors.htsat import EPS, HtsatSizes, audio_config

TEXT_EPS = 1e-12  # BERT's
TEMPERATURE = 0.07  # of the training, at its start


@dataclass(frozen=True)
class AseSizes:
    """Structure of a network; what follows `embedding` does not follow from shapes of weights.

    Attributes:
        audio_width: channels of a patch of a spectrogram; every further stage doubles them.
        audio_depths: blocks of each stage of the audio tower.
        audio_heads: attention heads of each stage.
        text_width: channels of a token.
        text_depth: blocks of the text tower.
        text_feedforward: channels between the two linear layers of its blocks.
        vocabulary: number of tokens.
        positions: rows of the table of positions.
        embedding: channels of the common space.
        patch_size: bands and frames of a patch of a spectrogram; 4 as published.
        text_heads: attention heads of the text tower.
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
    text_heads: int = 12

    @property
    def audio(self) -> HtsatSizes:
        """Structure of the audio tower."""
        return HtsatSizes(
            self.audio_width, self.audio_depths, self.audio_heads, self.patch_size, eps=EPS
        )


HTSAT_BERT = AseSizes(
    audio_width=96,
    audio_depths=(2, 2, 6, 2),
    audio_heads=(4, 8, 16, 32),
    text_width=768,
    text_depth=12,
    text_feedforward=3072,
    vocabulary=30_522,
    positions=512,
    embedding=1024,
)


class Ase(nn.Module):
    """The whole network.

    Args:
        sizes: sizes of the network.
    """

    def __init__(self, sizes: AseSizes) -> None:
        from transformers import (  # takes seconds
            BertConfig,
            BertModel,
            ClapAudioConfig,
            ClapAudioModel,
        )

        super().__init__()
        self.sizes = sizes
        self.temp = nn.Parameter(torch.tensor(TEMPERATURE))
        self.audio = ClapAudioModel(ClapAudioConfig(**audio_config(sizes.audio)))
        text = BertConfig(
            hidden_size=sizes.text_width,
            num_hidden_layers=sizes.text_depth,
            num_attention_heads=sizes.text_heads,
            intermediate_size=sizes.text_feedforward,
            vocab_size=sizes.vocabulary,
            max_position_embeddings=sizes.positions,
            layer_norm_eps=TEXT_EPS,
        )
        self.text = BertModel(text, add_pooling_layer=False)
        self.audio_proj = _projection(sizes.audio.hidden, sizes.embedding)
        self.text_proj = _projection(sizes.text_width, sizes.embedding)

    def sound_embeddings(self, log_mels: Tensor) -> Tensor:
        """Return embeddings (B, embedding) of length 1.

        Args:
            log_mels: (B, 1, frames, bands) in decibels, of `log_mel.sound_mel`.
        """
        return self.project_sounds(self.audio(input_features=log_mels).pooler_output)

    def project_sounds(self, pooled: Tensor) -> Tensor:
        """Return embeddings (B, embedding) of length 1 of what the audio tower gives (B, C)."""
        return nn.functional.normalize(self.audio_proj(pooled), dim=-1)

    def text_embeddings(self, token_ids: Tensor, mask: Tensor) -> Tensor:
        """Return embeddings (N, embedding) of length 1.

        Args:
            token_ids: (N, L) texts between [CLS] and [SEP].
            mask: (N, L), 0 where there is only padding.
        """
        states = self.text(input_ids=token_ids, attention_mask=mask).last_hidden_state
        return nn.functional.normalize(self.text_proj(states[:, 0]), dim=-1)


def _projection(width: int, embedding: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, embedding), nn.ReLU(), nn.Linear(embedding, embedding))
