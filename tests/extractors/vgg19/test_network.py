import torch
from torchvision.models import vgg19

from avlib.extractors.vgg19.network import VGG19


def shapes(module):
    return {name: tensor.shape for name, tensor in module.state_dict().items()}


def test_weights_have_the_names_and_shapes_of_torchvision():
    with torch.device("meta"):
        whole, ours = vgg19(), VGG19(width=64)
    kept = {name: shape for name, shape in shapes(whole).items() if name.startswith("features.")}
    assert shapes(ours) == kept


def test_a_narrow_network_has_maps_of_the_same_size():
    with torch.inference_mode():
        assert VGG19(width=2)(torch.rand(1, 3, 224, 224)).shape == (1, 16, 7, 7)
