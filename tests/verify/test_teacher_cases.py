import os
import subprocess
import sys

import pytest
from tiny_golden import GOLDEN, changed, contents, failures

LISTS = [
    f"state_dict_{name}"
    for name in ("clap_fusion", "clip_vit_l14_hf", "clip_vit_l14_openai", "vggish")
]


@pytest.mark.parametrize("stem", ["image_preprocess", "clap_clip_10s", *LISTS])
def test_golden_cases_pass(stem):
    assert not failures(GOLDEN / f"valor/{stem}.json")


@pytest.mark.slow
@pytest.mark.parametrize("stem", ["clap_clip_short", "clip_vit_l14", "cnn_features"])
def test_golden_cases_of_large_networks_pass(stem):
    assert not failures(GOLDEN / f"valor/{stem}.json")


@pytest.mark.slow
def test_golden_case_of_a_longer_clip_passes():
    """Its 1e-5 dB is below what the Fourier transforms of MKL differ by from CPU to CPU.

    The numbers were made with the kernels that MKL has for all of them, so they are asked for.
    """
    path = GOLDEN / "valor/clap_clip_long.json"
    command = [sys.executable, "-m", "avlib", "verify", str(path)]
    environment = os.environ | {"MKL_CBWR": "COMPATIBLE"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_another_image_fails(tmp_path):
    def change(cases, _arrays):
        cases["3"]["inputs"]["image"]["picture"]["seed"] = 4

    assert len(failures(changed("valor/image_preprocess.json", tmp_path, change, ["3"]))) == 5


def test_a_changed_pixel_fails(tmp_path):
    def change(_cases, arrays):
        arrays["2_res152"][1, 3, 4] += 1e-4

    (failure,) = failures(changed("valor/image_preprocess.json", tmp_path, change))
    assert "res152" in failure


@pytest.mark.parametrize("stem", LISTS)
def test_a_changed_list_of_weights_fails(tmp_path, stem):
    def rename(cases, _arrays):
        for name in ("names", "shapes"):
            values = cases[stem]["expected"][name]["value"]
            last = max(values)
            if name == "names":
                values[-1] += "s"
            else:
                values[f"{last}s"] = values.pop(last)

    def reshape(cases, _arrays):
        shapes = cases[stem]["expected"]["shapes"]["value"]
        shapes[max(shapes)] = [*shapes[max(shapes)], 2]

    assert len(failures(changed(f"valor/{stem}.json", tmp_path, rename))) == 2
    assert len(failures(changed(f"valor/{stem}.json", tmp_path, reshape))) == 1


def test_a_smaller_network_is_listed_by_its_own_sizes(tmp_path):
    stem = "state_dict_clip_vit_l14_openai"
    last = ("visual.transformer.resblocks.23.", "transformer.resblocks.11.")

    def change(cases, _arrays):
        sizes, expected = cases[stem]["arguments"]["sizes"], cases[stem]["expected"]
        for tower in ("vision", "text"):
            sizes[tower]["depth"] -= 1
        shapes = expected["shapes"]["value"]
        shapes = {name: shape for name, shape in shapes.items() if not name.startswith(last)}
        expected["shapes"]["value"] = shapes
        expected["names"]["value"] = sorted(shapes)
        expected["n_tensors"]["value"] = len(shapes)

    assert len(contents(f"valor/{stem}.json")[stem]["expected"]["names"]["value"]) > 400
    assert not failures(changed(f"valor/{stem}.json", tmp_path, change))
