import subprocess
import sys

import pytest
from tiny_golden import GOLDEN, changed, failures

from avlib.verify.retrieval.weights import NETWORKS

FAST = ["frontend_ase", "state_dict_laion_clap_fusion", "state_dict_wavcaps_ase"]


@pytest.mark.parametrize("stem", FAST)
def test_golden_cases_pass(stem):
    assert failures(GOLDEN / f"retrieval/{stem}.json") == []


def test_golden_cases_of_the_front_end_of_clap_pass_with_the_arithmetic_of_verify():
    """One is of bands that hold rounding errors of the Fourier transform alone."""
    path = GOLDEN / "retrieval/frontend_clap.json"
    command = [sys.executable, "-m", "avlib", "verify", str(path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("stem", ["ase_forward", "clap_forward"])
def test_golden_cases_of_whole_networks_pass(stem):
    assert failures(GOLDEN / f"retrieval/{stem}.json") == []


@pytest.mark.parametrize(
    ("stem", "seed"), [("frontend_ase", "py_seed"), ("frontend_clap", "np_seed")]
)
def test_another_seed_crops_elsewhere(tmp_path, stem, seed):
    def change(cases, arrays):
        cases["long"]["arguments"][seed] += 1

    path = changed(f"retrieval/{stem}.json", tmp_path, change, ["long"])
    assert len(failures(path)) > 2


def test_another_filling_or_type_of_samples_is_noticed(tmp_path):
    def change(cases, arrays):
        cases["short"]["arguments"]["filling"] = "repeat"
        cases["seven"]["arguments"]["int16_round_trip"] = False

    path = changed("retrieval/frontend_clap.json", tmp_path, change, ["short", "seven"])
    assert {line.split()[1] for line in failures(path)} == {"short", "seven"}


@pytest.mark.parametrize("network", NETWORKS)
def test_another_order_of_tensors_is_noticed(tmp_path, network):
    stem = f"state_dict_{network}"

    def change(cases, arrays):
        entries = cases[stem]["expected"]["entries"]["value"]
        entries[4], entries[5] = entries[5], entries[4]

    assert len(failures(changed(f"retrieval/{stem}.json", tmp_path, change))) == 1
