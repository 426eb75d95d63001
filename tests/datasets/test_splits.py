"""Splits of one's own videos, drawn."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from avlib.datasets.splits import LEAST_VAL, stratified_splits

LABELS = st.sets(st.sampled_from("abcde"), min_size=1, max_size=3)


@given(st.lists(LABELS, min_size=1, max_size=30), st.integers(0, 3))
def test_every_video_has_a_split_and_train_and_test_a_video(found, seed):
    labels = {f"video {number}": classes for number, classes in enumerate(found)}
    splits = stratified_splits(labels, seed)
    assert splits.keys() == labels.keys()
    used = Counter(splits.values())
    assert {"train", "test"} - used.keys() == ({"test"} if len(labels) == 1 else set())
    assert used["val"] == 0 or used["val"] >= LEAST_VAL
    assert splits == stratified_splits(dict(reversed(labels.items())), seed)


@given(st.lists(st.sampled_from("abcde"), min_size=3, max_size=160), st.integers(0, 3))
def test_a_class_of_three_videos_is_in_train_and_test_and_one_of_four_in_val_if_there_is_one(
    found, seed
):
    labels = {f"video {number}": [label] for number, label in enumerate(found)}
    splits = stratified_splits(labels, seed)
    for label, count in Counter(found).items():
        present = Counter(splits[video_id] for video_id, own in labels.items() if own == [label])
        assert count < 3 or present.keys() >= {"train", "test"}
        assert count < 4 or "val" in present or "val" not in splits.values()


def test_of_three_videos_of_a_class_two_are_learnt_from_and_of_four_one_is_of_val():
    labels = {f"{label} {number}": [label] for label in "abcdefghij" for number in range(4)}
    labels |= {f"z {number}": ["z"] for number in range(3)}
    splits = stratified_splits(labels, seed=0)
    for label in "abcdefghij":
        drawn = Counter(splits[f"{label} {number}"] for number in range(4))
        assert drawn == {"train": 2, "val": 1, "test": 1}
    assert Counter(splits[f"z {number}"] for number in range(3)) == {"train": 2, "test": 1}
    few = {video_id: found for video_id, found in labels.items() if found != ["j"]}
    assert Counter(stratified_splits(few, seed=0).values()) == {"train": 29, "test": 10}


def test_the_seed_decides_which_videos_go_where():
    labels = {f"video {number}": ["a"] for number in range(80)}
    drawn = [stratified_splits(labels, seed) for seed in (0, 1)]
    assert drawn[0] != drawn[1]
    assert (
        Counter(drawn[0].values())
        == Counter(drawn[1].values())
        == {"train": 56, "val": 12, "test": 12}
    )
