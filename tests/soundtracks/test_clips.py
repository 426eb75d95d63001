"""The clips of soundtracks as items: which, in what order, shifted and masked how."""

import h5py
import numpy as np
import pandas as pd
import torch
from tiny_soundtrack_training import TINY, Images, draw_images, events_of, numbered

from avlib.io.packs import ImageStore
from avlib.soundtracks.clips import SoundtrackEvents, audible_clips
from avlib.soundtracks.recipes import ImageAugmentation


def test_an_epoch_has_every_clip_once_and_keeps_the_last_batch():
    events = events_of(numbered(3, 1, 5, 2))
    batches = list(events.clip_batches(0, 0, batch_size=4, steps=range(3)))
    assert [len(images) for images, _ in batches] == [4, 4, 3]
    seen = torch.cat([images[:, 0, 0] for images, _ in batches])
    labels = torch.cat([labels for _, labels in batches])
    assert sorted(seen.int().tolist()) == list(range(11))
    owner = torch.tensor([0] * 3 + [1] + [2] * 5 + [3] * 2)
    assert torch.equal(labels, owner[seen.long()])
    other = torch.cat(
        [x[:, 0, 0] for x, _ in events.clip_batches(0, 1, batch_size=4, steps=range(3))]
    )
    assert not torch.equal(seen, other)


def test_clips_of_a_soundtrack_stand_side_by_side_in_groups():
    """Each soundtrack about as often as any other, each of its clips about as often."""
    events = events_of(numbered(3, 1, 5, 2))
    assert [events.n_items(together) for together in (1, 2, 4)] == [11, 12, 12]
    for epoch in range(5):
        pairs = list(events.clip_batches(0, epoch, batch_size=8, steps=range(2), together=4))
        assert [len(images) for images, _ in pairs] == [8, 4]
        groups = torch.cat([images[:, 0, 0] for images, _ in pairs]).int().reshape(3, 4).tolist()
        owners = torch.cat([labels for _, labels in pairs]).reshape(3, 4)
        assert len(set(owners[:, 0].tolist())) == 3
        for group, (owner, *others) in zip(groups, owners.tolist(), strict=True):
            assert others == [owner] * 3
            first, stop = [(0, 3), (3, 4), (4, 9), (9, 11)][owner]
            assert set(group) <= set(range(first, stop))
            assert len(set(group)) == min(stop - first, 4)
    first, second = (
        list(events.clip_batches(0, epoch, batch_size=8, steps=range(2), together=4))
        for epoch in (0, 1)
    )
    assert not torch.equal(first[0][0], second[0][0])
    (rest,) = events.clip_batches(0, 0, batch_size=8, steps=range(1, 2), together=4)
    assert torch.equal(rest[0], first[1][0])


def test_images_in_packs_are_read_as_they_are(tmp_path):
    images = draw_images(3)
    with h5py.File(tmp_path / "pack.h5", "w") as pack:
        for video_id, values in images.items():
            pack[video_id] = values.astype(np.float16)
            pack[video_id].attrs["key"] = "made from this"
    with ImageStore([tmp_path / "pack.h5"], sample_rate=44_100) as store:
        table = pd.DataFrame({"video_id": [*images, "absent"], "class_id": range(4)})
        stored = SoundtrackEvents(table, store, heads=["class_id"], augmentation=None)
        assert (len(stored), stored.n_clips, stored.n_left_out) == (3, 9, 1)
        assert stored.clip(1, 2).dtype == torch.float32
        rounded = images["video1"][2].astype(np.float16).astype(np.float32)
        np.testing.assert_array_equal(stored.clip(1, 2).numpy(), rounded)
        assert stored.video_fingerprint("video1") == b"(3, 'made from this')"


def test_a_step_is_the_same_whichever_steps_are_asked_for():
    augmentation = TINY.augmentation
    events = events_of(draw_images(3), augmentation)
    whole = list(events.clip_batches(0, 0, batch_size=2, steps=range(5)))
    rest = list(events.clip_batches(0, 0, batch_size=2, steps=range(3, 5)))
    for (images, labels), (same_images, same_labels) in zip(whole[3:], rest, strict=True):
        assert torch.equal(images, same_images)
        assert torch.equal(labels, same_labels)


def test_an_augmented_image_is_shifted_and_masked():
    image = np.arange(64 * 96, dtype=np.float32).reshape(1, 64, 96)
    events = events_of(Images(v0=image))
    shifts = set()
    for seed in range(40):
        events.augmentation = ImageAugmentation(3, masks=0, mask_bands=1, mask_frames=1)
        moved = events.augmented_clip(0, 0, np.random.default_rng(seed)).numpy()
        shifts.add(int(moved[0, 0] + 48) % 96 - 48)
        np.testing.assert_array_equal(np.sort(moved, axis=1), image[0])
        events.augmentation = ImageAugmentation(0, masks=1, mask_bands=9, mask_frames=5)
        masked = events.augmented_clip(0, 0, np.random.default_rng(seed)).numpy() != image[0]
        assert masked.all(axis=1).sum() < 9
        assert masked.all(axis=0).sum() < 5
    assert shifts == set(range(-3, 4))
    events.augmentation = None
    plain = events.augmented_clip(0, 0, np.random.default_rng(0))
    np.testing.assert_array_equal(plain.numpy(), image[0])


def test_a_shifted_image_is_cut_out_of_its_soundtrack():
    """Frames are numbered through the three clips; the first follows the last."""
    frames = np.arange(3 * 96, dtype=np.float16).reshape(3, 1, 96)
    images = Images(v0=np.broadcast_to(frames, (3, 64, 96)))
    events = events_of(images, ImageAugmentation(120, masks=0, mask_bands=1, mask_frames=1))
    firsts = set()
    for seed in range(60):
        image = events.augmented_clip(0, 1, np.random.default_rng(seed)).numpy()
        firsts.add(int(image[0, 0]))
        expected = (image[0, 0] + np.arange(96)) % (3 * 96)
        np.testing.assert_array_equal(image, np.broadcast_to(expected, (64, 96)))
    assert min(firsts) < 96 < 200 < max(firsts)


def changes(values, **augmentation):
    """Yield the middle one of three images of these values, augmented in one way after another."""
    images = np.broadcast_to(values, (64, 3 * 96)).reshape(64, 3, 96).transpose(1, 0, 2)
    how = ImageAugmentation(0, masks=0, mask_bands=1, mask_frames=1, **augmentation)
    events = events_of(Images(v0=images.astype(np.float32)), how)
    for seed in range(40):
        yield events.augmented_clip(0, 1, np.random.default_rng(seed)).numpy()


def test_a_stretched_image_has_more_or_less_of_its_soundtrack_about_the_same_middle():
    tempos = []
    for image in changes(np.arange(3 * 96), stretch=0.2):
        np.testing.assert_allclose(image, np.broadcast_to(image[0], (64, 96)))
        np.testing.assert_allclose(np.diff(image[0, 2:-2]), image[0, 48] - image[0, 47], atol=1e-4)
        tempos.append(image[0, 48] - image[0, 47])
        assert abs(image[0].mean() - (96 + 47.5)) <= 0.5
    assert 0.8 < min(tempos) < 0.9 < 1.1 < max(tempos) < 1.25


def test_the_bands_of_an_image_are_shifted_and_the_one_at_the_edge_repeats():
    shifts = set()
    for image in changes(np.arange(64)[:, None], shift_bands=3):
        shift = 10 - int(image[10, 0])
        shifts.add(shift)
        expected = np.clip(np.arange(64) - shift, 0, 63)
        np.testing.assert_array_equal(image, np.broadcast_to(expected[:, None], (64, 96)))
    assert shifts == set(range(-3, 4))


def test_an_image_is_not_shifted_off_its_sound():
    """The sound is in the first frames, so that nearly all later starts miss it."""
    images = np.full((2, 64, 96), -80, dtype=np.float32)
    images[0, 5, :3] = -10
    events = events_of(
        Images(v0=images), ImageAugmentation(48, masks=0, mask_bands=1, mask_frames=1)
    )
    moved = [events.augmented_clip(0, 0, np.random.default_rng(seed)) for seed in range(60)]
    assert all(image.max() == -10 for image in moved)
    assert sum(torch.equal(image, torch.from_numpy(images[0])) for image in moved) > 15
    assert sum(not torch.equal(image, torch.from_numpy(images[0])) for image in moved) > 15


def test_silent_clips_are_no_items_unless_there_is_no_other():
    images = numbered(4, 2, 0)
    values = {name: np.array(x) for name, x in images.items()}
    values["v0"][[1, 3], 5, 7] = -80  # the other two clips, and all of v1, have one value
    table = pd.DataFrame({"video_id": list(values), "class_id": range(3)})
    events = SoundtrackEvents(
        table, Images(values), heads=["class_id"], augmentation=None, drops_silence=True
    )
    assert [audible_clips(x).tolist() for x in values.values()] == [[1, 3], [0], []]
    assert (events.n_clips, events.n_left_out) == (3, 1)
    assert [events.view_offsets(i, 1) for i in range(2)] == [[1, 3], [0]]
    ((learned, labels),) = events.clip_batches(0, 0, batch_size=8, steps=range(1))
    ((asked, shown),) = events.view_batches(1, 8)
    assert sorted(zip(learned[:, 0, 0].tolist(), labels.tolist(), strict=True)) == [
        (1, 0),
        (3, 0),
        (4, 1),
    ]
    assert (asked, shown[:, 0, 0].tolist()) == ([0, 0, 1], [1, 3, 4])
