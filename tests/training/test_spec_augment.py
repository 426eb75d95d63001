import numpy as np
import pytest
import torch
from golden.fill import rule_input
from tiny_golden import GOLDEN, contents

from avlib.seeds import generator
from avlib.training.spec_augment import (
    augment,
    frequency_mask,
    interpolate_frames,
    mask_batch_with_mean,
    time_mask,
    time_warp,
    warp_flow,
)

CASES = contents("asf/specaug.json")
WARPS = [name for name, case in CASES.items() if case["operation"] == "time_warp"]
X = rule_input("asf/spec", (128, 200), 0, 2.0) - np.float32(5)
MODES = pytest.mark.parametrize("mode", ["reference", "standard"])


def scripted(*draws):
    remaining = iter(draws)
    return lambda low, high: next(remaining)


@pytest.mark.parametrize("name", WARPS)
def test_the_warp_is_the_published_one(name):
    case = CASES[name]
    seed = case["inputs"]["log_mel"]["rule"]["seed"]
    x = rule_input("asf/spec", (1, 128, 200), seed, 2.0)[0] - np.float32(5)
    matrix = np.array(case["inputs"]["matrix"]["value"])
    (rows,) = case["expected"]["flow"]["index"]
    column, distance = case["arguments"]["column"], case["arguments"]["distance"]
    flow = warp_flow(x.shape, x[64, column], distance, matrix)
    warped = time_warp(x, column, distance, matrix)
    with np.load(GOLDEN / "asf" / "specaug.npz") as golden:
        np.testing.assert_allclose(flow[rows], golden[f"{name}/flow"], rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(warped[rows], golden[f"{name}/out"], rtol=0, atol=1e-3)


def test_frames_are_interpolated_linearly_and_kept_in_range():
    ramp = np.tile(np.arange(10, dtype=np.float32), (2, 1))
    frames = np.array([[-3.0, 0.25, 8.5, 9.0, 20.0]] * 2)
    np.testing.assert_allclose(
        interpolate_frames(ramp, frames), [[0, 0.25, 8.5, 9, 9]] * 2, rtol=1e-6
    )


def test_masks_are_filled_with_the_mean_of_what_the_last_one_left():
    masked = frequency_mask(X, scripted(20, 30, 45, 10, 100, 107))
    first = X.copy()
    first[30:45] = X.mean(dtype=np.float64)
    assert (masked[:30] == X[:30]).all()
    np.testing.assert_allclose(masked[30:45], X.mean(), rtol=1e-6)
    np.testing.assert_allclose(masked[100:107], first.mean(), rtol=1e-6)


def test_a_first_draw_of_zero_also_cancels_the_second_mask():
    assert np.array_equal(time_mask(X, scripted(0, 17)), X)


def test_a_mask_of_frames_covers_all_bands():
    masked = time_mask(X, scripted(12, 180, 190, 0, 3))
    changed = np.flatnonzero((masked != X).all(axis=0))
    assert changed.tolist() == list(range(180, 190))


@MODES
def test_equal_generators_give_equal_bytes_and_leave_the_input(mode):
    x = torch.from_numpy(X.T.copy())
    one, same, other = (augment(x, generator(0, "video", 3, v), mode) for v in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert torch.equal(x, torch.from_numpy(X.T))
    assert one.shape == (200, 128) and one.dtype == torch.float32


@MODES
def test_a_constant_image_stays_constant(mode):
    x = torch.full((200, 128), -4.5)
    for item in range(50):
        torch.testing.assert_close(augment(x, generator(1, item), mode), x)


def test_the_standard_warp_moves_no_frame_further_than_its_control_point():
    ramp = torch.arange(200.0)[:, None].expand(200, 128).contiguous()
    for item in range(100):
        out = augment(ramp, generator(2, item), "standard")
        frames = out.median(dim=1).values  # at most 52 of 128 bands are masked
        is_masked = (out == out[:, :1]).all(dim=1) & ((frames - ramp[:, 0]).abs() > 5.001)
        fill = frames[is_masked]
        assert fill.unique().numel() <= 1  # both masks of frames have the mean of the warped image
        assert int(is_masked.sum()) <= 2 * 24
        if not is_masked[0]:
            assert frames[0] == 0
        if not is_masked[-1]:
            assert frames[-1] == 199


def test_standard_masks_do_not_depend_on_each_other():
    """A mask of zero bands comes as often before a mask as after one."""
    x = torch.from_numpy(X.T.copy())
    masked_bands = []
    for item in range(300):
        out = augment(x, generator(3, item), "standard")
        masked_bands.append(int((out.std(dim=0) < 0.2).sum()))
    # Two masks of 0 to 26 bands: 26 on average, a little less as they may overlap.
    assert 22 < np.mean(masked_bands) < 27


def test_masks_of_a_batch_are_those_of_single_spectrograms():
    """Each has its own ones, of every width below the limit, and its own mean."""
    x = np.random.default_rng(0).normal(size=(400, 20, 30)).astype(np.float32)
    x += np.arange(400, dtype=np.float32)[:, None, None]
    out = x.copy()
    mask_batch_with_mean(out, np.random.default_rng(1), bands=(1, 5), frames=(0, 1))
    mean = np.broadcast_to(x.mean(axis=(1, 2), keepdims=True), x.shape)
    is_masked = out != x
    np.testing.assert_allclose(out[is_masked], mean[is_masked], rtol=1e-5)
    bands = is_masked.all(axis=2)
    np.testing.assert_array_equal(bands, is_masked.any(axis=2))
    assert set(bands.sum(axis=1)) == set(range(5))
    assert (np.abs(np.diff(bands.astype(int), axis=1)).sum(axis=1) <= 2).all()  # one stretch
    assert bands.any(axis=0).all()
    out = x.copy()
    mask_batch_with_mean(out, np.random.default_rng(1), bands=(0, 1), frames=(2, 7))
    frames = (out != x).all(axis=1)
    np.testing.assert_array_equal(frames, (out != x).any(axis=1))
    assert frames.sum(axis=1).max() > 6 >= np.sort(frames.sum(axis=1))[100]
    assert frames.sum(axis=1).max() <= 12
