import torch
from safetensors import safe_open
from safetensors.torch import load_file

from avlib.io.metadata import SETTINGS
from avlib.io.weights import decode_settings, save_weights

WEIGHTS = {"b.weight": torch.arange(6.0).reshape(2, 3).T, "a.count": torch.tensor(3)}
METADATA = {"width": "8", "classes": '["Hund", "Kätzchen"]', "sample_rate": "16000"}


def test_what_is_saved_is_what_the_library_reads(tmp_path):
    path = tmp_path / "model.safetensors"
    save_weights(path, WEIGHTS, METADATA)
    found = load_file(path)
    assert decode_settings(found.pop(SETTINGS), path) == METADATA
    assert found.keys() == WEIGHTS.keys()
    assert all(torch.equal(found[name], WEIGHTS[name]) for name in WEIGHTS)
    with safe_open(path, "pt") as file:
        assert file.metadata() == METADATA


def test_the_same_content_gives_the_same_bytes(tmp_path):
    files = []
    for i in range(8):
        save_weights(tmp_path / f"{i}", WEIGHTS, METADATA)
        files.append((tmp_path / f"{i}").read_bytes())
    assert set(files) == {files[0]}
