import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from printed_figures import check_print

from avlib.datasets.llp import CLASSES, SECONDS
from avlib.errors import DataError
from avlib.io.arrays import write_arrays
from avlib.report.parsed_events import N_VIDEOS, choose_videos, draw_parsed_events

SPEECH, DOG, FRYING = (CLASSES.index(name) for name in ("Speech", "Dog", "Frying_(food)"))
AUDIO, VISUAL = 0, 1
WRONG = "#d55e00"


def video_id(number):
    return f"video-{number:_>5}"


def write_study(folder, truth, predicted):
    """Write labels and predictions of videos.

    Args:
        truth: (modality, class, first second, second after it) of each video.
        predicted: the same of what is predicted.
    """
    names = [f"{video_id(number)}_30_40" for number in range(len(truth))]
    weak = ["filename\tevent_labels", *(f"{name}\tSpeech" for name in names)]
    (folder / "test.csv").write_text("\n".join(weak), encoding="ascii")
    for modality, file in enumerate(("audio.csv", "visual.csv")):
        rows = ["filename\tonset\toffset\tevent_labels"]
        for name, events in zip(names, truth, strict=True):
            rows += [f"{name}\t{a}\t{b}\t{CLASSES[k]}" for m, k, a, b in events if m == modality]
        (folder / file).write_text("\n".join(rows), encoding="ascii")
    probs = np.full((len(names), SECONDS, 2, len(CLASSES)), 0.1, dtype=np.float32)
    for row, events in zip(probs, predicted, strict=True):
        for modality, class_id, start, stop in events:
            row[start:stop, modality, class_id] = 0.5
    ids = np.array([video_id(number) for number in range(len(names))])
    arrays = {"video_ids": ids, "video_probs": probs.max(axis=(1, 2)), "segment_probs": probs}
    write_arrays(arrays, folder / "predictions.npz")
    return arrays


def drawn(folder, threshold=0.5, name="events.svg"):
    draw_parsed_events(
        predictions=folder / "predictions.npz",
        videos=folder / "test.csv",
        audio=folder / "audio.csv",
        visual=folder / "visual.csv",
        threshold=threshold,
        variant="valor+",
        target=folder / name,
    )
    check_print(folder / name)
    return (folder / name).read_text()


def titles(picture):
    """Video and F of each panel, in their order."""
    found = re.findall(r">(video-\S+)</text>.*?>F (\S+) \(", picture, flags=re.DOTALL)
    return [(name, float(f)) for name, f in found]


def wrong_spans(folder, truth, predicted):
    """How many spans of a video are marked, without those of the legend."""
    write_study(folder, [truth], [predicted])
    marked = drawn(folder).count(WRONG)
    write_study(folder, [truth], [truth])
    return marked - drawn(folder).count(WRONG)


def test_the_same_predictions_give_the_same_picture(tmp_path):
    events = [[(AUDIO, SPEECH, 0, second)] for second in range(1, 9)]
    write_study(tmp_path, events, events[::-1])
    assert drawn(tmp_path, name="a.svg") == drawn(tmp_path, name="b.svg")


def test_f_of_segments_is_that_of_audio_visual_and_both(tmp_path):
    truth = [(AUDIO, SPEECH, 0, 4), (VISUAL, DOG, 0, 10)]
    write_study(tmp_path, [truth], [[(AUDIO, SPEECH, 2, 6)]])
    # Audio: two seconds of four; visual: none; audio-visual: there are none.
    picture = drawn(tmp_path)
    assert titles(picture) == [(video_id(0), 50.0)]
    assert ">F 50.0 (audio 50, visual 0, audio-visual 100)<" in picture
    assert ">valor+: 1 of 1 test videos, from low to high F of segments " in picture
    assert "mean of all 50.0" in picture


def test_classes_that_occur_or_are_predicted_have_a_row_each(tmp_path):
    truth = [(AUDIO, SPEECH, 0, 4), (VISUAL, DOG, 0, 10)]
    predicted = [(AUDIO, SPEECH, 2, 6), (AUDIO, FRYING, 2, 6)]
    write_study(tmp_path, [truth], [predicted])
    rows = re.findall(r">([^<>]*) \((audio|visual)\)<", drawn(tmp_path))
    assert [row for row in rows if row[0] in ("Speech", "Dog", "Frying (food)")] == [
        ("Speech", "audio"),
        ("Frying (food)", "audio"),
        ("Dog", "visual"),
    ]


def test_what_differs_from_the_truth_is_marked(tmp_path):
    truth = [(AUDIO, SPEECH, 2, 6), (VISUAL, DOG, 0, 10)]
    found = (VISUAL, DOG, 0, 10)
    assert wrong_spans(tmp_path, truth, [(AUDIO, SPEECH, 2, 8), found]) == 1
    assert wrong_spans(tmp_path, truth, [(AUDIO, SPEECH, 1, 7), found]) == 2
    assert wrong_spans(tmp_path, truth, [(AUDIO, SPEECH, 2, 5), found]) > 0


def test_seconds_below_the_threshold_are_not_predicted(tmp_path):
    events = [[(AUDIO, SPEECH, 0, 4)]]
    write_study(tmp_path, events, events)
    assert titles(drawn(tmp_path)) == [(video_id(0), 100.0)]
    assert titles(drawn(tmp_path, threshold=0.51)) == [(video_id(0), 66.7)]


def test_videos_are_drawn_from_low_to_high(tmp_path):
    seconds = range(1, 1 + 3 * N_VIDEOS // 2)
    truth = [[(AUDIO, SPEECH, 0, 10), (VISUAL, SPEECH, 0, 10)]] * len(seconds)
    write_study(tmp_path, truth, [[(AUDIO, SPEECH, 0, second)] for second in seconds])
    found = titles(drawn(tmp_path))
    assert len(found) == N_VIDEOS
    assert found == sorted(found, key=lambda title: title[1])


@given(st.lists(st.integers(0, 5), min_size=1, max_size=40), st.randoms())
def test_each_part_of_the_scores_gives_one_video(scores, random):
    ids = [video_id(number) for number in range(len(scores))]
    chosen = choose_videos(ids, scores)
    assert len(set(chosen)) == len(chosen) == min(N_VIDEOS, len(scores))
    ranks = [sorted(zip(scores, ids, strict=True)).index((scores[i], ids[i])) for i in chosen]
    limits = [len(part) for part in np.array_split(scores, len(chosen))]
    for rank, stop, size in zip(ranks, np.cumsum(limits), limits, strict=True):
        assert stop - size <= rank < stop
    order = random.sample(range(len(ids)), len(ids))
    again = choose_videos([ids[i] for i in order], [scores[i] for i in order])
    assert [order[i] for i in again] == chosen


def test_a_video_without_events_says_so(tmp_path):
    write_study(tmp_path, [[]], [[]])
    picture = drawn(tmp_path)
    assert "nothing occurs, nothing is predicted" in picture
    assert titles(picture) == [(video_id(0), 100.0)]


def change(name, value):
    return lambda arrays: arrays | {name: value}


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (change("video_ids", np.array([video_id(7)])), "are not in .*test.csv, video-____7"),
        (change("video_probs", np.zeros((1, 24))), r"expected \(1, 25\)"),
        (change("segment_probs", np.zeros((1, 9, 2, 25))), "expected .*10, 2, 25"),
        (lambda arrays: {name: array[:0] for name, array in arrays.items()}, "holds no videos"),
        (lambda arrays: {"video_ids": arrays["video_ids"]}, "holds no video_probs, segment_probs"),
    ],
)
def test_predictions_that_do_not_fit_are_refused(tmp_path, damage, message):
    arrays = write_study(tmp_path, [[]], [[]])
    write_arrays(damage(arrays), tmp_path / "predictions.npz")
    with pytest.raises(DataError, match=message) as caught:
        drawn(tmp_path)
    assert "\n" not in str(caught.value) and "predictions.npz" in str(caught.value)
    assert not (tmp_path / "events.svg").exists()
