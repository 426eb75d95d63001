from dataclasses import asdict

import h5py
import numpy as np
import pandas as pd
import pytest
import torch

from avlib.errors import CheckpointError
from avlib.extractors import extraction
from avlib.extractors.auditory_slowfast import extraction as asf_extraction
from avlib.extractors.auditory_slowfast.extraction import ExtractionSettings, FeatureExtractor
from avlib.extractors.auditory_slowfast.log_mel import log_mel, pad_frames
from avlib.extractors.auditory_slowfast.network import AuditorySlowFast
from avlib.extractors.auditory_slowfast.views import view_slices
from avlib.extractors.auditory_slowfast.weights import check_preset, load_network
from avlib.extractors.extraction import Journal, ShardFiles, write_npy
from avlib.extractors.intervals import interval_table
from avlib.extractors.tables import FEATURES, INTERVALS
from avlib.io.tables import read_table, write_table
from avlib.media.probe import VideoInfo, manifest_rows
from avlib.media.tables import MANIFEST

SETTINGS = ExtractionSettings(preset="ave", specaug="reference", seed=0, device="cpu")
RATE = 16_000


def narrow_network(classes: int = 2) -> AuditorySlowFast:
    torch.manual_seed(0)
    return AuditorySlowFast(num_classes=(classes,), width=8).eval()


def make_shard(folder, videos: dict[str, float]) -> ShardFiles:
    """Write a pack, manifest, intervals and weights for videos of some seconds of noise."""
    rng = np.random.default_rng(0)
    with h5py.File(folder / "pack.h5", "w") as pack:
        for video_id, seconds in videos.items():
            pack[video_id] = rng.standard_normal(int(seconds * RATE), np.float32) / 10
    rows = [VideoInfo(v, v, "train", duration_s=s, content_hash="x") for v, s in videos.items()]
    manifest = manifest_rows(rows)
    write_table(manifest, folder / "manifest.parquet", MANIFEST)
    write_table(interval_table(manifest), folder / "intervals.parquet", INTERVALS)
    torch.save({"model_state": narrow_network().state_dict()}, folder / "weights.pyth")
    return ShardFiles(
        sources=[folder / "pack.h5"],
        manifests=[folder / "manifest.parquet"],
        intervals=[folder / "intervals.parquet"],
        checkpoint=folder / "weights.pyth",
        folder=folder / "features",
        journal=folder / "journal.jsonl",
        index=folder / "index.parquet",
    )


def extract(files: ShardFiles, views: int = 1) -> dict[str, np.ndarray]:
    asf_extraction.extract_shard(files, asdict(SETTINGS), {"train": views, "val": 1, "test": 1})
    index = read_table(files.index, FEATURES)
    return {row.video_id: np.load(files.folder / row.path) for row in index.itertuples()}


def test_features_are_those_of_the_plain_network_on_plain_spectrograms(tmp_path):
    files = make_shard(tmp_path, {"a": 8.0})
    with h5py.File(tmp_path / "pack.h5") as pack:
        waveform = torch.from_numpy(pack["a"][:])
    intervals = read_table(tmp_path / "intervals.parquet", INTERVALS)
    slices = [
        view_slices(row.start_s, row.stop_s, sample_rate=RATE, views=1)[0]
        for row in intervals.itertuples()
    ]
    mels = [pad_frames(log_mel(waveform[a:b], sample_rate=RATE)) for a, b in slices]
    with torch.inference_mode():
        expected = narrow_network().features(torch.stack(mels)[:, None])
    features = extract(files)["a"]
    assert features.shape == (35, 1, 288)
    np.testing.assert_allclose(features[:, 0], expected, rtol=1e-4, atol=1e-4)


def test_a_video_has_the_same_bytes_alone_and_among_others(tmp_path):
    (tmp_path / "alone").mkdir()
    among = extract(make_shard(tmp_path, {"a": 7.0, "b": 3.0}), views=3)
    alone = extract(make_shard(tmp_path / "alone", {"a": 7.0}), views=3)
    assert among["a"].tobytes() == alone["a"].tobytes()


def test_view_0_does_not_depend_on_the_other_views(tmp_path):
    files = make_shard(tmp_path, {"a": 3.0})
    one, five = extract(files)["a"], extract(files, views=5)["a"]
    assert five.shape == (10, 5, 288)
    np.testing.assert_allclose(five[:, 0], one[:, 0], rtol=1e-5, atol=1e-5)
    assert not np.allclose(five[:, 1], five[:, 0])


def test_intervals_beyond_the_sound_are_silence_and_counted(tmp_path):
    files = make_shard(tmp_path, {"a": 6.0})
    with h5py.File(tmp_path / "pack.h5", "r+") as pack:
        sound = pack["a"][: 2 * RATE]
        del pack["a"]
        pack["a"] = sound
    features = extract(files)["a"]
    index = read_table(files.index, FEATURES)
    assert index["padded_intervals"].item() == 15
    np.testing.assert_array_equal(features[-1], features[-2])


def test_only_what_is_missing_is_done_again(tmp_path, monkeypatch):
    files = make_shard(tmp_path, {"a": 2.0, "b": 2.0, "c": 2.0})
    before = extract(files)
    (files.folder / "train" / "b.npy").unlink()
    with files.journal.open("a") as journal:
        journal.write('{"path": "train/c.npy", "key": "torn')
    done = []
    real = extraction._extract
    monkeypatch.setattr(
        extraction, "_extract", lambda *args: done.append(args[-1].stem) or real(*args)
    )
    after = extract(files)
    assert done == ["b"]
    assert {k: v.tobytes() for k, v in before.items()} == {k: v.tobytes() for k, v in after.items()}


def test_the_network_is_not_loaded_when_nothing_is_missing(tmp_path, monkeypatch):
    files = make_shard(tmp_path, {"a": 2.0})
    extract(files)
    monkeypatch.setattr(asf_extraction, "load_network", lambda _: pytest.fail("loaded"))
    extract(files)


def test_features_of_removed_videos_are_removed(tmp_path):
    files = make_shard(tmp_path, {"a": 2.0, "b": 2.0})
    extract(files)
    manifest = read_table(files.manifests[0], MANIFEST)
    write_table(manifest[manifest["video_id"] == "a"], files.manifests[0], MANIFEST)
    extract(files)
    assert [path.name for path in (files.folder / "train").iterdir()] == ["a.npy"]
    assert list(Journal(files.journal).entries) == ["train/a.npy"]


def test_an_array_is_written_in_parts_as_numpy_writes_it(tmp_path):
    array = np.arange(24, dtype=np.float32).reshape(4, 3, 2)
    write_npy(
        tmp_path / "a.npy", array.shape, iter(array.reshape(12, 2)[i : i + 5] for i in (0, 5, 10))
    )
    np.save(tmp_path / "b.npy", array)
    assert (tmp_path / "a.npy").read_bytes() == (tmp_path / "b.npy").read_bytes()


def test_the_width_and_the_classes_are_those_of_the_file(tmp_path):
    torch.save(narrow_network(7).state_dict(), tmp_path / "a.pt")
    network = load_network(tmp_path / "a.pt")
    assert network.head.projection.out_features == 7
    assert FeatureExtractor(network, SETTINGS).channels == 288


def test_a_file_without_its_head_gives_features(tmp_path):
    state = narrow_network().state_dict()
    torch.save({n: v for n, v in state.items() if not n.startswith("head.")}, tmp_path / "a.pt")
    assert load_network(tmp_path / "a.pt").features(torch.zeros(1, 1, 200, 128)).shape == (1, 288)


def test_another_network_is_named(tmp_path):
    torch.save({"conv1.weight": torch.zeros(1)}, tmp_path / "a.pt")
    with pytest.raises(CheckpointError, match="not an Auditory SlowFast file"):
        load_network(tmp_path / "a.pt")


@pytest.mark.parametrize(
    ("classes", "preset", "fits"),
    [
        (44, "epic_sounds", True),
        (44, "perception_test", True),
        (44, "ave", False),
        (309, "ave", True),
        (309, "perception_test", False),
        (28, "ave", True),
    ],
)
def test_published_weights_need_their_preset(tmp_path, classes, preset, fits):
    network = narrow_network(classes)
    if fits:
        check_preset(network, tmp_path / "a.pyth", preset)
    else:
        with pytest.raises(CheckpointError, match="set preset: "):
            check_preset(network, tmp_path / "a.pyth", preset)


def test_random_weights_do_not_depend_on_what_was_drawn_before(tmp_path):
    files = make_shard(tmp_path, {"a": 1.5})
    untrained = ShardFiles(**vars(files) | {"checkpoint": None})
    first = extract(untrained)["a"]
    torch.rand(3)
    files.journal.unlink()
    assert extract(untrained)["a"].tobytes() == first.tobytes()
    assert first.shape == (2, 1, 2304)


def test_the_index_is_a_table_of_all_files(tmp_path):
    files = make_shard(tmp_path, {"-a": 2.0, "ü b": 2.0})
    extract(files, views=3)
    index = pd.read_parquet(files.index)
    assert index["path"].to_list() == ["train/-a.npy", "train/ü b.npy"]
    assert index[["intervals", "views", "channels"]].to_numpy().tolist() == [[5, 3, 288]] * 2
