import torch
from tiny_golden import contents

from avlib.extractors.vggish.network import VGGish


def test_weights_have_the_published_names_and_shapes():
    with torch.device("meta"):
        network = VGGish(width=64, hidden=4096)
    published = contents("visual/state_dicts.json")["vggish"]["expected"]
    entries = {n: [list(t.shape), str(t.dtype)[6:]] for n, t in network.state_dict().items()}
    assert list(entries.items()) == list(published["by_name"]["value"].items())
    assert sum(p.numel() for p in network.parameters()) == published["parameters"]["value"]


def test_channels_change_fastest_where_the_map_becomes_a_vector():
    network = VGGish(width=1, hidden=6 * 4 * 8)
    seen = []
    network.features.register_forward_hook(lambda *_,: seen.append(_[2]))
    network.embeddings.register_forward_hook(lambda *_: seen.append(_[1][0]))
    network(torch.rand(2, 96, 64))
    maps, flat = seen
    assert maps.shape == (2, 8, 6, 4)
    assert torch.equal(flat.reshape(2, 6, 4, 8), maps.permute(0, 2, 3, 1))
