"""The convolutional part of VGG-19, up to its last pooling.

Source: Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image
Recognition", ICLR 2015. Parameter names and shapes are those of torchvision at `width=64`.
"""

from torch import Tensor, nn
from torchvision.models.vgg import cfgs, make_layers

IMAGE_SIZE = 224
MAP_SIZE = 7  # pixels of a pooled map on either side
PUBLISHED_WIDTH = 64
WIDEST = 8  # channels of a map, in units of the width


class VGG19(nn.Module):
    """The network without its classifier.

    Args:
        width: channels of the first convolution; 64 in the published model.

    Shape:
        images: (B, 3, IMAGE_SIZE, IMAGE_SIZE), in the form the weights were trained with.
        returns: (B, WIDEST * width, MAP_SIZE, MAP_SIZE), not negative.
    """

    def __init__(self, *, width: int) -> None:
        super().__init__()
        sizes = [v if v == "M" else v * width // PUBLISHED_WIDTH for v in cfgs["E"]]
        self.features = make_layers(sizes)

    def forward(self, images: Tensor) -> Tensor:
        return self.features(images)
