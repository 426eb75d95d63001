"""The miniatures of EPIC-KITCHENS and Perception Test."""

from collections import defaultdict
from importlib import import_module
from itertools import pairwise

import av
import pandas as pd
import pytest

from avlib.datasets.events import read_events
from avlib.datasets.miniature import epic, perception
from avlib.datasets.miniature.performances import FPS, KINDS, plan_performances
from avlib.errors import ConfigError

SIZES = {
    "epic": {"train_videos": 1, "val_videos": 2, "test_videos": 1},
    "perception": {"train_videos": 1, "val_videos": 1},
}
# What is seen and what is heard of an action.
SEEN, HEARD = ("tool", "thing"), ("rhythm", "pitch")


@pytest.fixture(scope="module", params=["epic", "perception"])
def rendered(request, tmp_path_factory):
    """A miniature: its module, its folder, its plan and its events as the reader returns them."""
    module = import_module(f"avlib.datasets.miniature.{request.param}")
    folder = tmp_path_factory.mktemp(request.param)
    plan = module.render_miniature(folder, **SIZES[request.param], seed=0, workers=2)
    files = {key: folder / name for key, name in module.ANNOTATION_FILES.items()}
    return module, folder, plan, read_events(request.param, files)


def performances(count=4000):
    return plan_performances("test", "long", 30 * count, seed=1)


def test_neither_what_is_seen_nor_what_is_heard_tells_an_action():
    classes = defaultdict(set)
    for p in performances():
        seen, heard = (tuple(getattr(p, name) for name in names) for names in (SEEN, HEARD))
        classes[seen].add(heard)
        classes[heard].add(seen)
    assert {len(others) for seen, others in classes.items()} == {4, 9}


def test_actions_overlap_at_most_two_at_once_and_sound_in_other_intervals():
    found = performances()
    overlaps = [a.seen[1] > b.seen[0] for a, b in pairwise(found)]
    assert 0.2 < sum(overlaps) / len(overlaps) < 0.6
    assert all(a.seen[1] <= c.seen[0] for a, c in zip(found, found[2:], strict=False))
    assert sum(p.seen != p.heard for p in found) > 0.9 * len(found)
    assert all(min(p.seen[1], p.heard[1]) > max(p.seen[0], p.heard[0]) for p in found)


def test_every_action_occurs_equally_often():
    found = pd.Series([(p.tool, p.thing, p.rhythm, p.pitch) for p in performances()])
    assert set(found) == set(KINDS)
    assert found.value_counts().max() - found.value_counts().min() <= 1


def test_larger_miniatures_hold_the_smaller():
    sizes = {"train_videos": 2, "val_videos": 1, "test_videos": 1}
    small = epic.miniature_plan(**sizes, seed=0)
    large = epic.miniature_plan(**sizes | {"train_videos": 5, "test_videos": 3}, seed=0)
    assert all(video in large for video in small)
    assert epic.miniature_plan(**sizes, seed=1) != small


def test_validation_has_a_participant_that_training_lacks():
    people = defaultdict(set)
    for video_id, split in epic.miniature_splits(train_videos=3, val_videos=2, test_videos=1):
        people[split].add(video_id.partition("_")[0])
    assert people["train"] == {"P01"}
    assert people["val"] == {"P01", "P02"}


def test_the_layout_is_read_as_the_real_data_set(rendered):
    module, _, plan, events = rendered
    table = events.table
    for modality in ("visual", "audio"):
        rows = table[table["modality"] == modality]
        spans = [
            (f"{video.video_id}_{i}", video.split, [frame / FPS for frame in span])
            for video in plan
            for i, p in enumerate(video.performances)
            for span in [p.seen if modality == "visual" else p.heard]
        ]
        assert sorted(rows["event_id"]) == sorted(event_id for event_id, _, _ in spans)
        indexed = rows.set_index("event_id")
        for event_id, split, times in spans:
            row = indexed.loc[event_id]
            assert row["split"] == split
            assert [row["start_s"], row["stop_s"]] == pytest.approx(times)
    assert {events.durations[video.video_id] for video in plan} == {module.SECONDS}


def test_labels_are_those_of_what_is_seen_and_heard(rendered):
    module, _, plan, events = rendered
    train = next(video for video in plan if video.split == "train")
    rows = events.table[events.table["video_id"] == train.video_id].set_index("modality")
    if module is epic:
        verbs = [epic.VERBS[p.tool][p.rhythm][0] for p in train.performances]
        nouns = [epic.NOUNS[p.thing][p.pitch][0] for p in train.performances]
        assert rows.loc["visual", "verb_class"].tolist() == verbs
        assert rows.loc["visual", "noun_class"].tolist() == nouns
        names = [epic.SOUNDS[p.rhythm][p.pitch][p.thing][1] for p in train.performances]
        assert rows.loc["audio", "label"].tolist() == names
        unlabelled = events.table[events.table["split"] == "test"]
        assert unlabelled[["verb_class", "noun_class", "class_id"]].isna().all(axis=None)
    else:
        kinds = list(perception.ACTIONS.values())
        actions = [kinds[int(k)] for k in rows.loc["visual", "action_class"]]
        assert actions == [(p.tool, p.thing, p.rhythm) for p in train.performances]
        kinds = list(perception.SOUNDS.values())
        sounds = [kinds[int(k)] for k in rows.loc["audio", "class_id"]]
        assert sounds == [(p.rhythm, p.pitch, p.thing) for p in train.performances]


def test_videos_have_their_length_and_sound(rendered):
    module, folder, plan, _ = rendered
    with av.open(str(folder / "videos" / f"{plan[0].video_id}.mp4")) as container:
        assert container.streams.video[0].frames == module.SECONDS * FPS
        seconds = sum(frame.samples for frame in container.decode(audio=0)) / 22_050
        assert seconds == pytest.approx(module.SECONDS, abs=0.1)


def test_a_miniature_is_the_same_for_any_number_of_workers(rendered, tmp_path):
    module, folder, _, _ = rendered
    name = module.__name__.rpartition(".")[2]
    module.render_miniature(tmp_path, **SIZES[name], seed=0)
    for path in (p for p in folder.rglob("*") if p.is_file()):
        assert path.read_bytes() == (tmp_path / path.relative_to(folder)).read_bytes()


@pytest.mark.parametrize("module", [epic, perception])
def test_a_split_without_videos_is_refused(module):
    sizes = SIZES[module.__name__.rpartition(".")[2]] | {"val_videos": 0}
    with pytest.raises(ConfigError, match="at least one video of each split"):
        module.miniature_plan(**sizes, seed=0)
