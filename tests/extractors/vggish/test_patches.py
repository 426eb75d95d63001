import json

import numpy as np
import pytest
import torch

from avlib.errors import CheckpointError, DataError
from avlib.extractors.mel_bands import mel_filters
from avlib.extractors.vggish.extraction import check_weights
from avlib.extractors.vggish.network import VGGish
from avlib.extractors.vggish.patches import (
    LOG_OFFSET,
    PATCH_SAMPLES,
    embed,
    interval_patch,
    patches,
    quantise,
    read_pca,
    second_patches,
)
from avlib.extractors.vggish.weights import load_vggish


def noise(n_samples, seed=0):
    return np.random.default_rng(seed).standard_normal(n_samples) / 10


def write_pca(path, **changed):
    arrays = {"pca_eigen_vectors": np.eye(128), "pca_means": np.zeros(128)} | changed
    np.savez(path, **arrays)
    return path


def test_each_filter_is_a_triangle_between_its_neighbours():
    filters = mel_filters()
    assert filters.shape == (257, 64)
    assert not filters[0].any() and not filters[-1].any()
    peaks = filters.argmax(axis=0)
    assert (np.diff(peaks) >= 0).all()
    np.testing.assert_allclose(filters[peaks[0] + 1 : peaks[-1]].sum(axis=1), 1.0, atol=1e-12)


@pytest.mark.parametrize(
    ("n_samples", "count"),
    [(0, 0), (399, 0), (PATCH_SAMPLES - 1, 0), (PATCH_SAMPLES, 1), (160_000, 10), (31_000, 2)],
)
def test_a_patch_needs_its_whole_length(n_samples, count):
    assert patches(noise(n_samples), 16_000).shape == (count, 96, 64)


def test_patches_follow_each_other_without_overlap():
    sound = noise(48_000)
    found = patches(sound, 16_000)
    for i, patch in enumerate(found):
        start = i * 96 * 160
        alone = patches(sound[start : start + PATCH_SAMPLES], 16_000)
        np.testing.assert_allclose(alone[0], patch, rtol=1e-6)


def test_seconds_do_not_hear_each_other():
    sound = noise(3 * 44_100)
    changed = sound.copy()
    changed[44_100:] = 0
    found, after = second_patches(sound, 44_100), second_patches(changed, 44_100)
    assert len(found) == 3
    np.testing.assert_array_equal(found[0], after[0])
    assert not np.allclose(found[1], after[1])


def test_beyond_the_end_of_the_sound_it_is_silent():
    sound = noise(24_000).astype(np.float32)
    np.testing.assert_allclose(interval_patch(sound, 3, 4, 16_000), np.log(LOG_OFFSET))
    half = interval_patch(sound, 1, 2, 16_000)
    assert (half[:47] > np.log(LOG_OFFSET)).all()
    np.testing.assert_allclose(half[50:], np.log(LOG_OFFSET))


def test_samples_of_16_bit_mean_the_same():
    sound = np.round(noise(16_000) * 32_768).astype(np.int16)
    scaled = sound.astype(np.float32) / np.float32(32_768)
    np.testing.assert_array_equal(
        interval_patch(sound, 0, 1, 16_000), interval_patch(scaled, 0, 1, 16_000)
    )


def test_an_interval_shorter_than_a_patch_is_named():
    with pytest.raises(DataError, match=r"from 1.0 s to 1.5 s"):
        interval_patch(noise(40_000), 1.0, 1.5, 16_000)


def test_the_size_of_a_batch_does_not_matter(tmp_path):
    network = VGGish(width=2, hidden=16).eval()
    spectrograms = second_patches(noise(5 * 16_000), 16_000)
    one, three = (np.concatenate(list(embed(network, spectrograms, size))) for size in (1, 3))
    assert one.shape == (5, 128) and (one >= 0).all() and one.any()
    np.testing.assert_allclose(one, three, atol=1e-6)


def test_the_width_is_that_of_the_file(tmp_path):
    network = VGGish(width=2, hidden=16)
    torch.save(network.state_dict(), tmp_path / "vggish.pth")
    loaded = load_vggish(tmp_path / "vggish.pth").state_dict()
    assert all(torch.equal(loaded[n], value) for n, value in network.state_dict().items())


def test_weights_that_do_not_fit_are_named(tmp_path):
    state = VGGish(width=2, hidden=16).state_dict()
    torch.save(state | {"pproc.means": torch.zeros(1)}, tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match=r"unexpected pproc\.means"):
        load_vggish(tmp_path / "a.pth")
    torch.save({"conv": torch.zeros(1)}, tmp_path / "b.pth")
    with pytest.raises(CheckpointError, match="not a VGGish file"):
        load_vggish(tmp_path / "b.pth")


def test_the_8_bit_form_is_cut_and_not_rounded(tmp_path):
    pca = read_pca(write_pca(tmp_path / "pca.npz", pca_means=np.full((128, 1), 1.0)))
    embeddings = np.full((1, 128), 1.0)
    embeddings[0, :4] = [-9.0, 9.0, 1.0 + 3.99 / 255 - 2.0, 1.0 + 4.01 / 255 - 2.0]
    result = quantise(embeddings, pca)
    assert result.dtype == np.uint8
    assert result[0, :5].tolist() == [0, 255, 0, 1, 127]


def test_eigenvectors_are_rows(tmp_path):
    swapped = np.eye(128)[np.roll(np.arange(128), 1)]
    pca = read_pca(write_pca(tmp_path / "pca.npz", pca_eigen_vectors=swapped))
    embeddings = np.linspace(-2, 2, 128)[None]
    straight = read_pca(write_pca(tmp_path / "straight.npz"))
    np.testing.assert_array_equal(
        quantise(embeddings, pca), np.roll(quantise(embeddings, straight), 1, axis=1)
    )


def test_a_file_of_other_arrays_is_named(tmp_path):
    write_pca(tmp_path / "pca.npz", pca_means=np.zeros(64))
    with pytest.raises(DataError, match="pca_means"):
        read_pca(tmp_path / "pca.npz")


def test_a_report_says_what_a_checkpoint_is(tmp_path):
    torch.save(VGGish(width=2, hidden=16).state_dict(), tmp_path / "vggish.pth")
    check_weights(tmp_path / "vggish.pth", tmp_path / "report.json")
    report = json.loads((tmp_path / "report.json").read_text())
    assert (report["width"], report["hidden"]) == (2, 16)
    assert len(report["sha256"]) == 64
