import h5py
import numpy as np
import pytest

from avlib.errors import DataError
from avlib.io.packs import FrameStore, WaveformStore, write_waveform


def write_pack(path, rate=16_000, **waveforms):
    with h5py.File(path, "w") as pack:
        pack.attrs["rate_hz"] = rate
        for video_id, waveform in waveforms.items():
            pack[video_id] = waveform
    return path


def test_slices_are_cut_at_the_borders(tmp_path):
    waveform = np.arange(100, dtype=np.float32) / 100
    path = write_pack(tmp_path / "a.h5", a=waveform)
    with WaveformStore([path], sample_rate=16_000) as store:
        np.testing.assert_array_equal(store.read("a", 90, 120), waveform[90:])
        assert store.read("a", 200, 300).shape == (0,)
        assert store.n_samples("a") == 100
        assert "a" in store
        assert "b" not in store


def test_int16_means_a_fraction_of_32768(tmp_path):
    path = write_pack(tmp_path / "a.h5", a=np.array([16_384, -32_768], np.int16))
    with WaveformStore([path], sample_rate=16_000) as store:
        assert store.read("a", 0, 2).tolist() == [0.5, -1.0]


def test_videos_are_found_in_all_packs(tmp_path):
    paths = [write_pack(tmp_path / f"{name}.h5", **{name: np.zeros(3)}) for name in "ab"]
    with WaveformStore(paths, sample_rate=16_000) as store:
        assert "a" in store
        assert "b" in store


def test_a_pack_of_another_rate_is_refused(tmp_path):
    path = write_pack(tmp_path / "a.h5", rate=24_000, a=np.zeros(3))
    with pytest.raises(DataError, match="24000 Hz, but the preset needs 16000 Hz"):
        WaveformStore([path], sample_rate=16_000)


def test_a_torn_pack_is_named(tmp_path):
    (tmp_path / "a.h5").write_bytes(b"\x89HDF torn")
    with pytest.raises(DataError, match=r"a\.h5: not a readable HDF5 file"):
        WaveformStore([tmp_path / "a.h5"], sample_rate=16_000)


@pytest.mark.parametrize("rate", [[16_000, 16_000], [], "16000"])
def test_a_pack_whose_rate_is_no_number_is_refused(tmp_path, rate):
    path = write_pack(tmp_path / "a.h5", rate=rate, a=np.zeros(3))
    with pytest.raises(DataError, match=r"a\.h5: "):
        WaveformStore([path], sample_rate=16_000)


@pytest.mark.parametrize("other", ["group", "type"])
def test_a_pack_with_something_else_than_a_data_set_is_named(tmp_path, other):
    path = write_pack(tmp_path / "a.h5")
    with h5py.File(path, "a") as pack:
        if other == "group":
            pack.create_group("a")
        else:
            pack["a"] = np.dtype("f4")
    named = pytest.raises(DataError, match=r"a\.h5: not a readable HDF5 file .*delete it")
    with WaveformStore([path], sample_rate=16_000) as store, named:
        store.read("a", 0, 1)


def test_a_waveform_is_written_in_parts(tmp_path):
    parts = [np.arange(5, dtype=np.float32), np.arange(3, dtype=np.float32)]
    with h5py.File(tmp_path / "a.h5", "w") as pack:
        write_waveform(pack, "a", (8,), parts)
        np.testing.assert_array_equal(pack["a"][:], np.concatenate(parts))


def test_frames_are_read_by_number_and_held_at_the_borders(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as pack:
        pack.attrs["rate_fps"] = 8
        pack["a"] = np.arange(5, dtype=np.uint8)[:, None, None, None] * np.ones((2, 3, 3), np.uint8)
    with FrameStore([tmp_path / "a.h5"], rate_fps=8) as store:
        assert store.n_frames("a") == 5
        assert store.read("a", [-1, 0, 2, 2, 9]).shape == (5, 2, 3, 3)
        assert store.read("a", [-1, 0, 2, 2, 9])[:, 0, 0, 0].tolist() == [0, 0, 2, 2, 4]
    with pytest.raises(DataError, match="8 frames a second, but the preset needs 4"):
        FrameStore([tmp_path / "a.h5"], rate_fps=4)
