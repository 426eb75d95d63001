import numpy as np
import pytest
import torch
from PIL import Image

from avlib.extractors.clip.images import clip_input
from avlib.extractors.resnet.images import r2plus1d_input, res152_input
from avlib.extractors.segments import spread_indices


def noise(height, width, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_indices_go_from_the_first_to_the_last():
    assert spread_indices(80, 80).tolist() == list(range(80))
    assert spread_indices(1, 10).tolist() == [0] * 10
    assert spread_indices(2, 10).tolist() == [0] * 5 + [1] * 5
    assert spread_indices(82, 80)[[0, -1]].tolist() == [0, 81]
    assert spread_indices(4, 3).tolist() == [0, 2, 3]  # 1.5 becomes 2
    assert spread_indices(6, 3).tolist() == [0, 2, 5]  # 2.5 becomes 2
    with pytest.raises(ValueError, match="got 0"):
        spread_indices(0, 10)


def test_clip_takes_single_pixels_where_a_picture_shrinks():
    """Without antialiasing a shrink by four mixes the middle two of every four pixels."""
    picture = noise(896, 896)
    x = torch.from_numpy(picture).permute(2, 0, 1).double() / 255
    middles = (x[:, 1::4] + x[:, 2::4]) / 2
    middles = (middles[..., 1::4] + middles[..., 2::4]) / 2
    mean = torch.tensor([0.48145466, 0.4578275, 0.40821073]).view(3, 1, 1)
    std = torch.tensor([0.26862954, 0.26130258, 0.27577711]).view(3, 1, 1)
    expected = ((middles - mean) / std).float()
    torch.testing.assert_close(clip_input([picture])[0], expected, atol=1e-5, rtol=0)
    smooth = clip_input([picture], antialias=True)[0]
    assert (smooth - expected).abs().max() > 0.5


def test_res152_sees_the_middle_and_the_others_a_squashed_picture():
    picture = np.zeros((100, 400, 3), np.uint8)
    picture[:, :100] = picture[:, 300:] = 255
    dark = (0 - 0.485) / 0.229
    assert res152_input([picture])[0, 0].max() < dark + 0.01
    for make in (clip_input, r2plus1d_input):
        square = make([picture])[0, 0]
        assert square[:, : len(square) // 5].min() > 1.9
        assert square[:, len(square) // 2].max() < 0


def test_shapes_are_those_of_the_networks():
    pictures = [noise(90, 120), noise(33, 500, 1)]
    assert clip_input(pictures).shape == (2, 3, 224, 224)
    assert res152_input(pictures).shape == (2, 3, 224, 224)
    assert r2plus1d_input(pictures).shape == (2, 3, 112, 112)


def test_r2plus1d_is_resized_by_pillow():
    picture = noise(300, 200)
    resized = np.asarray(Image.fromarray(picture).resize((112, 112), Image.Resampling.BILINEAR))
    x = torch.from_numpy(resized.copy()).permute(2, 0, 1).float() / 255
    expected = (x[1] - 0.394666) / 0.22145
    torch.testing.assert_close(r2plus1d_input([picture])[0, 1], expected)
