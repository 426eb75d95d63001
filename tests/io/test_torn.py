"""Files of the workflow that a disk has torn: made again, or named with the remedy."""

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch

from avlib.errors import CheckpointError, DataError
from avlib.evaluation.class_names import read_classes
from avlib.extractors.extraction import Journal
from avlib.io.arrays import read_arrays, write_arrays
from avlib.io.atomic import is_kept, keep_copy, write_json
from avlib.io.checkpoints import load_state_dict
from avlib.io.json_files import read_cached_json, read_json_lines
from avlib.io.packs import WaveformStore, write_waveform
from avlib.io.tables import Column, TableSchema, read_table, write_table
from avlib.io.weights import save_weights
from avlib.media.scan import read_scan, scan, shard_list
from avlib.media.sound_packs import open_previous
from avlib.media.videos import Video
from avlib.soundtracks.score_files import read_scores
from avlib.tim.feature_files import FeatureFiles
from avlib.training.state import Progress, load_state, save_state

SCHEMA = TableSchema("numbers", "", (Column("n", pa.int64(), ""), Column("t", pa.string(), "")))
TABLE = pd.DataFrame({"n": range(2000), "t": [f"text {n * n}" for n in range(2000)]})
NOISE = np.random.default_rng(0).standard_normal(50_000).astype(np.float32)


def write_pack(path):
    with h5py.File(path, "w") as pack:
        pack.attrs["rate_hz"] = 16_000
        write_waveform(pack, "a", NOISE.shape, [NOISE])


def read_pack(path):
    with WaveformStore([path], sample_rate=16_000) as store:
        store.read("a", 0, len(NOISE))


KINDS = {
    "a.parquet": (lambda p: write_table(TABLE, p, SCHEMA), lambda p: read_table(p, SCHEMA)),
    "a.npz": (lambda p: write_arrays({"a": NOISE}, p), read_arrays),
    "a.json": (lambda p: write_json(p, {"class_id": ["cat"] * 99}), read_classes),
    "a.jsonl": (lambda p: p.write_text('{"epoch": 1}\n' * 9), read_json_lines),
    "a.h5": (write_pack, read_pack),
    "a.npy": (lambda p: np.save(p, NOISE[None]), lambda p: read_scores(p, ["v"], len(NOISE))),
}
DAMAGE = {
    "empty": lambda content: b"",
    "half": lambda content: content[: len(content) // 2],
    "zeros": lambda content: bytes(len(content)),
    "zeros behind": lambda content: content[:6] + bytes(len(content[6:])),
    "zeros before": lambda content: bytes(len(content[:600])) + content[600:],
}


def damage(path, how):
    path.write_bytes(DAMAGE[how](path.read_bytes()))


@pytest.mark.parametrize("how", DAMAGE)
@pytest.mark.parametrize("name", KINDS)
def test_a_torn_result_is_named_with_the_remedy(tmp_path, name, how):
    write, read = KINDS[name]
    path = tmp_path / name
    write(path)
    read(path)
    damage(path, how)
    if (name, how) == ("a.jsonl", "empty"):
        return  # a training without an epoch
    with pytest.raises(DataError) as error:
        read(path)
    assert str(error.value).startswith(f"{path}: not a readable ")
    assert "delete it, then the same command makes it again" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("how", DAMAGE)
def test_a_torn_feature_is_named_with_the_table_that_brings_it_back(tmp_path, how):
    path = tmp_path / "train" / "v.npy"
    for folder in ("train", "shards"):
        (tmp_path / folder).mkdir()
    np.save(path, NOISE.reshape(50, 1, 1000))
    damage(path, how)
    with pytest.raises(DataError, match=r"v\.npy: .* delete it and .*/shards/\*\.parquet, then"):
        FeatureFiles([path.parent], {"v": 50})


@pytest.mark.parametrize("how", DAMAGE)
def test_a_torn_cache_is_none(tmp_path, how):
    pack, cache = tmp_path / "a.h5", tmp_path / "cache" / "a.h5"
    write_pack(pack)
    keep_copy(pack, cache)
    with open_previous(cache) as old:
        np.testing.assert_array_equal(old["a"], NOISE)
    damage(cache, how)
    assert not is_kept(cache)
    with open_previous(cache) as old:
        assert old is None


def test_zeros_inside_of_a_kept_pack_are_no_silence(tmp_path):
    pack, cache = tmp_path / "a.h5", tmp_path / "cache" / "a.h5"
    write_pack(pack)
    keep_copy(pack, cache)
    with cache.open("r+b") as file:
        file.seek(100_000)
        file.write(bytes(4096))
    with h5py.File(cache) as readable:
        assert (readable["a"][24_000:26_000] == 0).sum() > 900
    with open_previous(cache) as old:
        assert old is None


@pytest.mark.parametrize("how", DAMAGE)
def test_torn_lists_of_videos_are_written_again(tmp_path, how):
    video = tmp_path / "a.mp4"
    video.write_bytes(b"video")
    folder = tmp_path / "videos"
    before = scan([Video("a", "test", str(video))], shards=1, folder=folder)
    listed = read_scan(shard_list(folder, 0))
    for path in folder.iterdir():
        damage(path, how)
    assert scan([Video("a", "test", str(video))], shards=1, folder=folder) == before
    assert read_scan(shard_list(folder, 0)) == listed


def test_torn_lines_of_a_journal_are_passed_over(tmp_path):
    path = tmp_path / "0.jsonl"
    journal = Journal(path)
    for name in ("a.npy", "b.npy"):
        journal.add({"path": name, "key": "k"})
    with path.open("ab") as file:
        file.write(b'[1]\n3\n{"key": 1}\n\xff\x00\n{"path": "c.n')
    assert set(Journal(path).entries) == {"a.npy", "b.npy"}


@pytest.mark.parametrize("how", DAMAGE)
def test_a_torn_state_of_a_training_is_passed_over(tmp_path, how):
    network = torch.nn.Linear(9, 9)
    optimizer = torch.optim.SGD(network.parameters())
    for epoch in (1, 2):
        save_state(tmp_path, "key", network, optimizer, Progress(epoch=epoch))
    damage(max(tmp_path.glob("*.pt")), how)
    assert load_state(tmp_path, "key", network, optimizer).epoch == 1


@pytest.mark.parametrize("how", ["empty", "half", "zeros", "zeros before"])
@pytest.mark.parametrize("name", ["model.safetensors", "checkpoint_best.pt"])
def test_torn_weights_are_named_with_the_remedy(tmp_path, name, how):
    path = tmp_path / name
    weights = {"a": torch.from_numpy(NOISE)}
    if path.suffix == ".pt":
        torch.save(weights, path)
    else:
        save_weights(path, weights, {})
    damage(path, how)
    with pytest.raises(CheckpointError, match=r": not a readable .*delete it if the workflow"):
        load_state_dict(path)


def test_a_missing_cache_is_none(tmp_path):
    assert read_cached_json(tmp_path / "none.json") is None
    assert not is_kept(tmp_path / "none.h5")
