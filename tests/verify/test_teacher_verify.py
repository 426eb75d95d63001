import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from avlib.verify import verify

GOLDEN = Path(__file__).parents[1] / "golden" / "valor"
LISTS = [
    f"state_dict_{name}"
    for name in ("clap_fusion", "clip_vit_l14_hf", "clip_vit_l14_openai", "vggish")
]


def run(*paths):
    lines = []
    passed = verify(paths, device="cpu", dtype="float32", out=lines.append)
    return passed, lines


def changed(stem, folder, **entries):
    """Write a golden file with other entries in its sidecar; return its path."""
    path = folder / f"{stem}.json"
    path.write_text(json.dumps(json.loads((GOLDEN / f"{stem}.json").read_text()) | entries))
    if (GOLDEN / f"{stem}.npz").exists():
        shutil.copy(GOLDEN / f"{stem}.npz", folder)
    return path


@pytest.mark.parametrize("stem", ["image_preprocess", "clap_clip_10s", *LISTS])
def test_golden_cases_pass(stem):
    passed, lines = run(GOLDEN / f"{stem}.json")
    assert passed, [line for line in lines if "FAIL" in line]
    assert all(line.startswith("valor ") for line in lines[1:-1])


@pytest.mark.slow
@pytest.mark.parametrize("stem", ["clap_clip_short", "clip_vit_l14", "cnn_features"])
def test_golden_cases_of_large_networks_pass(stem):
    passed, lines = run(GOLDEN / f"{stem}.json")
    assert passed, [line for line in lines if "FAIL" in line]


@pytest.mark.slow
def test_golden_case_of_a_longer_sound_passes():
    """Its 1e-5 dB is below what the Fourier transforms of MKL differ by from CPU to CPU.

    The numbers were made with the kernels that MKL has for all of them, so they are asked for.
    """
    command = [sys.executable, "-m", "avlib", "verify", str(GOLDEN / "clap_clip_long.json")]
    environment = os.environ | {"MKL_CBWR": "COMPATIBLE"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_another_picture_fails(tmp_path):
    sidecar = json.loads((GOLDEN / "image_preprocess.json").read_text())
    sidecar["cases"][3]["seed"] = 4
    passed, lines = run(changed("image_preprocess", tmp_path, cases=sidecar["cases"][3:]))
    assert not passed and sum("FAIL" in line for line in lines) == 5


def test_a_changed_pixel_fails(tmp_path):
    path = changed("image_preprocess", tmp_path)
    with np.load(GOLDEN / "image_preprocess.npz") as file:
        arrays = dict(file)
    arrays["2_res152"][1, 3, 4] += 1e-4
    np.savez(path.with_suffix(".npz"), **arrays)
    passed, lines = run(path)
    assert not passed and sum("FAIL" in line for line in lines) == 1


def rows_of(stem):
    return json.loads((GOLDEN / f"{stem}.json").read_text())["tensors"]


@pytest.mark.parametrize("stem", LISTS)
def test_a_changed_list_of_weights_fails(tmp_path, stem):
    rows = rows_of(stem)
    name, shape, *rest = rows[-1]
    for row in ([f"{name}s", shape, *rest], [name, [*shape, 2], *rest]):
        passed, lines = run(changed(stem, tmp_path, tensors=[*rows[:-1], row]))
        assert not passed and any("FAIL" in line for line in lines)


def test_a_smaller_network_is_listed_by_its_own_sizes(tmp_path):
    """Without its last blocks the network is another one, which is known as well."""
    last = ("visual.transformer.resblocks.23.", "transformer.resblocks.11.")
    rows = [row for row in rows_of("state_dict_clip_vit_l14_openai") if not row[0].startswith(last)]
    path = changed("state_dict_clip_vit_l14_openai", tmp_path, tensors=rows, n_tensors=len(rows))
    passed, lines = run(path)
    assert passed, [line for line in lines if "FAIL" in line]
