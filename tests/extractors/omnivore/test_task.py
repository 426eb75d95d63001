import numpy as np
import pandas as pd
import pytest
import torch
from tiny_visual_training import FPS, TINY, write_frames

from avlib.extractors.frames import normalise
from avlib.extractors.omnivore.clips import omnivore_image
from avlib.extractors.omnivore.task import VisualEvents
from avlib.io.packs import FrameStore


class RecordingStore(FrameStore):
    """Remembers which frames were read."""

    def read(self, video_id, numbers):
        self.numbers = list(numbers)
        return super().read(video_id, numbers)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    pack = write_frames(tmp_path_factory.mktemp("frames") / "pack.h5", n_videos=2, n_frames=24)
    with RecordingStore([pack], rate_fps=FPS) as store:
        yield store


def visual_events(store, *spans, video_id="video0", num_frames=4):
    """Events of one video; their class numbers are 0, 1, ..."""
    events = pd.DataFrame(
        {
            "event_id": [f"event{i}" for i in range(len(spans))],
            "video_id": video_id,
            "start_s": [start for start, _ in spans],
            "stop_s": [stop for _, stop in spans],
            "class_id": range(len(spans)),
        }
    )
    return VisualEvents(
        events,
        store,
        heads=["class_id"],
        clip_s=1.1,
        num_frames=num_frames,
        crop=16,
        augmentation=TINY.augmentation,
    )


def test_a_clip_takes_the_middles_of_equal_parts(store):
    """Eight frames apart, four parts of 2: the frames 1, 3, 5 and 7 of nine."""
    events = visual_events(store, (0.0, 3.0))
    events.clip(0, 8)
    assert store.numbers == [9, 11, 13, 15]


def test_a_clip_for_evaluation_is_the_normalised_middle(store):
    events = visual_events(store, (0.0, 3.0))
    clip = events.clip(0, 0)
    pictures = np.stack([omnivore_image(p, 16) for p in store.read("video0", [1, 3, 5, 7])])
    torch.testing.assert_close(clip, normalise(torch.from_numpy(pictures)[None])[0])


def test_the_frames_of_a_clip_lie_inside_its_event(store):
    events = visual_events(store, (0.5, 2.5), (1.0, 1.3))
    for seed in range(30):
        for index, last in ((0, 20), (1, 10)):
            clip = events.crop(index, np.random.default_rng(seed))
            assert clip.shape == (3, 4, 16, 16)
            assert events.starts[index] <= min(store.numbers)
            assert max(store.numbers) < last


def test_views_are_spread_over_the_event(store):
    events = visual_events(store, (0.0, 3.0))
    assert events.view_offsets(0, 3) == [0, 7.5, 15]
    short = visual_events(store, (0.0, 1.0))
    assert short.view_offsets(0, 3) == [0]


def test_events_beyond_the_end_are_left_out_and_others_end_with_the_video(store):
    events = visual_events(store, (1.0, 9.0), (4.0, 5.0))
    assert (len(events), events.n_left_out) == (1, 1)
    assert events.stops == [24]
