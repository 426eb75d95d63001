"""Objects of foreign classes of every kind in torch files: nothing of them is read or run."""

import collections
import functools
import pickle
import zipfile
from pathlib import Path

import pytest
import torch

from avlib.errors import CheckpointError
from avlib.io.checkpoints import load_checkpoint, read_weights
from avlib.io.torch_archives import Foreign, read_archive
from avlib.io.torch_files import imported_names


class Options(dict):
    """Stands for settings that are a dictionary with attributes."""

    def __setitem__(self, key, value):
        raise AssertionError("code of the program was run")


class Names(list):
    """Stands for settings that are a list."""

    def extend(self, items):
        raise AssertionError("code of the program was run")


class Kept:
    """Stands for settings with arguments by name."""

    def __new__(cls, *_values, **_named):
        return object.__new__(cls)

    def __getnewargs_ex__(self):
        return (1,), {"named": 2}


class Opened:
    """Writes a file when a reader of pickles does what it says."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def options():
    made = Options()
    dict.__setitem__(made, "a", [1])
    made.attribute = 2
    return made


FOREIGN = {
    "dictionary": options,
    "list": lambda: Names([1, 2]),
    "arguments": Kept,
    "default": lambda: collections.defaultdict(list, {1: [2]}),
    "queue": lambda: collections.deque([1]),
    "partial": lambda: functools.partial(int, 1),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_what_stands_beside_tensors_is_an_empty_stand_in(tmp_path, kind):
    state = {"a": torch.arange(6.0).reshape(2, 3)}
    torch.save({"state_dict": state, "config": FOREIGN[kind]()}, tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match=r"a\.pth: refused, nothing of it was run"):
        load_checkpoint(tmp_path / "a.pth")
    content = load_checkpoint(tmp_path / "a.pth", allows_foreign=True)
    assert torch.equal(content["state_dict"]["a"], state["a"])
    assert type(content["config"]) is Foreign and not vars(content["config"])


def test_methods_are_not_called(tmp_path):
    torch.save({"a": torch.ones(1), "b": Opened(tmp_path / "ran")}, tmp_path / "a.pth")
    content = load_checkpoint(tmp_path / "a.pth", allows_foreign=True)
    assert type(content["b"]) is Foreign and not (tmp_path / "ran").exists()


def test_tensors_are_those_that_torch_reads(tmp_path):
    whole = torch.arange(24, dtype=torch.float64).reshape(4, 6)
    content = {
        "views": [whole, whole[1:, ::2], whole.T, whole[2]],
        "types": {str(t): torch.ones(3, dtype=t) for t in (torch.int64, torch.bool, torch.uint8)},
        "half": (
            torch.randn(2).half(),
            torch.randn(2).bfloat16(),
            torch.tensor(3, dtype=torch.int8),
        ),
        "empty": torch.empty(0, 4),
        "parameter": torch.nn.Parameter(torch.randn(2, 2)),
        "expanded": torch.ones(1).expand(5),
        "order": collections.OrderedDict(a=torch.zeros(1), b=1),
    }
    torch.save(content, tmp_path / "a.pth")
    read = read_archive(tmp_path / "a.pth")
    expected = torch.load(tmp_path / "a.pth", weights_only=True)
    assert list(read) == list(expected)
    for name in content:
        for mine, theirs in zip(leaves(read[name]), leaves(expected[name]), strict=True):
            assert torch.equal(torch.as_tensor(mine), torch.as_tensor(theirs))
            assert torch.as_tensor(mine).dtype == torch.as_tensor(theirs).dtype


def leaves(value):
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return [leaf for item in value for leaf in leaves(item)]
    return [value]


def changed(path, target, change, compression=zipfile.ZIP_STORED):
    """Write an archive again, with other members."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w", compression) as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
    return target


@pytest.fixture
def archive(tmp_path):
    torch.save({"a": torch.arange(8.0), "config": Names([1])}, tmp_path / "a.pth")
    return tmp_path / "a.pth"


def test_a_storage_of_another_length_is_refused(tmp_path, archive):
    def change(name, content):
        return content[:-4] if "/data/" in name else content

    with pytest.raises(CheckpointError, match=r"b\.pth"):
        load_checkpoint(changed(archive, tmp_path / "b.pth", change), allows_foreign=True)


def test_compressed_storages_are_refused(tmp_path, archive):
    target = changed(archive, tmp_path / "b.pth", lambda _, c: c, zipfile.ZIP_DEFLATED)
    with pytest.raises(pickle.UnpicklingError):
        read_archive(target)


def test_keys_whose_hash_takes_years_are_refused(tmp_path, archive):
    deep = b"\x80\x02}" + b")" + b"\x85" * 40 + b"K\x01s."
    target = changed(archive, tmp_path / "b.pth", lambda n, c: deep if "data.pkl" in n else c)
    with pytest.raises(pickle.UnpicklingError, match="a key that is a tuple"):
        read_archive(target)


def test_a_huge_tensor_of_one_number_is_refused(tmp_path):
    huge = torch.zeros(1).expand(10**6, 10**6)
    torch.save({"a": huge, "config": Names([1])}, tmp_path / "a.pth")
    torch.save({"a": huge}, tmp_path / "b.pth")
    for name in ("a.pth", "b.pth"):
        with pytest.raises(CheckpointError, match=name.replace(".", r"\.")):
            read_weights(tmp_path / name, allows_foreign=True)


def test_a_tensor_that_repeats_few_numbers_is_read(tmp_path):
    torch.save({"a": torch.arange(4.0).expand(3, 4)}, tmp_path / "a.pth")
    assert load_checkpoint(tmp_path / "a.pth")["a"].shape == (3, 4)


def test_a_compressed_archive_is_not_unpacked(tmp_path, archive):
    target = changed(archive, tmp_path / "b.pth", lambda _, c: c, zipfile.ZIP_DEFLATED)
    with pytest.raises(CheckpointError, match="compressed"):
        load_checkpoint(target, allows_foreign=True)


def test_an_archive_of_a_later_version_is_refused(tmp_path, archive):
    target = tmp_path / "b.pth"
    content = bytearray(archive.read_bytes())
    content[content.index(b"PK\1\2") + 6] = 255  # the version that the first entry needs
    target.write_bytes(content)
    for read in (functools.partial(load_checkpoint, allows_foreign=True), imported_names):
        with pytest.raises(CheckpointError, match="zip file version"):
            read(target)


TENSOR = (
    b"ctorch._utils\n_rebuild_tensor_v2\n("
    b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\0000X\x03\0\0\0cpuK\x08tQ"
    b"K\0(K\x08t(K\x01t\x89NtR"
)
TEXT = b"X\x01\0\0\0a"
FOREIGN_CLASS = b"csome\nName\n"


def with_program(archive, target, program):
    return changed(
        archive, target, lambda name, c: b"\x80\x02" + program if "data.pkl" in name else c
    )


def test_a_tensor_is_not_added_to(tmp_path, archive):
    target = with_program(archive, tmp_path / "b.pth", TENSOR + b"(" + TEXT + b"\x90.")
    assert torch.equal(read_archive(target), torch.arange(8.0))


def test_sets_are_read_and_their_keys_checked(tmp_path, archive):
    target = with_program(archive, tmp_path / "b.pth", b"\x8f(" + TEXT + b"\x90.")
    assert read_archive(target) == {"a"}
    target = with_program(archive, tmp_path / "b.pth", b"\x8f()\x85\x90.")
    with pytest.raises(pickle.UnpicklingError, match="a key that is a tuple"):
        read_archive(target)


@pytest.mark.parametrize("call", [b"R", b"\x81", b"}\x92"], ids=["reduce", "new", "new with names"])
def test_tensors_do_not_become_arguments(tmp_path, archive, call):
    target = with_program(archive, tmp_path / "b.pth", FOREIGN_CLASS + TENSOR + call + b".")
    with pytest.raises(pickle.UnpicklingError, match="arguments that are no tuple"):
        read_archive(target)
