import re

import av
import numpy as np
import pytest

from avlib.datasets.kinetics import match_key, read_class_names, soundtrack_name
from avlib.datasets.miniature.k600 import (
    FOLDERS,
    LABEL_LIST,
    LONG_SECONDS,
    miniature_plan,
    render_miniature,
)
from avlib.datasets.miniature.video import FPS, SAMPLE_RATE, SIZE
from avlib.errors import ConfigError
from avlib.soundtracks.kinetics_files import kinetics_files, kinetics_split

ONE_EACH = {"train": 1, "val": 1}
STANDARD = {"train": 16, "val": 8}
IMAGE_S = 0.96  # of sound in an audio image


def contents(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def decode(path):
    """Return the frames (T, height, width, 3) and the sound (2, n_samples), None without one."""
    with av.open(str(path)) as container:
        frames = [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]
    with av.open(str(path)) as container:
        if not container.streams.audio:
            return np.array(frames), None
        return np.array(frames), np.concatenate(
            [f.to_ndarray() for f in container.decode(audio=0)], axis=1
        )


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    """A miniature of two classes; its folder and its plan."""
    folder = tmp_path_factory.mktemp("miniature")
    sizes = {"train": 4, "val": 1}
    return folder, render_miniature(folder, classes=2, videos_per_class=sizes, seed=0, workers=2)


def test_the_plan_has_the_asked_videos_of_each_class_and_folder():
    plan = miniature_plan(classes=8, videos_per_class=STANDARD, seed=0)
    assert len({match_key(video.video_id) for video in plan}) == len(plan) == 8 * 24
    for folder, size in STANDARD.items():
        members = [video.label for video in plan if video.folder == folder]
        assert all(members.count(label) == size for label in members)
    assert {v.path for v in plan} == {f"{v.folder}/{v.label}/{v.video_id}.mp4" for v in plan}


@pytest.mark.parametrize("sizes", [ONE_EACH, STANDARD])
def test_names_are_those_of_kinetics_in_all_their_kinds(sizes):
    plan = miniature_plan(classes=2, videos_per_class=sizes, seed=0)
    for video in plan:
        name = re.fullmatch(r"v_[A-Za-z0-9_-]{11}_(\d{6})_(\d{6})", video.video_id)
        assert int(name[2]) - int(name[1]) == LONG_SECONDS
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", video.label)
    for folder in FOLDERS:
        members = [video.video_id for video in plan if video.folder == folder]
        assert any(member.startswith("v_-") for member in members)
        assert any(soundtrack_name(member) != f"{member}.wav" for member in members)


@pytest.mark.parametrize(("classes", "seed"), [(3, 0), (5, 1)])
def test_a_larger_miniature_contains_the_smaller(classes, seed):
    small = miniature_plan(classes=2, videos_per_class=ONE_EACH, seed=seed)
    large = miniature_plan(classes=classes, videos_per_class={"train": 6, "val": 3}, seed=seed)
    assert set(small) < set(large)


@pytest.mark.parametrize("sense", ["is_heard", "is_seen"])
@pytest.mark.parametrize("classes", [2, 8, 12])
def test_each_sense_alone_lacks_about_three_videos_of_ten_and_never_the_same(classes, sense):
    plan = miniature_plan(classes=classes, videos_per_class=STANDARD, seed=0)
    assert all(video.is_heard or video.is_seen for video in plan)
    for folder in FOLDERS:
        lacking = [not getattr(video, sense) for video in plan if video.folder == folder]
        assert 0.25 <= np.mean(lacking) <= 0.38
        per_class = np.reshape(lacking, (classes, -1)).mean(axis=1)
        assert 0.12 <= per_class.min() <= per_class.max() <= 0.5


@pytest.mark.parametrize("classes", [2, 8, 12])
@pytest.mark.parametrize("sizes", [ONE_EACH, STANDARD])
def test_a_few_videos_of_each_folder_have_no_sound_or_are_short_and_show_the_thing(classes, sizes):
    plan = miniature_plan(classes=classes, videos_per_class=sizes, seed=0)
    for folder in FOLDERS:
        members = [video for video in plan if video.folder == folder]
        without = [video for video in members if not video.has_sound]
        short = [video for video in members if video.frames < LONG_SECONDS * FPS]
        for few in (without, short):
            assert 1 <= len(few) <= max(1, 0.1 * len(members))
            assert all(video.is_seen for video in few)
        assert not set(without) & set(short)
        assert not any(video.is_heard for video in without)
        assert all(0.5 <= video.frames / FPS <= 0.9 for video in short)


def test_the_layout_is_read_as_the_real_data_set(rendered):
    folder, plan = rendered
    files = kinetics_files(folder, folder / LABEL_LIST, validation_share=0.5)
    names = read_class_names(folder / LABEL_LIST)
    assert names == ["bark", "church_bell"]
    rows = files[["video_id", "split", "path", "class_id"]].itertuples(index=False, name=None)
    assert sorted(rows) == sorted(
        (
            video.video_id,
            kinetics_split(video.folder, video.video_id, 0.5),
            str(folder / video.path),
            names.index(video.label),
        )
        for video in plan
    )
    assert {p.name for p in folder.rglob("*") if p.is_file()} == {
        LABEL_LIST,
        *(f"{video.video_id}.mp4" for video in plan),
    }


def test_files_are_h264_and_aac_as_long_as_planned(rendered):
    folder, plan = rendered
    for video in plan:
        with av.open(str(folder / video.path)) as container:
            picture = container.streams.video[0]
            assert picture.codec_context.name == "h264"
            assert (picture.width, picture.height) == SIZE
            assert (picture.average_rate, picture.frames) == (FPS, video.frames)
            assert len(container.streams.audio) == video.has_sound
            for sound in container.streams.audio:
                seconds = float(sound.duration * sound.time_base)
                assert sound.codec_context.name == "aac"
                assert seconds == pytest.approx(video.frames / FPS, abs=0.05)
                assert (seconds < IMAGE_S) == (video.frames / FPS < IMAGE_S)


def test_what_is_planned_is_heard_and_seen(rendered):
    folder, plan = rendered
    assert {(v.is_heard, v.is_seen) for v in plan} == {(True, True), (True, False), (False, True)}
    levels, vividness = {True: [], False: []}, {True: [], False: []}
    for video in plan:
        frames, sound = decode(folder / video.path)
        colour = np.ptp(frames.astype(float), axis=-1)  # strongest minus weakest of RGB
        vividness[video.is_seen].append(np.quantile(colour.reshape(len(frames), -1), 0.95, axis=1))
        if sound is not None:
            seconds = sound.mean(axis=0)[: len(frames) // FPS * SAMPLE_RATE]
            levels[video.is_heard].extend(seconds.reshape(-1, SAMPLE_RATE).std(axis=1))
    assert min(levels[True]) > 2 * max(levels[False]) > 0
    assert np.concatenate(vividness[True]).min() > np.concatenate(vividness[False]).max() + 20


def test_the_bytes_depend_on_the_seed_and_not_on_the_workers(rendered, tmp_path):
    folder, plan = rendered
    render_miniature(tmp_path, classes=2, videos_per_class=ONE_EACH, seed=0, workers=1)
    whole, part = contents(folder), contents(tmp_path)
    assert part.items() < whole.items()
    other = miniature_plan(classes=2, videos_per_class=ONE_EACH, seed=1)
    assert not {v.video_id for v in other} & {v.video_id for v in plan}


def test_a_video_names_no_writer(rendered):
    content = b"".join(contents(rendered[0]).values())
    assert b"Lavf" not in content
    assert b"Lavc" not in content


def test_the_list_is_written_only_when_all_videos_are_there(tmp_path):
    (tmp_path / "train").write_text("in the way")
    with pytest.raises(OSError, match="train"):
        render_miniature(tmp_path, classes=2, videos_per_class=ONE_EACH, seed=0)
    assert not (tmp_path / LABEL_LIST).exists()


@pytest.mark.parametrize(
    ("classes", "sizes"),
    [
        (1, ONE_EACH),
        (13, ONE_EACH),
        (8, {"train": 1}),
        (8, {"train": 1, "val": 0}),
        (8, {"train": 1, "val": 1, "test": 1}),
    ],
)
def test_impossible_sizes_are_refused(classes, sizes):
    with pytest.raises(ConfigError, match="the miniature"):
        miniature_plan(classes=classes, videos_per_class=sizes, seed=0)
