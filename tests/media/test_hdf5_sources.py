import h5py
import numpy as np
import pytest

from avlib.errors import DataError
from avlib.io.packs import WaveformStore, as_float32
from avlib.media.hdf5_sources import link_waveform

RATE = 16_000
TONE = np.sin(np.arange(RATE) / 9)


def link(folder, write):
    """Return the length of the waveform `a` of a file that `write` has filled."""
    with h5py.File(folder / "source.h5", "w") as file:
        write(file)
    with h5py.File(folder / "pack.h5", "w") as pack:
        n_samples = link_waveform(pack, "a", folder / "source.h5", RATE)
        assert (n_samples == 0) or "a" in pack
    return n_samples


@pytest.mark.parametrize(
    "samples",
    [
        TONE.astype(np.float32),
        TONE,
        TONE.astype(np.float16),
        (TONE * 32_767).astype(np.int16),
        1.3 * TONE.astype(np.float32),
    ],
    ids=lambda samples: f"{samples.dtype} {samples.max():.3g}",
)
def test_samples_that_packs_hold_are_linked(tmp_path, samples):
    assert link(tmp_path, lambda file: file.create_dataset("a", data=samples)) == RATE
    with WaveformStore([tmp_path / "pack.h5"], sample_rate=RATE) as store:
        np.testing.assert_array_equal(store.read("a", 0, RATE), as_float32(samples))


@pytest.mark.parametrize(
    "dtype", ["int32", "uint8", "int8", "uint16", "int64", "bool", "complex64"]
)
def test_samples_of_another_type_are_refused_by_name(tmp_path, dtype):
    with pytest.raises(DataError, match=rf"source\.h5: a: holds {dtype} samples"):
        link(tmp_path, lambda file: file.create_dataset("a", data=(TONE * 100).astype(dtype)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_samples_that_are_not_scaled_are_refused(tmp_path, dtype):
    late = np.concatenate([np.zeros(1 << 20), 32_767 * TONE]).astype(dtype)
    with pytest.raises(DataError, match="samples of up to 32767"):
        link(tmp_path, lambda file: file.create_dataset("a", data=late))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers_are_refused(tmp_path, value):
    samples = TONE.copy()
    samples[77] = value
    with pytest.raises(DataError, match="1 samples near 0 are NaN or infinite"):
        link(tmp_path, lambda file: file.create_dataset("a", data=samples))


def soft_loop(file):
    file["a"] = h5py.SoftLink("/b")
    file["b"] = h5py.SoftLink("/a")


def alias(file):
    file["b"] = TONE
    file["a"] = h5py.SoftLink("/b")


def external_link(file):
    file["a"] = h5py.ExternalLink("/etc/hostname", "/a")


def external_storage(file):
    file.create_dataset("a", (10,), "f4", external=[("/etc/passwd", 0, 40)])


def virtual(file):
    layout = h5py.VirtualLayout((10,), "f4")
    layout[:] = h5py.VirtualSource("/tmp/other.h5", "x", (10,))
    file.create_virtual_dataset("a", layout)


@pytest.mark.parametrize("write", [soft_loop, alias, external_link, external_storage, virtual])
def test_nothing_outside_of_the_data_set_is_read(tmp_path, write):
    with pytest.raises(DataError, match=r"source\.h5: a: is (a link|stored in other files)"):
        link(tmp_path, write)


@pytest.mark.parametrize("rate", [[16_000, 16_000], "16 kHz", np.nan, 8_000, b"16000"])
def test_a_rate_must_be_the_number_of_the_preset(tmp_path, rate):
    def write(file):
        file["a"] = TONE
        file["a"].attrs["rate_hz"] = rate

    with pytest.raises(DataError, match=r"rate_hz is|the preset needs 16000 Hz"):
        link(tmp_path, write)


def test_samples_that_are_announced_but_not_there(tmp_path):
    with pytest.raises(DataError, match="4398046511104 samples are announced"):
        link(tmp_path, lambda file: file.create_dataset("a", (1 << 42,), "f4", chunks=(1 << 20,)))


@pytest.mark.parametrize(
    "write",
    [
        lambda f: f.create_group("a"),
        lambda f: None,
        lambda f: f.create_dataset("a", data=np.zeros((5, 2))),
    ],
)
def test_what_is_no_waveform(tmp_path, write):
    with pytest.raises(DataError, match="no waveform of that name"):
        link(tmp_path, write)


def test_a_waveform_of_another_rate_than_its_video_lasts_is_refused(tmp_path):
    with h5py.File(tmp_path / "source.h5", "w") as file:
        file["a"] = TONE  # 1 s at RATE, 2 s at half of it
    with h5py.File(tmp_path / "pack.h5", "w") as pack:
        with pytest.raises(DataError, match=r"lasts 1.0 s at 16000 Hz, its video 2.0 s"):
            link_waveform(pack, "a", tmp_path / "source.h5", RATE, 2.0)
        assert link_waveform(pack, "a", tmp_path / "source.h5", RATE, 1.1) == RATE
