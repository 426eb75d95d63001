"""VGGish, a convolutional network on log-mel patches of 0.96 s.

Source: Hershey et al., "CNN Architectures for Large-Scale Audio Classification", ICASSP 2017.
Parameter names and shapes are those of the published `vggish-10086976.pth` at `width=64` and
`hidden=4096`. The embedding is taken after the last ReLU, as the AVE features have it.
"""

from torch import Tensor, nn

PATCH_FRAMES = 96
N_MELS = 64
EMBEDDING = 128
POOLINGS = 4


class VGGish(nn.Module):
    """The whole network.

    Args:
        width: channels of the first convolution; 64 in the published model.
        hidden: width of the two hidden layers; 4096 in the published model.

    Shape:
        patches: (B, PATCH_FRAMES, N_MELS) log-mel, time before bands.
        returns: (B, EMBEDDING), not negative.
    """

    def __init__(self, *, width: int, hidden: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        c_in = 1
        for convolutions in ((width,), (2 * width,), (4 * width,) * 2, (8 * width,) * 2):
            for c_out in convolutions:
                layers += [nn.Conv2d(c_in, c_out, 3, padding=1), nn.ReLU(inplace=True)]
                c_in = c_out
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        pooled = (PATCH_FRAMES >> POOLINGS) * (N_MELS >> POOLINGS) * c_in
        self.embeddings = nn.Sequential(
            nn.Linear(pooled, hidden),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, hidden),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, EMBEDDING),
            nn.ReLU(inplace=True),
        )

    def forward(self, patches: Tensor) -> Tensor:
        x = self.features(patches.unsqueeze(1))  # (B, C, 6, 4)
        return self.embeddings(x.permute(0, 2, 3, 1).flatten(1))  # channels last, as TensorFlow
