import hashlib
import json
import zipfile

import pytest

from avlib.errors import CheckpointError
from avlib.io.package_files import check_unchanged, read_package
from avlib.packages import Package, PackageFile


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def package(tmp_path):
    """A package with a file and an archive of two, in the folder of the test."""
    (tmp_path / "p").mkdir()
    (tmp_path / "p/names.csv").write_bytes(b"names")
    with zipfile.ZipFile(tmp_path / "p/model.zip", "w") as archive:
        archive.writestr("deep/model.data", b"weights")
        archive.writestr("README", b"not used")
    content = (tmp_path / "p/model.zip").read_bytes()
    members = (PackageFile("deep/model.data", 7, digest(b"weights")),)
    files = (
        PackageFile("p/names.csv", 5, digest(b"names")),
        PackageFile("p/model.zip", len(content), digest(content), members),
    )
    return Package("p", "1", 1, "0" * 64, "a network", "none", "its authors", files, ())


def test_files_and_members_of_archives_are_read_by_name(package, tmp_path):
    assert read_package(tmp_path, package) == {"names.csv": b"names", "model.data": b"weights"}


@pytest.mark.parametrize("name", ["p/names.csv", "p/model.zip"])
def test_a_changed_file_is_refused_by_name_with_both_hashes(package, tmp_path, name):
    expected = digest((tmp_path / name).read_bytes())
    (tmp_path / name).write_bytes(b"changed")
    with pytest.raises(CheckpointError) as error:
        read_package(tmp_path, package)
    message = str(error.value)
    assert message.startswith(f"{tmp_path / name}: not the file of p 1")
    assert expected in message
    assert digest(b"changed") in message
    assert "run `make weights` again" in message


def test_a_missing_file_is_named_with_the_remedy(package, tmp_path):
    (tmp_path / "p/names.csv").unlink()
    with pytest.raises(CheckpointError, match=r"names\.csv: no such file; run `make weights`"):
        read_package(tmp_path, package)


@pytest.mark.parametrize("name", ["a.safetensors", "minilm/config.json"])
def test_what_was_written_is_checked_against_the_table(tmp_path, name):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"as written")
    check_unchanged(path)  # in no table
    entries = {name: {"sha256": digest(b"as written")}}
    (tmp_path / "weights.json").write_text(json.dumps({"files": entries}))
    check_unchanged(path)
    path.write_bytes(b"changed")
    with pytest.raises(CheckpointError) as error:
        check_unchanged(path)
    assert digest(b"as written") in str(error.value)
    assert digest(b"changed") in str(error.value)
