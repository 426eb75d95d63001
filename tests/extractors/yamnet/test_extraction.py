import h5py
import numpy as np
import pytest
import torch

from avlib.extractors.extraction import ShardFiles
from avlib.extractors.intervals import second_intervals
from avlib.extractors.tables import FEATURES, INTERVALS
from avlib.extractors.yamnet import extraction
from avlib.extractors.yamnet.front_end import Recording
from avlib.extractors.yamnet.inference import YamNetModel
from avlib.extractors.yamnet.weights import load_yamnet, untrained_yamnet
from avlib.io.tables import read_table, write_table
from avlib.media.probe import VideoInfo, manifest_rows
from avlib.media.tables import MANIFEST

SECONDS = 2


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "yamnet.pth"
    torch.save(untrained_yamnet(0).state_dict(), path)
    return path


def make_shard(folder, checkpoint, seconds, rate=16_000) -> ShardFiles:
    folder.mkdir(exist_ok=True)
    with h5py.File(folder / "pack.h5", "w") as pack:
        for number, (video_id, length) in enumerate(seconds.items()):
            rng = np.random.default_rng(number)
            pack[video_id] = rng.standard_normal(int(length * rate), np.float32) / 10
    manifest = manifest_rows([VideoInfo(v, v, "train", content_hash="x") for v in seconds])
    write_table(manifest, folder / "manifest.parquet", MANIFEST)
    write_table(second_intervals(list(seconds), SECONDS), folder / "intervals.parquet", INTERVALS)
    return ShardFiles(
        sources=[folder / "pack.h5"],
        manifests=[folder / "manifest.parquet"],
        intervals=[folder / "intervals.parquet"],
        checkpoint=checkpoint,
        folder=folder / "features",
        journal=folder / "journal.jsonl",
        index=folder / "index.parquet",
    )


def extract(files, rate=16_000):
    settings = {"sample_rate": rate, "seed": 0, "device": "cpu"}
    extraction.extract_shard(files, settings, {"train": 5, "val": 1, "test": 1})
    index = read_table(files.index, FEATURES)
    return {r.video_id: np.load(files.folder / r.path) for r in index.itertuples() if r.path}


@pytest.mark.parametrize("rate", [16_000, 24_000])
def test_features_are_the_embeddings_of_intervals_with_one_view(tmp_path, checkpoint, rate):
    files = make_shard(tmp_path, checkpoint, {"a": 2.5, "b": 1.0}, rate)
    found = extract(files, rate)["a"]
    assert found.shape == (SECONDS, 1, 1024) and found.dtype == np.float32 and found.any()
    model = YamNetModel(load_yamnet(checkpoint), torch.device("cpu"), torch.float32)
    with h5py.File(tmp_path / "pack.h5") as pack:
        (block,) = model.blocks(Recording(pack["a"], rate), [(0.0, 1.0), (1.0, 2.0)])
    np.testing.assert_array_equal(found[:, 0], block.embedding)
    index = read_table(files.index, FEATURES).set_index("video_id")
    assert index["padded_intervals"].to_dict() == {"a": 0, "b": 1}


def test_a_video_has_the_same_embeddings_alone_and_among_others(tmp_path, checkpoint):
    among = extract(make_shard(tmp_path / "among", checkpoint, {"a": 2.0, "b": 2.0}))
    alone = extract(make_shard(tmp_path / "alone", checkpoint, {"a": 2.0}))
    assert among["a"].tobytes() == alone["a"].tobytes()
    assert among["a"].tobytes() != among["b"].tobytes()


def test_embeddings_are_not_made_twice(tmp_path, checkpoint, monkeypatch):
    files = make_shard(tmp_path, checkpoint, {"a": 2.0})
    extract(files)
    monkeypatch.setattr(extraction, "load_yamnet", lambda _: pytest.fail("loaded"))
    extract(files)
