import av
import numpy as np
import pytest

from avlib.datasets import ave
from avlib.datasets.miniature.ave import LIST_FILES, miniature_plan, render_miniature
from avlib.datasets.miniature.video import FPS, SAMPLE_RATE, SIZE
from avlib.errors import ConfigError

ONE_EACH = {"train": 1, "val": 1, "test": 1}


def contents(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    """A miniature of two classes; its folder and its plan."""
    folder = tmp_path_factory.mktemp("miniature")
    plan = render_miniature(folder, classes=2, videos_per_class=ONE_EACH, seed=0, workers=2)
    return folder, plan


@pytest.fixture(scope="module")
def many():
    """Plans of 2400 videos."""
    return miniature_plan(classes=12, videos_per_class={"train": 200, "val": 1, "test": 1}, seed=3)


def test_the_plan_has_the_asked_videos_of_each_class_and_split():
    sizes = {"train": 3, "val": 2, "test": 1}
    plan = miniature_plan(classes=8, videos_per_class=sizes, seed=0)
    assert len({video.video_id for video in plan}) == len(plan) == 8 * 6
    for split, size in sizes.items():
        members = [video.label for video in plan if video.split == split]
        assert all(members.count(label) == size for label in members)
    assert any(video.video_id.startswith("-") for video in plan)
    assert all(len(video.video_id) == 11 for video in plan)


def test_a_larger_miniature_contains_the_smaller():
    small = miniature_plan(classes=3, videos_per_class=ONE_EACH, seed=0)
    large = miniature_plan(classes=5, videos_per_class={"train": 4, "val": 2, "test": 3}, seed=0)
    assert set(small) < set(large)


def test_the_event_is_where_the_thing_is_heard_and_seen(many):
    for video in many:
        both = np.array(video.is_heard) & np.array(video.is_seen)
        assert np.flatnonzero(both).tolist() == list(range(video.start_s, video.stop_s))
        assert 2 <= both.sum() <= 4
        assert sum(video.is_heard) >= both.sum() + 2
        assert sum(video.is_seen) >= both.sum() + 2


@pytest.mark.parametrize("sense", ["is_heard", "is_seen"])
def test_one_sense_alone_cannot_tell_the_event(many, sense):
    # Where it is on twice, the event is as often the first as the second, and as often the longer.
    first, longer, pairs, unequal = 0, 0, 0, 0
    for video in many:
        runs = np.flatnonzero(np.diff([False, *getattr(video, sense), False])).reshape(-1, 2)
        if len(runs) == 2:
            pairs += 1
            is_first = bool(runs[0, 0] == video.start_s)
            first += is_first
            lengths = runs[:, 1] - runs[:, 0]
            if lengths[0] != lengths[1]:
                unequal += 1
                longer += bool(lengths[0] > lengths[1]) == is_first
    assert first / pairs == pytest.approx(0.5, abs=0.06)
    assert longer / unequal == pytest.approx(0.5, abs=0.07)


def test_the_layout_is_read_as_the_real_data_set(rendered):
    folder, plan = rendered
    annotations = ave.read_annotations(folder / "Annotations.txt")
    lists = {split: folder / name for split, name in LIST_FILES.items()}
    splits = ave.read_splits(lists, annotations)
    assert [a.video_id for a in annotations] == [video.video_id for video in plan]
    assert set(ave.video_splits(splits)) == {(v.video_id, v.split) for v in plan}
    assert ave.class_names(annotations) == ["Church bell", "Bark", "background"]
    assert {p.stem for p in (folder / "AVE").iterdir()} == {v.video_id for v in plan}
    assert {p.suffix for p in (folder / "AVE").iterdir()} == {".mp4"}


def test_files_are_ten_seconds_of_h264_and_aac(rendered):
    folder, plan = rendered
    for video in plan:
        with av.open(str(folder / "AVE" / f"{video.video_id}.mp4")) as container:
            picture, sound = container.streams.video[0], container.streams.audio[0]
            assert (picture.codec_context.name, sound.codec_context.name) == ("h264", "aac")
            assert (picture.width, picture.height) == SIZE
            assert (picture.average_rate, picture.frames) == (FPS, 80)
            assert (sound.codec_context.sample_rate, sound.codec_context.channels) == (22050, 2)
            assert float(picture.duration * picture.time_base) == 10.0
            assert float(sound.duration * sound.time_base) == pytest.approx(10.0, abs=0.05)
            assert "creation_time" not in container.metadata


def test_what_is_planned_is_heard_and_seen(rendered):
    folder, plan = rendered
    for video in plan:
        path = str(folder / "AVE" / f"{video.video_id}.mp4")
        with av.open(path) as container:
            frames = [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]
        with av.open(path) as container:
            sound = np.concatenate([f.to_ndarray() for f in container.decode(audio=0)], axis=1)
        colour = np.ptp(np.array(frames, dtype=float), axis=-1)  # strongest minus weakest of RGB
        vivid = np.quantile(colour.reshape(10, -1), 0.95, axis=1)
        level = sound.mean(axis=0)[: 10 * SAMPLE_RATE].reshape(10, -1).std(axis=1)
        heard, seen = np.array(video.is_heard), np.array(video.is_seen)
        assert level[heard].min() > 2 * level[~heard].max()
        assert vivid[seen].min() > vivid[~seen].max() + 20


def test_the_bytes_depend_on_the_seed_and_not_on_the_workers(rendered, tmp_path):
    folder, _ = rendered
    render_miniature(tmp_path / "one", classes=2, videos_per_class=ONE_EACH, seed=0, workers=1)
    assert contents(tmp_path / "one") == contents(folder)
    other = miniature_plan(classes=2, videos_per_class=ONE_EACH, seed=1)
    assert not {v.video_id for v in other} & {p.stem for p in (folder / "AVE").iterdir()}


def test_a_video_names_no_writer(rendered):
    content = b"".join(contents(rendered[0]).values())
    assert b"Lavf" not in content
    assert b"Lavc" not in content


def test_lists_are_written_only_when_all_videos_are_there(tmp_path):
    (tmp_path / "AVE").write_text("in the way")
    with pytest.raises(OSError, match="AVE"):
        render_miniature(tmp_path, classes=2, videos_per_class=ONE_EACH, seed=0)
    assert [p.name for p in tmp_path.iterdir()] == ["AVE"]


@pytest.mark.parametrize(
    ("classes", "sizes"),
    [(1, ONE_EACH), (13, ONE_EACH), (8, {"train": 1}), (8, {"train": 1, "val": 0, "test": 1})],
)
def test_impossible_sizes_are_refused(classes, sizes):
    with pytest.raises(ConfigError, match="the miniature"):
        miniature_plan(classes=classes, videos_per_class=sizes, seed=0)
