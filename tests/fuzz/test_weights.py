"""Damaged weights files, safetensors and torch, are read or refused, and nothing else."""

import io
import json
import random
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from fuzz_children import Limits, check, read_all
from mutations import mutate
from safetensors.torch import save
from torch import nn

from avlib.errors import CheckpointError
from avlib.io.checkpoints import fit_state_dict, load_checkpoint, load_state_dict
from avlib.io.metadata import load_metadata

N_FILES = 1000
SEED = 11


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))


def seeds() -> dict[str, bytes]:
    """Return whole files of each format by a suffix."""
    state = network().state_dict()
    checkpoint = {"model_state": state, "epoch": 3, "best": np.float64(0.5), "names": ["a", "b"]}
    half = {f"module.{name}": value.half() for name, value in state.items()}
    return {
        "plain.safetensors": save(state),
        "fields.safetensors": save(state, {"network": "narrow", "classes": json.dumps(["a", "b"])}),
        "state.pt": _torch_file(state),
        "checkpoint.pth": _torch_file(checkpoint),
        "old.pth": _torch_file(checkpoint, is_zip=False),
        "half.pt": _torch_file(half),
    }


def _torch_file(content: object, *, is_zip: bool = True) -> bytes:
    file = io.BytesIO()
    torch.save(content, file, _use_new_zipfile_serialization=is_zip)
    return file.getvalue()


def damage(content: bytes, others: list[bytes], chance: random.Random) -> bytes:
    """Damage a file anywhere, or a member of an archive, whose checksums are then right."""
    if zipfile.is_zipfile(io.BytesIO(content)) and chance.random() < 0.7:
        damaged = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(damaged, "w") as new:
            member = chance.choice(["data.pkl", *(Path(n).name for n in old.namelist())])
            for name in old.namelist():
                part = old.read(name)
                is_damaged = Path(name).name == member
                new.writestr(name, mutate(part, [part], chance) if is_damaged else part)
        return damaged.getvalue()
    if content[8:9] == b"{" and chance.random() < 0.7:
        length = int.from_bytes(content[:8], "little")
        header = mutate(content[8 : 8 + length], [content[8 : 8 + length]], chance)
        return len(header).to_bytes(8, "little") + header + content[8 + length :]
    return mutate(content, others, chance)


def read(path: Path) -> str | None:
    """Read all that a weights file holds, and fill a network with it."""
    for read_all_of in (load_checkpoint, load_metadata):
        try:
            read_all_of(path)
        except CheckpointError as error:
            assert str(error).startswith(str(path))
    try:
        fit_state_dict(network(), load_state_dict(path, allows_foreign=True), path)
    except CheckpointError as error:
        assert "\n" not in str(error)
        return "does not fit" if "does not fit" in str(error) else "not readable"
    return None


@pytest.mark.slow
def test_damaged_weights_are_read_or_refused(tmp_path, record_property):
    chance, whole, files = random.Random(SEED), seeds(), []
    for number in range(N_FILES):
        name = list(whole)[number % len(whole)]
        files.append(tmp_path / f"{number}_{name}")
        files[-1].write_bytes(damage(whole[name], list(whole.values()), chance))
    limits = Limits(memory_mb=8192, file_s=60)
    check(read_all("weights", files, "fuzz.test_weights:read", limits), record_property)
