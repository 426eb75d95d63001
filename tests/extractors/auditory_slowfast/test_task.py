import itertools

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_training import RATE, write_pack

from avlib.extractors.auditory_slowfast.log_mel import log_mel
from avlib.extractors.auditory_slowfast.task import SoundEvents
from avlib.io.packs import WaveformStore

CLIP = round(0.999 * RATE)


class RecordingStore(WaveformStore):
    """Remembers which samples were read."""

    def read(self, video_id, first, last):
        self.ranges = [*getattr(self, "ranges", []), (first, last)]
        return super().read(video_id, first, last)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    pack = write_pack(tmp_path_factory.mktemp("sound") / "pack.h5", n_videos=2, seconds=3.0)
    with RecordingStore([pack], sample_rate=RATE) as store:
        yield store


def sound_events(store, *spans, video_id="video0"):
    table = pd.DataFrame(spans, columns=["start_s", "stop_s"])
    table["event_id"] = [f"event{i}" for i in range(len(spans))]
    table["video_id"] = video_id
    table["class_id"] = range(len(spans))
    return SoundEvents(
        table, store, heads=["class_id"], clip_s=0.999, n_frames=200, specaug="reference"
    )


def last_range(store):
    return store.ranges[-1]


def test_a_view_is_one_sample_shorter_than_the_clip(store):
    events = sound_events(store, (0.5, 2.5))
    list(events.view_batches(3, 8))
    spare = 2 * RATE - CLIP
    firsts = [RATE // 2, RATE // 2 + spare // 2, RATE // 2 + spare]
    assert store.ranges[-3:] == [(first, first + CLIP - 1) for first in firsts]


def test_the_spectrogram_is_that_of_the_slice(store):
    ((indices, clips),) = sound_events(store, (0.5, 2.5)).view_batches(1, 8)
    waveform = torch.from_numpy(store.read("video0", RATE // 2, RATE // 2 + CLIP - 1))
    assert indices == [0]
    assert torch.equal(clips[0, 0], log_mel(waveform, sample_rate=RATE))


def test_a_short_event_is_taken_whole_and_its_last_frame_repeated(store):
    events = sound_events(store, (1.0, 1.5))
    ((indices, clips),) = events.view_batches(5, 8)
    assert indices == [0]  # five equal views are one
    assert last_range(store) == (RATE, RATE + RATE // 2)
    assert (clips[0, 0, 101:] == clips[0, 0, 100]).all()


def test_an_event_beyond_the_end_of_the_sound_is_left_out_and_counted(store):
    events = sound_events(store, (4.0, 5.0))
    assert (len(events), events.n_left_out) == (0, 1)


def test_an_event_ends_with_the_sound(store):
    events = sound_events(store, (2.0, 9.0))
    assert events.stops == [store.n_samples(events.video_ids[0])]


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32), length_s=st.floats(0.01, 2.9))
def test_a_crop_lies_inside_its_event(store, seed, length_s):
    events = sound_events(store, (0.05, 0.05 + length_s))
    assert events.crop(0, np.random.default_rng(seed)).shape == (1, 200, 128)
    first, last = last_range(store)
    assert events.starts[0] <= first
    assert last <= events.stops[0]
    assert last - first == min(CLIP - 1, events.stops[0] - events.starts[0])


def crop_batches(events, steps, epoch=0, purpose="train"):
    return list(events.crop_batches(7, purpose, epoch, batch_size=3, steps=steps))


def test_a_step_is_the_same_whichever_steps_are_asked_for(store):
    events = sound_events(store, *[(0.0, 1.0 + 0.1 * i) for i in range(4)])
    whole, rest = crop_batches(events, range(4)), crop_batches(events, range(2, 4))
    for (crops, labels), (same_crops, same_labels) in zip(whole[2:], rest, strict=True):
        assert torch.equal(crops, same_crops)
        assert torch.equal(labels, same_labels)


def test_every_round_has_each_event_once_in_an_order_of_its_own(store):
    events = sound_events(store, *[(0.0, 1.2)] * 6)
    rounds = [
        torch.cat([labels for _, labels in crop_batches(events, range(4), epoch)])
        .reshape(2, 6)
        .tolist()
        for epoch in range(2)
    ]
    orders = list(itertools.chain(*rounds))
    assert all(sorted(order) == list(range(6)) for order in orders)
    assert len({tuple(order) for order in orders}) == 4


def test_crops_differ_between_rounds_epochs_and_purposes(store):
    events = sound_events(store, *[(0.0, 2.5)] * 3)
    batches = [
        *crop_batches(events, range(2)),
        *crop_batches(events, range(1), epoch=1),
        *crop_batches(events, range(1), purpose="precise"),
    ]
    by_label = [crops[labels[:, 0].argsort()] for crops, labels in batches]
    assert all(not torch.equal(a, b) for a, b in itertools.combinations(by_label, 2))


def test_a_split_without_events_is_empty(store):
    empty = sound_events(store, (0.0, 1.0), video_id="silent film")
    assert len(empty) == 0 and empty.n_left_out == 1
    assert len(sound_events(store)) == 0
