import h5py
import numpy as np
import pandas as pd
import pytest

from avlib.errors import DataError
from avlib.io.packs import ImageStore
from avlib.io.tables import read_table, write_table
from avlib.media.tables import MANIFEST
from avlib.soundtracks import image_packs
from avlib.soundtracks.image_packs import ImageShardFiles, pack_audio_images
from avlib.soundtracks.images import audio_images
from avlib.soundtracks.mel import Mel
from avlib.soundtracks.tables import AUDIO_IMAGES

RATE = 44_100


def sound(seconds, seed=0, rate=RATE):
    noise = np.random.default_rng(seed).standard_normal((int(seconds * rate), 2))
    return np.round(3000 * noise).astype(np.int16)


SOUNDS = {
    "v_two": sound(2.5),
    "v_mono": sound(1.2, 1)[:, 0],
    "v_float": sound(1.0, 2)[:, 0].astype(np.float32) / 32_768,
    "v_silent": np.zeros((3 * RATE, 2), np.int16),
    "v_short": sound(0.95),
}


@pytest.fixture
def shard(tmp_path):
    """A shard with good, silent and short sounds, one without and one that was not read."""
    write_sounds(tmp_path, **SOUNDS)
    ids = [*SOUNDS, "v_gone", "v_bad"]
    manifest = pd.DataFrame({"video_id": ids, "path": ids, "split": "val", "message": ""})
    manifest["status"] = ["unreadable" if name == "v_bad" else "ok" for name in ids]
    columns = [column.name for column in MANIFEST.columns]
    write_table(manifest.reindex(columns=columns), tmp_path / "manifest.parquet", MANIFEST)
    return tmp_path


def write_sounds(folder, rates=None, **sounds):
    with h5py.File(folder / "sounds.h5", "w") as pack:
        pack.attrs["rate_hz"] = RATE
        for video_id, waveform in sounds.items():
            pack[video_id] = waveform
            pack[video_id].attrs["rate_hz"] = (rates or {}).get(video_id, RATE)


def pack(folder, mel=None, **options):
    """Run the stage; return the pack and the rows of the index by video."""
    files = ImageShardFiles(
        manifest=folder / "manifest.parquet",
        sounds=folder / "sounds.h5",
        previous=folder / "previous.h5",
        pack=folder / "images.h5",
        index=folder / "images.parquet",
    )
    pack_audio_images(files, mel=mel or Mel(), **options)
    index = read_table(folder / "images.parquet", AUDIO_IMAGES).set_index("video_id")
    return folder / "images.h5", index


def test_each_soundtrack_is_one_contiguous_data_set(shard):
    path, index = pack(shard)
    with h5py.File(path) as file:
        assert {name: file[name].shape for name in file} == {
            "v_two": (2, 64, 96),
            "v_mono": (1, 64, 96),
            "v_float": (1, 64, 96),
            "v_silent": (3, 64, 96),
            "v_short": (0, 64, 96),
        }
        assert all(dataset.chunks is None for dataset in file.values())
        assert file["v_two"].dtype == np.float32
        assert file["v_two"].attrs["rate_hz"] == RATE
        assert file["v_two"].attrs["variant"] == file.attrs["variant"] == "librosa_0_8"
        expected = audio_images(SOUNDS["v_two"], sample_rate=RATE)
        np.testing.assert_array_equal(file["v_two"], np.concatenate(list(expected)))
    assert index.loc["v_two", "clips"] == 2


def test_what_has_no_image_is_counted_and_named(shard, caplog):
    _, index = pack(shard)
    assert index["status"].to_dict() == dict.fromkeys(SOUNDS, "ok") | {
        "v_short": "too_short",
        "v_gone": "no_audio",
        "v_bad": "unreadable",
    }
    assert "shorter than a clip of 0.96 s" in index.loc["v_short", "message"]
    assert index["silent_clips"].to_dict() == dict.fromkeys(index.index, 0) | {"v_silent": 3}
    assert "3 clips of 1 soundtracks are silent, v_silent the first" in caplog.text
    assert "1 soundtracks are too_short, v_short the first" in caplog.text


def test_short_sound_can_be_zero_padded(shard, caplog):
    path, index = pack(shard, pads_short=True)
    assert index.loc["v_short", ["status", "clips"]].to_list() == ["ok", 1]
    assert "it is zero-padded to one" in index.loc["v_short", "message"]
    assert "1 soundtracks are padded, v_short the first" in caplog.text
    filled = np.concatenate([SOUNDS["v_short"], np.zeros((RATE, 2), np.int16)])
    (expected,) = audio_images(filled[:RATE], sample_rate=RATE)
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file["v_short"], expected)


def test_images_are_read_through_a_store(shard):
    path, _ = pack(shard)
    with ImageStore([path], sample_rate=RATE) as store:
        assert "v_two" in store and "v_gone" not in store
        assert (store.n_clips("v_two"), store.n_clips("v_short")) == (2, 0)
        assert store.read("v_two", 1, 9).shape == (1, 64, 96)
        assert len(store.origin("v_two")) == 64
    with pytest.raises(DataError, match="44100 Hz, but the preset needs 16000 Hz"):
        ImageStore([path], sample_rate=16_000)


def test_half_precision_is_an_option(shard):
    with h5py.File(pack(shard)[0]) as file:
        exact = file["v_two"][:]
    path, index = pack(shard, Mel(dtype="float16"))
    with h5py.File(path) as file, ImageStore([path], sample_rate=RATE) as store:
        assert file["v_two"].dtype == np.float16
        assert 0 < np.abs(file["v_two"][:].astype(np.float32) - exact).max() < 0.032
        assert store.read("v_two", 0, 1).dtype == np.float32
    assert index.loc["v_silent", "silent_clips"] == 3


def test_another_rate_is_refused_unless_it_is_asked_for(shard):
    rates = {"v_two": 16_000, "v_mono": 8_000}
    sounds = {"v_two": sound(2, rate=16_000), "v_mono": sound(2, rate=8_000), "v_float": sound(1)}
    write_sounds(shard, rates, **sounds)
    _, index = pack(shard)
    assert index.loc[["v_two", "v_mono"], "status"].to_list() == ["wrong_rate"] * 2
    assert "at 16000 Hz, images are made at 44100 Hz" in index.loc["v_two", "message"]
    path, index = pack(shard, native_rate=True)
    assert index.loc[["v_two", "v_mono", "v_float"], "status"].to_list() == [
        "ok",
        "wrong_rate",
        "ok",
    ]
    assert "95 frames, expected 96" in index.loc["v_mono", "message"]
    assert index.loc["v_two", "rate_hz"] == 16_000
    with h5py.File(path) as file:
        assert "rate_hz" not in file.attrs and file["v_two"].attrs["rate_hz"] == 16_000


def test_the_same_sound_gives_the_same_bytes(shard):
    first = pack(shard)[0].read_bytes()
    (shard / "previous.h5").unlink()
    assert pack(shard)[0].read_bytes() == first


def test_only_changed_soundtracks_are_transformed_again(shard, monkeypatch):
    first = pack(shard)[0].read_bytes()
    made = []

    def transform(waveform, **options):
        made.append(waveform.name)
        return audio_images(waveform, **options)

    monkeypatch.setattr(image_packs, "audio_images", transform)
    assert pack(shard)[0].read_bytes() == first
    assert not made
    write_sounds(shard, **SOUNDS | {"v_mono": sound(1.2, 9)[:, 0]})
    pack(shard)
    assert made == ["/v_mono"]
    made.clear()
    pack(shard, Mel(variant="librosa_0_9"))
    assert len(made) == len(SOUNDS)


def test_a_torn_pack_of_sound_is_named_and_leaves_nothing(shard):
    (shard / "sounds.h5").write_bytes(b"\x89HDF torn")
    with pytest.raises(DataError, match=r"sounds\.h5: not a readable HDF5 file"):
        pack(shard)
    assert not (shard / "images.h5").exists()
    assert not list(shard.glob(".*.part"))
