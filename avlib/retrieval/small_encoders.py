"""Narrow encoders of the architectures of CLAP, ASE and EgoVLP, with the texts that they read."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from avlib.datasets.miniature.kitchen_texts import spoken_words, vocabulary
from avlib.extractors.clap.log_mel import COPIES
from avlib.extractors.clap.network import Clap, ClapSizes
from avlib.extractors.egovlp.network import EgoVlp, EgoVlpSizes
from avlib.extractors.structure import own_settings
from avlib.extractors.wavcaps.network import Ase, AseSizes
from avlib.extractors.weights import untrained
from avlib.io.text_tokens import BYTE_VOCABULARY, Encoding, byte_merges, padded, tokenise
from avlib.retrieval.rendered_clips import CLIP_FRAMES, IMAGE_SIZE

PADDING = {"RoBERTa": 1, "BERT": 0}  # tokens
N = TypeVar("N", bound=nn.Module)
LONGEST = {"clap": 62, "ase_audiocaps": 30, "ase_clotho": 30, "egovlp": 62}  # texts, in tokens
_WORDS = len(vocabulary())
SMALL_CLAP = ClapSizes(  # with patches of 16, two stages end in a map of the published size
    audio_width=32,
    audio_depths=(1, 1),
    audio_heads=(2, 2),
    text_width=64,
    text_depth=1,
    text_feedforward=128,
    vocabulary=BYTE_VOCABULARY + len(byte_merges(spoken_words())),
    positions=LONGEST["clap"] + 2,
    embedding=64,
    patch_size=16,
)
SMALL_ASE = AseSizes(
    audio_width=32,
    audio_depths=(1, 1),
    audio_heads=(2, 2),
    text_width=64,
    text_depth=1,
    text_feedforward=128,
    vocabulary=_WORDS,
    positions=LONGEST["ase_clotho"],
    embedding=64,
    patch_size=16,
    text_heads=2,
)
SMALL_EGOVLP = EgoVlpSizes(
    frames=CLIP_FRAMES,
    image_size=IMAGE_SIZE,
    patch_size=16,
    width=64,
    depth=2,
    heads=2,
    feedforward=128,
    text_width=64,
    text_depth=1,
    text_heads=2,
    text_feedforward=128,
    vocabulary=_WORDS,
    positions=LONGEST["egovlp"],
    embedding=64,
)


class SmallEncoder(nn.Module):
    """An encoder of clips and of texts.

    Args:
        network: network to train.
        kept: its part whose weights are written.
        embed_clips: returns embeddings (B, embedding) of a batch of inputs.
        embed_texts: returns embeddings (N, embedding) of tokens and their mask, (N, L).
        settings: what the weights do not tell of `kept`, by name.
        embed_quickly: does nearly the same as `embed_clips` in a fraction of the time, for the
            first epochs; None: there is no such way.
        band_norms: parts that normalise the bands of log-mels by their statistics. The next layer
            can learn the same scale as theirs; without its gradient a step costs less.
    """

    def __init__(
        self,
        network: nn.Module,
        kept: nn.Module,
        embed_clips: Callable[[Sequence[Tensor]], Tensor],
        embed_texts: Callable[[Tensor, Tensor], Tensor],
        settings: Mapping[str, str],
        embed_quickly: Callable[[Sequence[Tensor]], Tensor] | None = None,
        band_norms: Sequence[nn.Module] = (),
    ) -> None:
        super().__init__()
        self.network, self._kept = network, [kept]
        self.embed_clips, self.embed_texts = embed_clips, embed_texts
        self.embed_quickly = embed_quickly or embed_clips
        self.settings = dict(settings)
        self.band_norms = nn.ModuleList(band_norms).requires_grad_(False)

    def weights(self) -> dict[str, Tensor]:
        """Return the weights to write."""
        return self._kept[0].state_dict()


def build_encoder(network: str, seed: int) -> SmallEncoder:
    """Return an encoder with random initial weights.

    Args:
        network: clap, ase_audiocaps, ase_clotho or egovlp.
        seed: seed of the weights.
    """
    return {"clap": _clap, "ase_audiocaps": _ase, "ase_clotho": _ase, "egovlp": _egovlp}[network](
        seed
    )


def tokens(network: str, texts: Sequence[str], tokenizer: Path) -> tuple[Tensor, Tensor]:
    """Return tokens of texts as a network reads them, and their attention mask: (N, L).

    Raises:
        DataError: if the tokenizer cannot be read, or a text is too long.
    """
    encoding: Encoding = "RoBERTa" if network == "clap" else "BERT"
    rows = tokenise(texts, tokenizer, encoding, LONGEST[network])
    found, mask = padded(rows, PADDING[encoding])
    return torch.from_numpy(found), torch.from_numpy(mask)


def _clap(seed: int) -> SmallEncoder:
    network = untrained(lambda: _scaled_by_fan_in(Clap(SMALL_CLAP)), seed)
    tower = network.model.audio_model.audio_encoder
    # Fusion begins as the log-mel of the whole sound alone, as a training without it has it.
    parts: Any = tower.patch_embed
    attention = parts.fusion_model
    for layer in (parts.mel_conv2d, attention.local_att[-2], attention.global_att[-2]):
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)

    def embed(inputs: Sequence[Tensor]) -> Tensor:
        mels = torch.stack([x.expand(COPIES, -1, -1) for x in inputs]).float()
        # All are fused, as the published results have it; see the extractor's `reference`.
        return network.listen(mels, torch.ones(len(mels), dtype=torch.bool))[0]

    def embed_unfused(inputs: Sequence[Tensor]) -> Tensor:
        mels = torch.stack([x[:1] for x in inputs]).float()
        return network.listen(mels, torch.zeros(len(mels), dtype=torch.bool))[0]

    return SmallEncoder(
        network,
        network.model,
        embed,
        network.text_embeddings,
        own_settings(SMALL_CLAP),
        embed_unfused,
        [tower.batch_norm],
    )


def _ase(seed: int) -> SmallEncoder:
    network = untrained(lambda: _scaled_by_fan_in(Ase(SMALL_ASE)), seed)

    def embed(inputs: Sequence[Tensor]) -> Tensor:
        return network.sound_embeddings(torch.stack(list(inputs)).float())

    norms = [network.audio.audio_encoder.batch_norm]
    settings = own_settings(SMALL_ASE)
    return SmallEncoder(
        network, network, embed, network.text_embeddings, settings, band_norms=norms
    )


def _egovlp(seed: int) -> SmallEncoder:
    network = untrained(lambda: _scaled_by_fan_in(EgoVlp(SMALL_EGOVLP)), seed)

    def embed(inputs: Sequence[Tensor]) -> Tensor:
        return network.video_embeddings(torch.stack(list(inputs)).float())

    return SmallEncoder(
        network, network, embed, network.text_embeddings, own_settings(SMALL_EGOVLP)
    )


def _scaled_by_fan_in(network: N) -> N:
    """Draw the initial weights again; a deviation of 0.02, the default, suits 768 channels."""
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            nn.init.normal_(module.weight, 0.0, module.weight[0].numel() ** -0.5)
    return network
