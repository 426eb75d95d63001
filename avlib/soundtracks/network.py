"""Networks that classify an audio image, the log-mel spectrogram of 0.96 s of a soundtrack.

Source: the published soundtrack classifiers of Kinetics-600. The residual networks are He et al.,
"Deep Residual Learning for Image Recognition", CVPR 2016; the VGG networks are Simonyan and
Zisserman, ICLR 2015, with batch norms. Weights files have the published names, which
`published_name` gives.
"""

import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, get_args

import torch
from torch import Tensor, nn

from avlib.soundtracks.blocks import VGG_SIZES, BasicBlock, Bottleneck, vgg_layers
from avlib.soundtracks.mel import N_FRAMES, N_MELS
from avlib.soundtracks.network_choice import NetworkName, Pool

PUBLISHED_WIDTH = 64  # channels of a stem
HIDDEN = 4096
STAGES = 4
STEM_STRIDES = (1, 2)
BOTTLENECK = "layer1.0.group1.conv3.weight"  # of the deeper networks alone

# Blocks of the four stages by depth; the deeper networks have bottlenecks.
DEPTHS: dict[int, tuple[type[BasicBlock | Bottleneck], tuple[int, ...]]] = {
    18: (BasicBlock, (2, 2, 2, 2)),
    34: (BasicBlock, (3, 4, 6, 3)),
    50: (Bottleneck, (3, 4, 6, 3)),
    101: (Bottleneck, (3, 4, 23, 3)),
    152: (Bottleneck, (3, 8, 36, 3)),
}
NETWORKS: tuple[str, ...] = get_args(NetworkName)


class BandScale(nn.Module):
    """Standardise each band of an image by the mean and deviation of the train split.

    Shape:
        images: (B, N_MELS, N_FRAMES).
        returns: (B, N_MELS, N_FRAMES).
    """

    mean: Tensor  # (N_MELS, 1)
    deviation: Tensor  # (N_MELS, 1)

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(N_MELS, 1))
        self.register_buffer("deviation", torch.ones(N_MELS, 1))

    def set_statistics(self, mean: Tensor, deviation: Tensor) -> None:
        """Set the mean and the deviation (N_MELS,) of each band."""
        self.mean.copy_(mean[:, None])
        self.deviation.copy_(deviation[:, None])

    def forward(self, images: Tensor) -> Tensor:
        return (images - self.mean) / self.deviation


class ResNet(nn.Module):
    """A residual network whose stem keeps the size of the image.

    Args:
        block: kind of the blocks.
        blocks: number of blocks of each stage.
        num_classes: classes K.
        width: channels of the stem; 64 in the published networks.
        pool: `first_columns` averages the first four of the six time columns of the last map, as
            published, so that the end of an image has little influence; `full` averages all.
        stem_stride: 1 as published; 2 halves all maps and takes a third of the time.
        standardises: whether the bands are standardised; the published networks see raw dB.

    Shape:
        images: (B, N_MELS, N_FRAMES), dB in [-80, 0].
        returns: logits (B, K).
    """

    classifier_name = "group2.fc."

    def __init__(
        self,
        block: type[BasicBlock | Bottleneck],
        blocks: Sequence[int],
        *,
        num_classes: int = 600,
        width: int = PUBLISHED_WIDTH,
        pool: Pool = "first_columns",
        stem_stride: int = 1,
        standardises: bool = False,
    ) -> None:
        super().__init__()
        self.bands = BandScale() if standardises else nn.Identity()
        stem: list[tuple[str, nn.Module]] = [
            ("conv1", nn.Conv2d(1, width, 7, stride=stem_stride, padding=3, bias=False)),
            ("bn1", nn.BatchNorm2d(width)),
            ("relu", nn.ReLU(inplace=True)),
            ("maxpool", nn.MaxPool2d(3, stride=2, padding=1)),
        ]
        self.group1 = nn.Sequential(OrderedDict(stem))
        planes = [width << stage for stage in range(STAGES)]
        c_in = [width, *(p * block.expansion for p in planes)]
        self.layer1 = _stage(block, c_in[0], planes[0], blocks[0], stride=1)
        self.layer2 = _stage(block, c_in[1], planes[1], blocks[1], stride=2)
        self.layer3 = _stage(block, c_in[2], planes[2], blocks[2], stride=2)
        self.layer4 = _stage(block, c_in[3], planes[3], blocks[3], stride=2)
        rows, columns = 4 // stem_stride, 6 // stem_stride  # of the last map
        first_columns = nn.AvgPool2d(rows, stride=columns)
        self.avgpool = nn.AdaptiveAvgPool2d(1) if pool == "full" else first_columns
        self.group2 = nn.Sequential(OrderedDict(fc=nn.Linear(c_in[STAGES], num_classes)))

    def features(self, images: Tensor) -> Tensor:
        """Return the pooled activations: (B, C)."""
        x = self.group1(self.bands(images).unsqueeze(1))  # (B, C, 32, 48)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))  # (B, C, 4, 6)
        return self.avgpool(x).flatten(1)  # (B, C)

    def forward(self, images: Tensor) -> Tensor:
        return self.group2(self.features(images))


def _stage(
    block: type[BasicBlock | Bottleneck], c_in: int, planes: int, blocks: int, *, stride: int
) -> nn.Sequential:
    """Return the blocks of a stage; the first one changes channels and size."""
    c_out = planes * block.expansion
    projection = None
    if stride != 1 or c_in != c_out:
        projection = nn.Sequential(
            nn.Conv2d(c_in, c_out, 1, stride, bias=False), nn.BatchNorm2d(c_out)
        )
    first = block(c_in, planes, stride, projection)
    return nn.Sequential(first, *(block(c_out, planes) for _ in range(blocks - 1)))


class VGG(nn.Module):
    """A VGG network with batch norms, which the published one has under every name.

    Args:
        depth: 11, 13, 16 or 19.
        num_classes: classes K.

    Shape:
        images: (B, N_MELS, N_FRAMES), dB in [-80, 0].
        returns: logits (B, K).
    """

    classifier_name = "classifier.6."

    def __init__(self, depth: int, *, num_classes: int = 32) -> None:
        super().__init__()
        sizes = VGG_SIZES[depth]
        channels = [size for size in sizes if isinstance(size, int)]
        self.features = vgg_layers(depth)
        self.features[0] = nn.Conv2d(1, channels[0], 3, padding=1)
        scale = 2 ** sizes.count("M")
        self.classifier = nn.Sequential(
            nn.Linear(channels[-1] * (N_MELS // scale) * (N_FRAMES // scale), HIDDEN),
            nn.ReLU(inplace=True),
            nn.Dropout(),
            nn.Linear(HIDDEN, HIDDEN),
            nn.ReLU(inplace=True),
            nn.Dropout(),
            nn.Linear(HIDDEN, num_classes),
        )

    def forward(self, images: Tensor) -> Tensor:
        x = self.features(images.unsqueeze(1))  # (B, C, 2, 3)
        return self.classifier(x.flatten(1))


class NeuralNetwork(nn.Module):
    """Three linear layers on the normalised image.

    Args:
        num_classes: classes K.
        dropout: rate before the last layer.

    Shape:
        images: (B, N_MELS, N_FRAMES), dB in [-80, 0].
        returns: logits (B, K).
    """

    classifier_name = "lin8."

    def __init__(self, *, num_classes: int = 32, dropout: float = 0.8) -> None:
        super().__init__()
        pixels = N_MELS * N_FRAMES
        self.lin1 = nn.Linear(pixels, HIDDEN)
        self.lin3 = nn.Linear(HIDDEN, 1024)
        self.dropout = nn.Dropout(dropout)
        self.lin8 = nn.Linear(1024, num_classes)
        self.normalize = nn.LayerNorm(pixels)

    def forward(self, images: Tensor) -> Tensor:
        x = self.normalize(images.flatten(1))  # (B, D)
        x = torch.relu(self.lin3(torch.relu(self.lin1(x))))
        return self.lin8(self.dropout(x))


class Logistic(nn.Module):
    """One linear layer; its published size is of another data set and does not fit an image.

    Args:
        in_features: numbers of an input.
        num_classes: classes K.

    Shape:
        inputs: (B, ...) of `in_features` numbers.
        returns: logits (B, K).
    """

    classifier_name = "lin."

    def __init__(self, *, in_features: int = 6766, num_classes: int = 50) -> None:
        super().__init__()
        self.lin = nn.Linear(in_features, num_classes)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.lin(inputs.flatten(1))


SoundtrackNetwork = ResNet | VGG | NeuralNetwork | Logistic


def soundtrack_network(name: str, **options: Any) -> SoundtrackNetwork:
    """Return the network of that name with random weights.

    Args:
        name: one of NETWORKS.
        options: arguments of its class; what is not given is as published.

    Raises:
        ValueError: if the name is unknown.
    """
    if name not in NETWORKS:
        raise ValueError(f"unknown network {name!r}; use one of {', '.join(NETWORKS)}")
    if name == "neural_network":
        return NeuralNetwork(**options)
    if name == "logistic":
        return Logistic(**options)
    if name.startswith("vgg"):
        return VGG(int(name.removeprefix("vgg")), **options)
    return ResNet(*DEPTHS[int(name.removeprefix("resnet"))], **options)


def published_name(name: str) -> str:
    """Return the published name of a network's tensor `name`."""
    return re.sub(r"^(layer\d\.\d+)\.(conv|bn)", r"\1.group1.\2", name)


def network_weights(network: nn.Module) -> dict[str, Tensor]:
    """Return the weights of a network under their published names."""
    return {published_name(name): value for name, value in network.state_dict().items()}


def is_published(state: Mapping[str, Tensor]) -> bool:
    """Return whether tensors are those of a published network, whose options are then known.

    Only residual networks have options that do not follow from their tensors.
    """
    if "group1.conv1.weight" not in state:
        return True
    blocks, is_deep = _blocks(state), BOTTLENECK in state
    return (
        len(state["group1.conv1.weight"]) == PUBLISHED_WIDTH
        and "bands.mean" not in state
        and any(blocks == list(n) and is_deep == (b is Bottleneck) for b, n in DEPTHS.values())
    )


def _blocks(state: Mapping[str, Tensor]) -> list[int]:
    """Return the number of blocks of each stage of a residual network."""
    numbers = [re.match(r"layer(\d)\.(\d+)\.group1\.conv1\.weight$", name) for name in state]
    stages = [int(match[1]) for match in numbers if match]
    return [stages.count(stage + 1) for stage in range(STAGES)]


def infer_network(state: Mapping[str, Tensor], **options: Any) -> SoundtrackNetwork:
    """Return a network of the sizes that tensors with published names have.

    Args:
        state: tensors by name.
        options: of a residual network, those that do not follow from the tensors: `pool` and
            `stem_stride` of `ResNet`; what is not given is as published.

    Raises:
        KeyError: if no network has such tensors.
    """
    if "group1.conv1.weight" in state:
        return ResNet(
            Bottleneck if BOTTLENECK in state else BasicBlock,
            _blocks(state),
            num_classes=len(state["group2.fc.weight"]),
            width=len(state["group1.conv1.weight"]),
            standardises="bands.mean" in state,
            **options,
        )
    if "features.0.weight" in state:
        convolutions = sum(t.ndim == 4 for t in state.values())
        depth = {len(c) - c.count("M"): d for d, c in VGG_SIZES.items()}[convolutions]
        return VGG(depth, num_classes=len(state["classifier.6.weight"]))
    if "lin8.weight" in state:
        return NeuralNetwork(num_classes=len(state["lin8.weight"]))
    num_classes, in_features = state["lin.weight"].shape
    return Logistic(in_features=in_features, num_classes=num_classes)
