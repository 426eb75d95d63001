import numpy as np
import pytest
import torch
from tiny_parser import make_videos, tiny

from avlib.errors import DataError
from avlib.valor.feature_folders import FeatureFolder
from avlib.valor.videos import ParserVideos


def test_frames_and_audio_maps_are_pooled_to_segments(tmp_path):
    videos = make_videos(tmp_path, tiny("valor++", visual="res152"), n_videos=3)
    batch = videos.batch([2, 0])
    visual = np.stack([videos.features["visual"][i] for i in (2, 0)])
    expected = visual.reshape(2, 10, 8, -1).mean(axis=2)
    np.testing.assert_allclose(batch.visual, expected, atol=1e-6)
    assert batch.audio.shape == (2, 10, 6)
    means = np.stack([videos.features["audio"][i].mean(axis=0) for i in (2, 0)])
    np.testing.assert_allclose(batch.audio.mean(dim=1), means, atol=0.2)
    np.testing.assert_array_equal(batch.motion[1], videos.features["motion"][0])


def test_a_video_is_read_once(tmp_path, monkeypatch):
    videos, reads, before = make_videos(tmp_path, tiny(), n_videos=3), [], FeatureFolder.__getitem__
    monkeypatch.setattr(
        FeatureFolder, "__getitem__", lambda self, i: reads.append(i) or before(self, i)
    )
    first = videos.batch([0, 1])
    torch.testing.assert_close(videos.batch([1, 0]).audio, first.audio.flip(0))
    assert reads == [0, 0, 0, 1, 1, 1]


def test_labels_go_with_their_videos(tmp_path):
    videos = make_videos(tmp_path, tiny(), n_videos=4)
    batch = videos.batch([3, 1])
    assert batch.labels.argmax(dim=1).tolist() == [3, 1] and batch.labels.dtype == torch.float32
    for labels in (batch.audio_labels, batch.visual_labels):
        assert torch.equal(labels, batch.labels[:, None].expand(-1, 10, -1))


def test_a_value_that_is_no_number_is_found_in_its_file(tmp_path):
    videos = make_videos(tmp_path, tiny(), n_videos=3)
    path = videos.features["motion"].path(videos.video_ids[1])
    array = np.load(path)
    array[3, 2] = np.nan
    np.save(path, array)
    videos.batch([0, 2])
    with pytest.raises(DataError, match=r"-train_00001\.npy: holds NaN or infinity"):
        videos.batch([0, 1])


def test_folders_and_labels_of_other_videos_are_refused(tmp_path):
    videos, fewer = (make_videos(tmp_path, tiny(), n_videos=n) for n in (3, 2))
    mixed = videos.features | {"motion": fewer.features["motion"]}
    with pytest.raises(DataError, match="motion features are of other videos"):
        ParserVideos(mixed, videos.labels)
    with pytest.raises(DataError, match="expected a row for 3 videos"):
        ParserVideos(videos.features, fewer.labels)
    with pytest.raises(DataError, match=r"audio segment labels \(2, 10, 4\)"):
        ParserVideos(videos.features, videos.labels, fewer.segment_labels)
