"""The small networks as classifiers: architectures, and logits of classes for their training."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from avlib.datasets.llp import CLASSES
from avlib.extractors.clap.network import Clap, ClapSizes
from avlib.extractors.clip.network import ClipSizes, TowerSizes
from avlib.extractors.clip.weights import untrained_clip
from avlib.extractors.resnet.network import R2Plus1d, ResNet
from avlib.extractors.structure import own_settings
from avlib.extractors.vggish.network import EMBEDDING, VGGish
from avlib.extractors.weights import untrained
from avlib.io.text_tokens import BYTE_VOCABULARY
from avlib.valor.captions import CLAP_CAPTIONS, clap_tokens, clip_tokens
from avlib.valor.pseudo_labels import CLAP_THRESHOLDS, CLIP_THRESHOLDS

ONE_EACH = (1, 1, 1, 1)
SMALL_WIDTH = 8
SMALL_CLIP = ClipSizes(
    vision=TowerSizes(width=64, depth=2, feedforward=256),
    text=TowerSizes(width=64, depth=1, feedforward=64),
    image_size=224,
    patch_size=32,
    vocabulary=49_408,  # of the published tokens of the captions
    positions=77,
    embedding=64,
)
SMALL_CLAP = ClapSizes(  # with patches of 8, three stages end in a map of the published size
    audio_width=16,
    audio_depths=(1, 1, 1),
    audio_heads=(1, 1, 1),
    text_width=64,
    text_depth=1,
    text_feedforward=64,
    vocabulary=BYTE_VOCABULARY,
    positions=79,
    embedding=64,
    patch_size=8,
)


class SmallClassifier(nn.Module):
    """A network that returns logits (B, K) of inputs (B, ...); positive means the class is present.

    Args:
        network: network to train.
        kept: its part whose weights are written.
        classify: returns the logits of inputs.
        settings: what the weights do not tell of that part, by name.
    """

    def __init__(
        self,
        network: nn.Module,
        kept: nn.Module,
        classify: Callable[[Tensor], Tensor],
        settings: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__()
        self.network, self._kept, self._classify = network, [kept], classify
        self.settings = dict(settings or {})

    def forward(self, inputs: Tensor) -> Tensor:
        """Return logits (B, K)."""
        return self._classify(inputs)

    def weights(self) -> dict[str, Tensor]:
        """Return the weights to write, under the names of the published files."""
        return self._kept[0].state_dict()


def build_classifier(
    kind: str, classes: Sequence[str], seed: int, scale: float, tokenizer: Path | None
) -> SmallClassifier:
    """Return a network with random initial weights.

    Args:
        kind: key of `avlib.valor.small_networks.SMALL_NETWORK_RECIPES`.
        classes: names of K classes of LLP.
        seed: seed of the weights.
        scale: initial scale of the cosines of CLIP and CLAP.
        tokenizer: folder of CLAP's tokenizer.
    """
    if kind == "clip":
        return _clip(classes, seed, scale)
    if kind == "clap":
        assert tokenizer is not None
        return _clap(classes, seed, scale, tokenizer)
    build, width = _POOLED[kind]
    network = untrained(build, seed)
    classifier = untrained(lambda: nn.Linear(width, len(classes)), seed)
    whole = nn.Sequential(network, classifier)
    return SmallClassifier(whole, network, whole)


_POOLED: dict[str, tuple[Callable[[], nn.Module], int]] = {  # and the width of the features
    "vggish": (lambda: VGGish(width=SMALL_WIDTH // 2, hidden=64), EMBEDDING),
    "res152": (lambda: ResNet(blocks=ONE_EACH, width=SMALL_WIDTH), 32 * SMALL_WIDTH),
    "r2plus1d_18": (
        lambda: R2Plus1d(blocks=ONE_EACH, width=SMALL_WIDTH, middle=SMALL_WIDTH),
        8 * SMALL_WIDTH,
    ),
}


def _clip(classes: Sequence[str], seed: int, scale: float) -> SmallClassifier:
    network = untrained_clip(SMALL_CLIP, seed)
    nn.init.constant_(network.model.logit_scale, math.log(scale))
    # Random token embeddings suffice to distinguish captions, and most tokens never occur.
    network.model.text_model.embeddings.token_embedding.requires_grad_(False)
    captions = torch.from_numpy(clip_tokens()[_ids(classes)])
    limits = _limits(CLIP_THRESHOLDS, classes)

    def classify(images: Tensor) -> Tensor:
        texts = network.text_embeddings(captions)
        return network.logits(network.image_embeddings(images), texts) - limits

    return SmallClassifier(network, network.model, classify, own_settings(SMALL_CLIP))


def _clap(classes: Sequence[str], seed: int, scale: float, tokenizer: Path) -> SmallClassifier:
    network = untrained(lambda: _scaled_by_fan_in(Clap(SMALL_CLAP)), seed)
    nn.init.constant_(network.model.logit_scale_a, math.log(scale))
    # The next layer can learn the same scale; without this gradient a step costs half as much.
    network.model.audio_model.audio_encoder.batch_norm.requires_grad_(False)
    tokens = [
        torch.from_numpy(array)
        for array in clap_tokens([CLAP_CAPTIONS[i] for i in _ids(classes)], tokenizer)
    ]
    limits = _limits(CLAP_THRESHOLDS, classes)

    def classify(log_mels: Tensor) -> Tensor:
        texts = network.text_embeddings(*tokens)
        is_longer = torch.zeros(len(log_mels), dtype=torch.bool)
        sounds, _ = network.listen(log_mels[:, None], is_longer)  # one of the equal copies suffices
        return network.logits(sounds, texts) - limits

    return SmallClassifier(network, network.model, classify, own_settings(SMALL_CLAP))


def _scaled_by_fan_in(network: Clap) -> Clap:
    """Draw the initial weights again; a deviation of 0.02, the default, suits 768 channels."""
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            nn.init.normal_(module.weight, 0.0, module.weight[0].numel() ** -0.5)
    return network


def _ids(classes: Sequence[str]) -> list[int]:
    return [CLASSES.index(name) for name in classes]


def _limits(thresholds: Sequence[float], classes: Sequence[str]) -> Tensor:
    return torch.tensor([thresholds[i] for i in _ids(classes)], dtype=torch.float32)
