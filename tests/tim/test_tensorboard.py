import pytest
from tiny_tim import run, write_study

from avlib.tim.tensorboard import TensorBoard


@pytest.fixture
def study(tmp_path):
    return write_study(tmp_path / "study")


def test_tensorboard_gets_the_log_if_asked(study, tmp_path):
    pytest.importorskip("tensorboard")
    run(study, tmp_path, epochs=1, tensorboard=True)
    assert list((tmp_path / "tensorboard").glob("events.*"))


def test_tensorboard_shows_no_earlier_training(tmp_path):
    pytest.importorskip("tensorboard")
    for epochs, n_files in (([1, 2], 1), ([1], 1), ([2], 2)):  # the last one is resumed
        board = TensorBoard(tmp_path)
        for epoch in epochs:
            board({"epoch": epoch, "train_loss": 1.0})
        assert len(list(tmp_path.glob("events.*"))) == n_files
