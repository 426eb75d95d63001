import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from avlib.errors import DataError
from avlib.extractors.intervals import interval_table
from avlib.seeds import generator
from avlib.tim.batches import WindowDataset
from avlib.tim.feature_files import FeatureFiles
from avlib.tim.recipes import TIM_RECIPES
from avlib.tim.windows import build_windows

RECIPE = replace(TIM_RECIPES["ave"], num_feats=6, feat_stride=3)
DURATIONS = {"a_v_": 7.3, "-b": 4.0, "c": 20.5}
LABELS = ["verb_class", "noun_class", "action_class", "class_id"]


def query_table():
    rng = np.random.default_rng(5)
    rows = []
    for modality in ("visual", "audio"):
        for k in range(30):
            video_id = list(DURATIONS)[k % 3]
            start_s = round(rng.uniform(0, DURATIONS[video_id] - 1), 2)
            stop_s = start_s + round(rng.uniform(0.2, 4), 2)
            rows.append((f"q{k}", modality, video_id, start_s, stop_s, *rng.integers(0, 50, 4)))
    names = ["annotation_id", "modality", "video_id", "start_s", "stop_s", *LABELS]
    queries = pd.DataFrame(rows, columns=names).astype(dict.fromkeys(LABELS, "Int64"))
    queries.loc[queries["modality"] == "audio", LABELS[:3]] = pd.NA
    queries.loc[queries["modality"] == "visual", "class_id"] = pd.NA
    queries.loc[3, ["verb_class", "action_class"]] = pd.NA
    queries.insert(0, "query_id", 100 + np.arange(len(queries)))
    return queries


def write_features(folder, intervals, row, seed=0):
    folder.mkdir()
    rng = np.random.default_rng(seed)
    for video_id, n_rows in intervals["video_id"].value_counts().items():
        features = rng.standard_normal((n_rows, *row), dtype=np.float32)
        np.save(folder / f"{video_id}.npy", features)
    return folder


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Index, queries, intervals, and folders of features with views 3 and 2."""
    folder = tmp_path_factory.mktemp("features")
    videos = {"video_id": list(DURATIONS), "duration_s": list(DURATIONS.values())}
    intervals = interval_table(pd.DataFrame(videos).assign(frames=np.nan, fps=np.nan))
    queries = query_table()
    index = build_windows(queries, intervals, DURATIONS, RECIPE)
    folders = {
        "visual": [write_features(folder / "visual", intervals, (3, 5))],
        "audio": [write_features(folder / "audio", intervals, (2, 4), seed=1)],
    }
    return index, queries, intervals, folders


def dataset(study, **changes):
    index, queries, intervals, folders = study
    return WindowDataset(index, queries, intervals, recipe=RECIPE, **(folders | changes))


def plain_item(study, item):
    """One window from its description, without padding."""
    index, queries, intervals, folders = study
    video_id = index.video_ids[index.video[item]]
    rows = index.rows[item]
    bounds = intervals[intervals["video_id"] == video_id][["start_s", "stop_s"]].to_numpy()[rows]
    features = [np.load(folders[m][0] / f"{video_id}.npy")[rows, 0] for m in ("visual", "audio")]
    table = queries.set_index("query_id")
    found = {True: [], False: []}
    for k in range(index.offsets[item], index.offsets[item + 1]):
        span = (index.query_start_s[k], index.query_stop_s[k])
        found[bool(index.is_visual[k])].append((index.query[k], span, table.loc[index.query[k]]))
    times = [*bounds, *bounds, *(s for m in (True, False) for _, s, _ in found[m])]
    times = np.maximum((np.array(times) - index.start_s[item]) / RECIPE.window_s, 0)
    labels = [[q[name] for name in LABELS[:3]] for _, _, q in found[True]]
    sounds = [q["class_id"] for _, _, q in found[False]]
    return features, times, labels, sounds, [[q for q, _, _ in found[m]] for m in (True, False)]


def test_batches_are_the_plain_items_padded(study):
    whole = dataset(study)
    items = np.random.default_rng(0).permutation(len(whole))
    batch = whole.batch(items.tolist())
    plain = [plain_item(study, item) for item in items]
    n_visual, n_audio = (max(len(ids[m]) for *_, ids in plain) for m in (0, 1))
    assert batch.times.shape == (len(items), 12 + n_visual + n_audio, 2)
    for i, (features, times, labels, sounds, (visual_ids, audio_ids)) in enumerate(plain):
        np.testing.assert_array_equal(batch.visual[i], features[0])
        np.testing.assert_array_equal(batch.audio[i], features[1])
        v, a = len(visual_ids), len(audio_ids)
        assert batch.visual_queries[i].tolist() == visual_ids + [-1] * (n_visual - v)
        assert batch.audio_queries[i].tolist() == audio_ids + [-1] * (n_audio - a)
        known = [[-1 if pd.isna(c) else c for c in row] for row in labels]
        assert batch.visual_labels[i].tolist() == known + [[-1] * 3] * (n_visual - v)
        assert batch.audio_labels[i].tolist() == sounds + [-1] * (n_audio - a)
        slots = [*range(12 + v), *range(12 + n_visual, 12 + n_visual + a)]
        np.testing.assert_allclose(batch.times[i][slots], times, atol=1e-6)
        padded = np.delete(batch.times[i].numpy(), slots, axis=0)
        assert not padded.any()


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_an_item_is_the_same_in_every_batch(study, data):
    whole = dataset(study)
    items = data.draw(st.lists(st.integers(0, len(whole) - 1), min_size=1, max_size=9))
    batch = whole.batch(items)
    for i, item in enumerate(items):
        alone = whole.batch([item])
        v, a = alone.visual_queries.shape[1], alone.audio_queries.shape[1]
        assert torch.equal(batch.visual[i], alone.visual[0])
        assert torch.equal(batch.visual_labels[i, :v], alone.visual_labels[0])
        assert torch.equal(batch.audio_queries[i, :a], alone.audio_queries[0])
        assert torch.equal(batch.times[i, : 12 + v], alone.times[0, : 12 + v])


def test_types_are_those_that_the_network_takes(study):
    batch = dataset(study).batch([0, 1])
    assert {x.dtype for x in (batch.visual, batch.audio, batch.times)} == {torch.float32}
    assert {x.dtype for x in batch[3:]} == {torch.int64}


@pytest.mark.parametrize("modality", ["visual", "audio"])
def test_a_modality_that_is_not_used_is_absent(study, modality):
    whole = dataset(study, **{modality: []})
    batch = whole.batch([4])
    assert getattr(batch, modality) is None
    n_queries = batch.visual_queries.shape[1] + batch.audio_queries.shape[1]
    assert batch.times.shape[1] == 6 + n_queries


def test_views_are_drawn_for_each_feature_the_visual_ones_first(study):
    index, _, _, folders = study
    whole, items = dataset(study), [7, 2, 2]
    batch = whole.batch(items, generator(0, "views"))
    rng = generator(0, "views")
    for modality, n_views in (("visual", 3), ("audio", 2)):
        views = rng.integers(0, n_views, (3, 6))
        assert len(np.unique(views)) == n_views
        for i, item in enumerate(items):
            features = np.load(folders[modality][0] / f"{index.video_ids[index.video[item]]}.npy")
            expected = features[index.rows[item], views[i]]
            np.testing.assert_array_equal(getattr(batch, modality)[i], expected)


def test_grids_are_kept(study, tmp_path):
    _, _, intervals, _ = study
    folder = write_features(tmp_path / "grid", intervals, (1, 7, 7, 3))
    batch = dataset(study, visual=[folder]).batch([1, 2], generator(0))
    assert batch.visual.shape == (2, 6, 7, 7, 3)


def test_no_file_stays_mapped_or_open(study):
    maps, open_files = Path("/proc/self/maps"), Path("/proc/self/fd")
    if not maps.exists():
        pytest.skip("needs /proc")
    dataset(study).batch([0, 1, 2])
    *_, folders = study
    for (folder,) in folders.values():
        assert str(folder) not in maps.read_text()
        assert not any(str(folder) in str(link.resolve()) for link in open_files.iterdir())


def test_memory_does_not_grow_with_the_features(tmp_path):
    durations = {f"v{k}": 10.0 for k in range(12)}
    queries = query_table().iloc[:12].copy()
    queries["video_id"], queries["start_s"], queries["stop_s"] = list(durations), 0.0, 5.0
    videos = {"video_id": list(durations), "duration_s": 10.0}
    intervals = interval_table(pd.DataFrame(videos).assign(frames=np.nan, fps=np.nan))
    recipe = TIM_RECIPES["ave"]
    index = build_windows(queries, intervals, durations, recipe)
    folder = write_features(tmp_path / "f", intervals, (4, 1024))  # 0.7 MB a video
    tracemalloc.start()
    whole = WindowDataset(index, queries, intervals, visual=[folder], audio=[], recipe=recipe)
    for item in range(12):
        whole.batch([item], generator(0, item))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    one_window, all_features = 25 * 1024 * 4, 12 * 45 * 4 * 1024 * 4
    assert peak < 10 * one_window < all_features / 8


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((30, 3, 5), r"-b: .*-b\.npy has 30 rows, but the video has 15 feature intervals"),
        ((15, 2, 5), r"-b: .*rows of \(2, 5\), those of the other videos are \(3, 5\)"),
        ((15, 3), r"-b\.npy: an array \(15, 3\) of float32, expected float32 \(rows, views"),
        (None, r"-b: has queries, but no features .*-b\.npy"),
    ],
)
def test_a_file_that_does_not_fit_names_its_video(study, tmp_path, shape, message):
    _, _, intervals, _ = study
    folder = write_features(tmp_path / "f", intervals, (3, 5))
    if shape is None:
        (folder / "-b.npy").unlink()
    else:
        np.save(folder / "-b.npy", np.zeros(shape, np.float32))
    with pytest.raises(DataError, match=message) as error:
        dataset(study, visual=[folder])
    assert "\n" not in str(error.value)


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / "v.npy").write_bytes(b"\x93NUMPY torn")
    with pytest.raises(DataError, match=r"v\.npy: not a readable \.npy file"):
        FeatureFiles([tmp_path], {"v": 3})
    np.save(tmp_path / "v.npy", np.zeros((3, 1, 4)))
    with pytest.raises(DataError, match="of float64, expected float32"):
        FeatureFiles([tmp_path], {"v": 3})


def test_a_file_that_becomes_shorter_is_named(tmp_path):
    path, rows = tmp_path / "v.npy", np.array([2])
    np.save(path, np.ones((3, 1, 4), np.float32))
    files = FeatureFiles([tmp_path], {"v": 3})
    assert files.read("v", rows, np.zeros(1, int)).tolist() == [[1, 1, 1, 1]]
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"v\.npy: not a readable \.npy file .it ends before byte"):
        files.read("v", rows, np.zeros(1, int))


def test_an_array_in_another_order_is_refused(tmp_path):
    np.save(tmp_path / "v.npy", np.asfortranarray(np.zeros((3, 2, 4), np.float32)))
    with pytest.raises(DataError, match=r"v\.npy: an array in Fortran order; save np\.ascontig"):
        FeatureFiles([tmp_path], {"v": 3})


def test_tables_that_the_windows_were_not_made_from_are_refused(study):
    index, queries, intervals, folders = study
    with pytest.raises(ValueError, match="queries that the table of queries lacks"):
        WindowDataset(index, queries.iloc[1:], intervals, recipe=RECIPE, **folders)
    with pytest.raises(ValueError, match="-b: its windows were made from other feature intervals"):
        fewer = intervals[(intervals["video_id"] != "-b") | (intervals["start_s"] < 1)]
        WindowDataset(index, queries, fewer, recipe=RECIPE, **folders)
    with pytest.raises(ValueError, match="windows of 6 features, expected 7"):
        recipe = replace(RECIPE, num_feats=7)
        WindowDataset(index, queries, intervals, recipe=recipe, **folders)
    with pytest.raises(ValueError, match="need visual features, audio features or both"):
        dataset(study, visual=[], audio=[])


def write_parts(folder, intervals, **shapes):
    """Folders of features of two networks, as those of Omnivore and VideoMAE are."""
    return [
        write_features(folder / name, intervals, shape, seed=seed)
        for seed, (name, shape) in enumerate(shapes.items())
    ]


def test_channels_of_several_folders_follow_each_other_in_their_order(study, tmp_path):
    index, _, intervals, _ = study
    folders = write_parts(tmp_path, intervals, omnivore=(3, 5), videomae=(3, 4))
    whole = dataset(study, visual=folders)
    assert whole.visual.shape == (3, 9)
    items = list(range(len(whole)))
    batch = whole.batch(items, generator(0))
    views = generator(0).integers(0, 3, batch.visual.shape[:2])
    for i in items:
        name = f"{index.video_ids[index.video[i]]}.npy"
        arrays = [np.load(folder / name)[index.rows[i], views[i]] for folder in folders]
        np.testing.assert_array_equal(batch.visual[i], np.concatenate(arrays, axis=-1))


def test_folders_with_other_numbers_of_views_are_refused_or_have_the_first_ones(study, tmp_path):
    _, _, intervals, _ = study
    folders = write_parts(tmp_path, intervals, omnivore=(4, 3), videomae=(1, 5))
    with pytest.raises(DataError, match=r"^\S+: .*\(4, 3\) and \(1, 5\).*allow_fewer_views"):
        dataset(study, visual=folders)
    whole = dataset(study, visual=folders, allow_fewer_views=True)
    assert whole.visual.shape == (1, 8)
    fewer = whole.batch([0], generator(0)).visual
    assert torch.equal(fewer, whole.batch([0]).visual)
