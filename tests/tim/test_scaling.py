from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_tim import run, write_study

from avlib.io.checkpoints import load_state_dict
from avlib.tim.feature_files import FeatureFiles
from avlib.tim.recipes import TIM_RECIPES
from avlib.tim.scaling import Scaling, for_scaled, for_unscaled, scaling_of
from avlib.tim.tokens import embedder

N_ROWS = {"a": 4, "b": 9}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("features")
    rng = np.random.default_rng(0)
    for video_id, n_rows in N_ROWS.items():
        rows = rng.gamma(1.0, [[[0.001, 1.0, 50.0]]], (n_rows, 2, 3))
        np.save(folder / f"{video_id}.npy", rows.astype(np.float32))
    return FeatureFiles([folder], N_ROWS)


def test_scaled_features_have_a_mean_of_zero_and_a_deviation_of_at_most_one(files):
    rows = np.concatenate(
        [files.read(v, np.arange(n), np.zeros(n, int)) for v, n in N_ROWS.items()]
    )
    scaled = scaling_of(files).applied(rows)
    assert scaled.mean(axis=0) == pytest.approx(0, abs=1e-5)
    deviation = scaled.std(axis=0)
    assert deviation[2] == pytest.approx(1, abs=0.05)
    assert deviation[0] < 0.05  # it hardly varies beside the others


def test_a_constant_channel_is_zero(files):
    channel = np.full((5, 2), 7.0, dtype=np.float32)
    assert (Scaling(np.full(2, 7.0), np.full(2, 1e-9)).applied(channel) == 0).all()


def layer(weights, name="feature_encoding.audio_embedder"):
    found = embedder(3, 4, 0.0)
    found.load_state_dict({k.removeprefix(f"{name}."): v for k, v in weights.items()})
    return found.eval()


def test_weights_for_features_as_they_are_answer_as_those_for_scaled_ones(files):
    torch.manual_seed(0)
    first = embedder(3, 4, 0.0)
    weights = {f"feature_encoding.audio_embedder.{k}": v for k, v in first.state_dict().items()}
    by = {"audio": scaling_of(files)}
    features = files.read("b", np.arange(9), np.zeros(9, int))
    expected = layer(weights)(torch.from_numpy(by["audio"].applied(features)))
    moved = for_unscaled(weights, by)
    torch.testing.assert_close(layer(moved)(torch.from_numpy(features)), expected)
    back = for_scaled(moved, by)
    assert back.keys() == weights.keys()
    for name, values in weights.items():
        torch.testing.assert_close(back[name], values, rtol=1e-4, atol=1e-5)


def test_a_training_at_one_scale_writes_weights_of_features_as_they_are(tmp_path, monkeypatch):
    windows = {n: getattr(TIM_RECIPES["small"], n) for n in ("num_feats", "feat_stride")}
    recipe = replace(TIM_RECIPES["packaged"], **windows, feat_gap_s=0.2)
    monkeypatch.setitem(TIM_RECIPES, "packaged", recipe)
    study = write_study(tmp_path / "study")
    first = run(study, tmp_path / "first", recipe="packaged", epochs=2)
    again = run(
        study,
        tmp_path / "again",
        recipe="packaged",
        epochs=1,
        learning_rate=1e-12,
        initial_weights=first["model"],
    )
    weights, same = load_state_dict(first["model"]), load_state_dict(again["model"])
    for name, values in weights.items():
        torch.testing.assert_close(same[name], values, rtol=1e-3, atol=1e-4)
