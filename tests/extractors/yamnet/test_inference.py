import numpy as np
import pytest
import torch

from avlib.errors import DataError
from avlib.extractors.yamnet.classes import classes, read_class_map
from avlib.extractors.yamnet.front_end import Recording, interval_patches
from avlib.extractors.yamnet.inference import BATCH_SIZE, YamNetModel
from avlib.extractors.yamnet.weights import untrained_yamnet

RATE = 16_000


@pytest.fixture(scope="module")
def network():
    return untrained_yamnet(0)


@pytest.fixture(scope="module")
def model():
    return YamNetModel(untrained_yamnet(0), torch.device("cpu"), torch.float32)


@torch.inference_mode()
def plain(network, sound, interval):
    """Return mean embedding and mean scores of one interval, a patch at a time."""
    _, patches = interval_patches(sound, [interval])
    found = [network(torch.from_numpy(patch[None])) for patch in patches]
    embedding = torch.cat([e for e, _ in found]).mean(dim=0)
    return embedding.numpy(), torch.cat([logits.sigmoid() for _, logits in found]).mean(0).numpy()


def test_intervals_have_the_means_of_their_patches_however_batches_fall(network, model):
    sound = np.random.default_rng(0).standard_normal(25 * RATE).astype(np.float32)
    intervals = [(0.0, 1.0), (0.0, 9.5), (0.3, 0.5), (2.0, 12.0), (13.0, 24.0), (24.0, 25.0)]
    blocks = list(model.blocks(Recording(sound, RATE), intervals))
    assert len(interval_patches(sound, intervals)[1]) > 3 * BATCH_SIZE
    embedding = np.concatenate([block.embedding for block in blocks])
    scores = np.concatenate([block.scores for block in blocks])
    assert embedding.dtype == scores.dtype == np.float32
    assert scores.shape == (len(intervals), 521)
    for row, interval in enumerate(intervals):
        expected = plain(network, sound, interval)
        np.testing.assert_allclose(embedding[row], expected[0], atol=1e-5)
        np.testing.assert_allclose(scores[row], expected[1], atol=1e-6)


def test_an_interval_of_many_batches_is_one_row(model):
    sound = np.random.default_rng(0).standard_normal(30 * RATE).astype(np.float32)
    blocks = list(model.blocks(Recording(sound, RATE), [(0.0, 30.0)]))
    assert [len(block.scores) for block in blocks] == [1]


@pytest.mark.gpu
def test_a_gpu_gives_the_same_features(network, model):
    sound = np.random.default_rng(0).standard_normal(5 * RATE).astype(np.float32)
    on_gpu = YamNetModel(network, torch.device("cuda"), torch.float32)
    (expected,), (found,) = (
        list(m.blocks(Recording(sound, RATE), [(0.0, 1.0), (1.0, 5.0)])) for m in (model, on_gpu)
    )
    np.testing.assert_allclose(found.embedding, expected.embedding, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-4, atol=1e-4)


def test_no_interval_is_no_block(model):
    assert not list(model.blocks(Recording(np.zeros(RATE, np.float32), RATE), []))


def write_map(path, rows, header="index,mid,display_name"):
    path.write_bytes("\r\n".join([header, *rows, ""]).encode())
    return path


def test_names_with_commas_are_read_whole(tmp_path):
    rows = [f'{i},/m/{i},"Class {i}, again"' for i in range(521)]
    write_map(tmp_path / "yamnet_class_map.csv", rows)
    assert classes(tmp_path)[:2] == ["Class 0, again", "Class 1, again"]
    assert read_class_map(tmp_path / "yamnet_class_map.csv").mids[520] == "/m/520"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([f"{i},/m/{i},a" for i in range(520)], "got 520"),
        (["1,/m/0,a", *(f"{i},/m/{i},a" for i in range(1, 521))], "row 0"),
        (["0,/m/0", *(f"{i},/m/{i},a" for i in range(1, 521))], "row 0"),
    ],
)
def test_another_class_map_is_refused(tmp_path, rows, message):
    with pytest.raises(DataError, match=message):
        read_class_map(write_map(tmp_path / "a.csv", rows))
    with pytest.raises(DataError, match=r"no\.csv"):
        read_class_map(tmp_path / "no.csv")
