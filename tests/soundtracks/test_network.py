import pytest
import torch
import torchvision.models
from tiny_golden import contents
from torch import nn

from avlib.errors import CheckpointError
from avlib.io.checkpoints import fit_state_dict, load_state_dict
from avlib.soundtracks.blocks import BasicBlock
from avlib.soundtracks.network import (
    NETWORKS,
    VGG,
    Logistic,
    NeuralNetwork,
    ResNet,
    infer_network,
    network_weights,
    published_name,
    soundtrack_network,
)

IMAGES = -80 * torch.rand(2, 64, 96, generator=torch.Generator().manual_seed(0))


def tiny(**options):
    return ResNet(BasicBlock, (1, 1, 1, 1), num_classes=3, width=4, **options).eval()


@pytest.mark.parametrize("name", NETWORKS)
def test_weights_have_the_published_names_and_shapes(name):
    with torch.device("meta"):
        network = soundtrack_network(name)
    published = contents("k600/state_dicts.json")[name]["expected"]
    weights = network_weights(network)
    entries = [[n, list(t.shape), str(t.dtype)[6:]] for n, t in weights.items()]
    assert entries == published["entries"]["value"]
    assert sum(p.numel() for p in network.parameters()) == published["parameters"]["value"]


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_a_residual_network_is_that_of_torchvision_with_another_stem_and_pool(name):
    whole = getattr(torchvision.models, name)(num_classes=5)
    whole.conv1 = nn.Conv2d(1, 64, 7, stride=1, padding=3, bias=False)
    whole.avgpool = nn.AvgPool2d(4, 6)
    network = soundtrack_network(name, num_classes=5)
    renamed = {
        n.removeprefix("group1.").replace("group2.", ""): t for n, t in network.state_dict().items()
    }
    whole.load_state_dict(renamed)
    with torch.inference_mode():
        expected = whole.eval()(IMAGES.unsqueeze(1))
        torch.testing.assert_close(network.eval()(IMAGES), expected, rtol=0, atol=0)


def test_a_vgg_network_is_that_of_torchvision_with_other_ends():
    whole = torchvision.models.vgg11_bn(num_classes=5)
    whole.features[0] = nn.Conv2d(1, 64, 3, padding=1)
    whole.avgpool = nn.Identity()
    whole.classifier[0] = nn.Linear(3072, 4096)
    network = VGG(11, num_classes=5).eval()
    whole.load_state_dict(network.state_dict())
    with torch.inference_mode():
        expected = whole.eval()(IMAGES.unsqueeze(1))
        torch.testing.assert_close(network(IMAGES), expected, rtol=0, atol=0)


def test_the_published_pool_sees_four_of_six_columns():
    network, whole = tiny(), tiny(pool="full")
    whole.load_state_dict(network.state_dict())
    maps = []
    network.layer4.register_forward_hook(lambda *parts: maps.append(parts[2]))
    with torch.inference_mode():
        columns = network.features(IMAGES)
        torch.testing.assert_close(columns, maps[0][..., :4].mean(dim=(2, 3)))
        torch.testing.assert_close(whole.features(IMAGES), maps[0].mean(dim=(2, 3)))
    assert maps[0].shape == (2, 32, 4, 6)


def test_bands_are_standardised_before_the_stem():
    network = tiny(standardises=True)
    mean, deviation = torch.linspace(-70, -20, 64), torch.linspace(5, 25, 64)
    network.bands.set_statistics(mean, deviation)
    raw = tiny()
    weights = {n: t for n, t in network.state_dict().items() if not n.startswith("bands.")}
    raw.load_state_dict(weights)
    scaled = (IMAGES - mean[None, :, None]) / deviation[None, :, None]
    with torch.inference_mode():
        torch.testing.assert_close(network(IMAGES), raw(scaled))
        assert not torch.allclose(network(IMAGES), raw(IMAGES))


def test_a_stem_of_stride_two_halves_the_maps():
    network = tiny(stem_stride=2)
    maps = []
    network.layer4.register_forward_hook(lambda *parts: maps.append(parts[2]))
    with torch.inference_mode():
        pooled = network.features(IMAGES)
        torch.testing.assert_close(pooled, maps[0][..., :2].mean(dim=(2, 3)))
    assert maps[0].shape == (2, 32, 2, 3)


def test_options_that_weights_do_not_tell_are_given():
    network = tiny(stem_stride=2, pool="full", standardises=True)
    network.bands.set_statistics(torch.full((64,), -50.0), torch.full((64,), 9.0))
    found = infer_network(network_weights(network), pool="full", stem_stride=2)
    found.load_state_dict(network.state_dict())
    with torch.inference_mode():
        torch.testing.assert_close(found.eval()(IMAGES), network(IMAGES))


@pytest.mark.parametrize(
    "network",
    [
        tiny(),
        soundtrack_network("resnet50", num_classes=3, width=4),
        NeuralNetwork(num_classes=4),
        Logistic(in_features=64 * 96, num_classes=2),
    ],
    ids=lambda network: type(network).__name__,
)
def test_sizes_are_told_by_the_weights(network):
    weights = network_weights(network)
    found = infer_network(weights)
    found.load_state_dict(network.state_dict())
    with torch.inference_mode():
        torch.testing.assert_close(found.eval()(IMAGES), network.eval()(IMAGES))


def test_a_published_checkpoint_is_read_with_its_wrapper(tmp_path):
    network, other = tiny(), tiny()
    weights = {f"module.{n}": t for n, t in network_weights(network).items()}
    path = tmp_path / "Resnet-50-Kinetics600_epoch-9.pth.tar"
    torch.save({"epoch": 9, "model_state_dict": weights, "optimizer_state_dict": {}}, path)
    fit_state_dict(other, load_state_dict(path), path, names=published_name)
    for name, value in network.state_dict().items():
        assert torch.equal(other.state_dict()[name], value)


def test_a_checkpoint_that_does_not_fit_says_how(tmp_path):
    weights = network_weights(tiny())
    weights["group2.fc.weight"] = torch.zeros(7, 32)
    weights["extra.weight"] = weights.pop("layer1.0.group1.conv2.weight")
    with pytest.raises(CheckpointError) as error:
        fit_state_dict(tiny(), weights, tmp_path / "x.pth", names=published_name)
    assert "missing layer1.0.group1.conv2.weight" in str(error.value)
    assert "unexpected extra.weight" in str(error.value)
    assert "group2.fc.weight [7, 32] for [3, 32]" in str(error.value)


def test_an_unknown_network_is_named():
    with pytest.raises(ValueError, match="unknown network 'resnet20'"):
        soundtrack_network("resnet20")
