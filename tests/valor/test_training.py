import json
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from resumed_training import contents, interrupt
from tiny_parser import CLASSES, hits, make_videos, run_training, tiny

from avlib.errors import ConfigError, DataError
from avlib.valor.objective import EpochOrders
from avlib.valor.task import ParserTask, predict_videos
from avlib.valor.videos import ParserVideos
from avlib.valor.weights import load_parser, network_sizes, new_parser


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("features")
    return [make_videos(folder, tiny(), name, n) for name, n in (("train", 12), ("val", 6))]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, videos):
    return run_training(tmp_path_factory.mktemp("undisturbed"), videos)


def log_entries(outputs):
    return [json.loads(line) for line in outputs["log"].read_text().splitlines()]


def test_a_second_training_gives_the_same_bytes(undisturbed, videos, tmp_path):
    assert contents(run_training(tmp_path, videos)) == contents(undisturbed)
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("stop_at", [1, 3, 4, 11])
def test_stopped_anywhere_and_resumed_it_ends_in_the_same_bytes(
    undisturbed, videos, tmp_path, monkeypatch, stop_at
):
    steps, before = [], ParserTask.train_step

    def step_and_stop(self, batch):
        steps.append(batch)
        if len(steps) == stop_at:
            signal.raise_signal(signal.SIGTERM)
        return before(self, batch)

    with monkeypatch.context() as patch:
        patch.setattr(ParserTask, "train_step", step_and_stop)
        with pytest.raises(SystemExit) as exit_:
            run_training(tmp_path, videos)
    assert exit_.value.code == 143
    assert not (tmp_path / "model").exists()
    assert contents(run_training(tmp_path, videos)) == contents(undisturbed)


@pytest.mark.slow
def test_after_killed_processes_it_ends_in_the_same_bytes(undisturbed, tmp_path):
    script = Path(__file__).parents[1] / "tiny_parser.py"
    for states in (1, 2):
        assert interrupt(script, tmp_path, states, signal.SIGKILL) == -signal.SIGKILL
        assert not (tmp_path / "model").exists()
    assert contents(run_training(tmp_path)) == contents(undisturbed)


def test_a_state_of_another_recipe_or_of_other_labels_is_not_resumed(videos, tmp_path):
    def stop(global_prob, frame_prob):
        signal.raise_signal(signal.SIGTERM)
        return hits(global_prob, frame_prob)

    expected = contents(run_training(tmp_path / "a", videos))
    other = tiny(lr_min=1e-5)
    with pytest.raises(SystemExit):
        run_training(tmp_path / "b", videos, recipe=other, criterion=stop)
    assert contents(run_training(tmp_path / "b", videos)) == expected
    training = ParserVideos(videos[0].features, 1 - videos[0].labels, videos[0].segment_labels)
    with pytest.raises(SystemExit):
        run_training(tmp_path / "c", [training, videos[1]], criterion=stop)
    assert contents(run_training(tmp_path / "c", videos)) == expected


@pytest.mark.parametrize("name", ["han", "valor", "valor+", "valor++"])
def test_every_variant_learns_which_class_a_video_has(tmp_path, name):
    outputs = run_training(tmp_path, recipe=tiny(name, epochs=10, lr_min=1e-3))
    found = json.loads(outputs["metrics"].read_text())
    assert found["metrics"]["val"]["Seg-type"] == 100
    assert found["counts"] == {"videos": {"train": 12, "val": 6}}


def test_every_epoch_has_a_line_with_rate_losses_and_scores(undisturbed):
    entries = log_entries(undisturbed)
    assert [entry["epoch"] for entry in entries] == [1, 2, 3, 4]
    parts = ("loss", "video_loss", "audio_loss", "visual_loss")
    for entry in entries:
        assert {f"train_{part}" for part in (*parts, "grad_norm")} < entry.keys()
        assert {*parts, "Seg-type"} <= entry["val"].keys()
        assert entry["val"]["loss"] == pytest.approx(sum(entry["val"][p] for p in parts[1:]))
    assert [e["learning_rate"] for e in entries[:2]] == pytest.approx([1.5e-3, 3e-3])
    assert entries[-1]["learning_rate"] == pytest.approx(tiny().lr_min)


@pytest.mark.parametrize(("name", "best"), [("valor", 2), ("han", 3)])
def test_the_first_of_equally_good_epochs_is_best_but_for_the_baseline(tmp_path, name, best):
    scores = iter([1.0, 2.0, 2.0, 1.5])
    recipe = tiny(name)
    outputs = run_training(
        tmp_path, recipe=recipe, criterion=lambda *_: (next(scores), {}), keeps_all=True
    )
    assert json.loads(outputs["metrics"].read_text())["best_epoch"] == best
    model = outputs["best"].parent
    assert outputs["best"].read_bytes() == (model / f"checkpoint_epoch_{best}.pt").read_bytes()
    assert outputs["last"].read_bytes() == (model / "checkpoint_epoch_4.pt").read_bytes()
    widths = {"audio": 6, "visual": 8, "motion": 5}
    sizes = network_sizes(recipe, widths, num_classes=CLASSES)
    load_parser(outputs["best"], recipe.network, **sizes)


def test_a_score_of_zero_still_leaves_a_best_checkpoint(videos, tmp_path):
    outputs = run_training(tmp_path, videos, criterion=lambda *_: (0.0, {"Seg-type": 0.0}))
    assert json.loads(outputs["metrics"].read_text())["best_epoch"] == 1


def test_an_epoch_has_every_video_once_and_its_last_batch_is_smaller(videos):
    training, validation = videos
    recipe = tiny()
    orders = EpochOrders(torch.get_rng_state(), len(training))
    model = new_model(recipe, training)
    task = ParserTask(
        model,
        recipe,
        orders=orders,
        training=training,
        validation=validation,
        criterion=hits,
    )
    batches = list(task.batches(1, 0))
    assert [len(batch.labels) for batch in batches] == [5, 5, 2] and task.steps == 3
    torch.testing.assert_close(batches[2], next(task.batches(1, 2)))
    assert sorted(orders(1).tolist()) == list(range(12))
    assert orders(1).tolist() != orders(0).tolist()
    losses = [task.train_step(batch)["loss"] for batch in batches]
    assert np.isfinite(losses).all()


def new_model(recipe, training):
    sizes = network_sizes(recipe, training.widths, num_classes=training.num_classes)
    return new_parser(0, **sizes)[0]


def test_answers_do_not_depend_on_the_batch(videos):
    model = new_model(tiny(), videos[0])
    together = predict_videos(model, videos[1], 5, lambda: None)
    singly = predict_videos(model, videos[1], 1, lambda: None)
    for a, b in zip(together[:2], singly[:2], strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    assert together[2] == pytest.approx(singly[2], rel=1e-5)


def test_videos_without_labels_of_teachers_can_be_validated_but_not_learned(tmp_path):
    training = make_videos(tmp_path, tiny(), "train")
    bare = make_videos(tmp_path, tiny(), "val", 6, has_segment_labels=False)
    outputs = run_training(tmp_path / "a", [training, bare])
    assert "loss" not in log_entries(outputs)[0]["val"]
    with pytest.raises(ConfigError, match="trained on pseudo labels"):
        run_training(tmp_path / "b", [bare, bare])
    run_training(tmp_path / "c", [bare, bare], recipe=tiny("han"))


def test_splits_that_do_not_go_together_are_refused(videos, tmp_path):
    none = make_videos(tmp_path, tiny(), "none", 0)
    with pytest.raises(DataError, match="split val has no videos"):
        run_training(tmp_path, [videos[0], none])
    fewer = ParserVideos(videos[1].features, videos[1].labels[:, :2])
    with pytest.raises(DataError, match="num_classes: 4 in split train, 2 in split val"):
        run_training(tmp_path, [videos[0], fewer])
