from collections import Counter

import av
import numpy as np
import pytest

from avlib.datasets.llp import (
    CLASSES,
    FILENAME,
    LABEL_FILES,
    SECONDS,
    dense_labels,
    read_dense,
    read_splits,
    read_videos,
)
from avlib.datasets.miniature.llp import VIDEO_FOLDER, miniature_plan, render_miniature
from avlib.datasets.miniature.video import FPS, SAMPLE_RATE, SIZE
from avlib.datasets.splits import SPLITS
from avlib.errors import ConfigError
from avlib.valor.check import check_labels

ONE_EACH = {"train": 1, "val": 1, "test": 1}
STANDARD = {"train": 96, "val": 24, "test": 48}


def contents(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def members(plan, split):
    return [video for video in plan if video.split == split]


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    """A miniature of three classes; its folder and its plan."""
    folder = tmp_path_factory.mktemp("miniature")
    sizes = {"train": 2, "val": 1, "test": 2}
    return folder, render_miniature(folder, classes=3, videos=sizes, seed=0, workers=2)


@pytest.fixture(scope="module")
def standard():
    """The plan of a miniature of the usual size."""
    return miniature_plan(classes=8, videos=STANDARD, seed=0)


def test_the_plan_has_the_asked_videos_with_names_of_all_kinds(standard):
    assert len({video.video_id for video in standard}) == len(standard) == 168
    for split, size in STANDARD.items():
        videos = members(standard, split)
        assert len(videos) == size
        assert {video.video_id[0] for video in videos} > {"-", "_"}
        for video in videos:
            name = FILENAME.fullmatch(video.filename)
            assert name[1] == video.video_id
            assert int(name[3]) - int(name[2]) == SECONDS


@pytest.mark.parametrize("classes", [2, 3, 8, 12])
def test_videos_have_one_to_three_classes_and_no_class_is_rare(classes):
    plan = miniature_plan(classes=classes, videos=STANDARD, seed=1)
    for split in SPLITS:
        labels = [[event.label for event in video.events] for video in members(plan, split)]
        assert {len(names) for names in labels} == set(range(1, min(3, classes) + 1))
        assert all(len(set(names)) == len(names) for names in labels)
        count = Counter(name for names in labels for name in names)
        assert len(count) == classes
        assert min(count.values()) >= 0.5 * count.total() / classes
        alone = {names[0] for names in labels if len(names) == 1}
        assert len(alone) >= 0.6 * classes


def test_sound_and_picture_of_an_event_overlap_but_differ(standard):
    events = [event for video in standard for event in video.events]
    heard = np.array([event.is_heard for event in events])
    seen = np.array([event.is_seen for event in events])
    both = heard.any(axis=1) & seen.any(axis=1)
    assert (heard | seen).any(axis=1).all()
    assert (heard & seen)[both].any(axis=1).all()
    assert (heard != seen)[both].any(axis=1).all()
    assert 0.5 < both.mean() < 0.7
    assert 0.12 < (heard.any(axis=1) & ~both).mean() < 0.28
    for is_on in (heard, seen):
        assert 0.25 < is_on.mean() < 0.45
        rises = (np.diff(is_on.astype(int), prepend=0) == 1).sum(axis=1)
        assert set(rises) == {0, 1, 2}


def test_different_classes_often_overlap_in_time(standard):
    for sense in ("is_heard", "is_seen"):
        at_once = [
            np.sum([getattr(event, sense) for event in video.events], axis=0).max() > 1
            for video in standard
            if len(video.events) > 1
        ]
        assert np.mean(at_once) > 0.3


def test_one_video_has_no_sound_and_shows_its_class(standard):
    (mute,) = [video for video in standard if not video.has_sound]
    assert mute.split == "train"
    (event,) = mute.events
    assert any(event.is_seen)
    assert not any(event.is_heard)


@pytest.mark.parametrize("seed", [0, 1])
def test_a_larger_miniature_of_the_same_classes_contains_the_smaller(seed):
    small = miniature_plan(classes=4, videos={"train": 3, "val": 1, "test": 2}, seed=seed)
    large = miniature_plan(classes=4, videos={"train": 9, "val": 5, "test": 4}, seed=seed)
    assert set(small) < set(large)


def test_the_label_files_are_read_as_the_real_ones_and_fit_the_plan(rendered):
    folder, plan = rendered
    splits = read_splits({split: folder / LABEL_FILES[split] for split in SPLITS})
    assert read_videos(folder / LABEL_FILES["full"]) == [v for s in SPLITS for v in splits[s]]
    for split in SPLITS:
        found = [(v.filename, [CLASSES[c] for c in v.class_ids]) for v in splits[split]]
        assert found == [(v.filename, [e.label for e in v.events]) for v in members(plan, split)]
    annotated = [*members(plan, "val"), *members(plan, "test")]
    for modality, sense in (("audio", "is_heard"), ("visual", "is_seen")):
        rows = read_dense(folder / LABEL_FILES[modality])
        expected = np.zeros((len(annotated), len(CLASSES), SECONDS))
        for number, video in enumerate(annotated):
            for event in video.events:
                expected[number, CLASSES.index(event.label)] = getattr(event, sense)
        found = dense_labels([video.filename for video in annotated], rows)
        np.testing.assert_array_equal(found, expected)
        assert not {row.filename for row in rows} & {v.filename for v in members(plan, "train")}


def test_the_dense_files_have_a_row_without_length_and_one_of_no_video(rendered):
    folder, plan = rendered
    splits = {split: read_videos(folder / LABEL_FILES[split]) for split in ("val", "test")}
    dense = {m: read_dense(folder / LABEL_FILES[m]) for m in ("audio", "visual")}
    found = check_labels(splits, dense)
    (empty,) = found["dense"]["audio"]["empty"]
    assert empty.split()[0] in {video.filename for video in members(plan, "test")}
    assert list(found["dense"]["audio"]["unknown"].values()) == [1]
    assert all(not report["differing"] for report in found["splits"].values())


def test_files_are_h264_and_aac_as_long_as_planned(rendered):
    folder, plan = rendered
    assert {video.has_sound for video in plan} == {True, False}
    for video in plan:
        with av.open(str(folder / video.path)) as container:
            picture = container.streams.video[0]
            assert (picture.width, picture.height) == SIZE
            assert (picture.average_rate, picture.frames) == (FPS, SECONDS * FPS)
            assert len(container.streams.audio) == video.has_sound
            for sound in container.streams.audio:
                assert sound.codec_context.name == "aac"
                assert float(sound.duration * sound.time_base) == pytest.approx(SECONDS, abs=0.05)
    assert {p.name for p in folder.rglob("*") if p.is_file()} == {
        *LABEL_FILES.values(),
        *(f"{video.video_id}.mp4" for video in plan),
    }


def test_what_is_planned_is_heard_and_seen(rendered):
    folder, plan = rendered
    levels, vividness = {True: [], False: []}, {True: [], False: []}
    for video in plan:
        with av.open(str(folder / video.path)) as container:
            frames = [f.to_ndarray(format="rgb24").astype(float) for f in container.decode(video=0)]
        colour = np.ptp(frames, axis=-1).reshape(SECONDS, -1)  # strongest minus weakest of RGB
        is_seen = np.any([event.is_seen for event in video.events], axis=0)
        for second, is_on in zip(np.quantile(colour, 0.97, axis=1), is_seen, strict=True):
            vividness[is_on].append(second)
        if video.has_sound:
            with av.open(str(folder / video.path)) as container:
                sound = [f.to_ndarray() for f in container.decode(audio=0)]
            mono = np.concatenate(sound, axis=1).mean(axis=0)[: SECONDS * SAMPLE_RATE]
            is_heard = np.any([event.is_heard for event in video.events], axis=0)
            # Not the first moments, in which what was heard before fades.
            seconds = mono.reshape(SECONDS, -1)[:, SAMPLE_RATE // 10 :].std(axis=1)
            for second, is_on in zip(seconds, is_heard, strict=True):
                levels[is_on].append(second)
    assert min(levels[True]) > 2 * max(levels[False]) > 0
    assert min(vividness[True]) > max(vividness[False]) + 20


def test_the_bytes_depend_on_the_seed_and_not_on_the_workers(rendered, tmp_path):
    folder, plan = rendered
    render_miniature(tmp_path, classes=3, videos=ONE_EACH, seed=0, workers=1)
    whole, part = contents(folder / VIDEO_FOLDER), contents(tmp_path / VIDEO_FOLDER)
    assert part.items() < whole.items()
    for name in LABEL_FILES.values():
        rows = [(f / name).read_text().splitlines() for f in (tmp_path, folder)]
        assert set(rows[0]) <= set(rows[1])
    other = miniature_plan(classes=3, videos=ONE_EACH, seed=1)
    assert not {v.video_id for v in other} & {v.video_id for v in plan}


def test_the_label_files_are_written_only_when_all_videos_are_there(tmp_path):
    (tmp_path / VIDEO_FOLDER).write_text("in the way")
    with pytest.raises(OSError, match=VIDEO_FOLDER):
        render_miniature(tmp_path, classes=2, videos=ONE_EACH, seed=0)
    assert not list(tmp_path.glob("*.csv"))


@pytest.mark.parametrize(
    ("classes", "sizes"),
    [
        (1, ONE_EACH),
        (13, ONE_EACH),
        (8, {"train": 1, "val": 1}),
        (8, {"train": 1, "val": 0, "test": 1}),
    ],
)
def test_impossible_sizes_are_refused(classes, sizes):
    with pytest.raises(ConfigError, match="the miniature"):
        miniature_plan(classes=classes, videos=sizes, seed=0)
