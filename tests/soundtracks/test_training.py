import copy
import json
import math
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from resumed_training import contents, interrupt, scored_by
from safetensors import safe_open
from tiny_soundtrack_training import (
    CHOICE,
    CLASSES,
    TINY,
    Images,
    draw_images,
    events_of,
    numbered,
    run_soundtrack,
    soundtracks_table,
)
from torch import nn

from avlib.errors import ConfigError, DataError
from avlib.evaluation.recognition import recognition_metrics
from avlib.io.checkpoints import load_state_dict
from avlib.soundtracks.network import VGG, ResNet, soundtrack_network
from avlib.soundtracks.recipes import SOUNDTRACK_RECIPES
from avlib.soundtracks.steps import (
    build_optimizer,
    grouped_loss,
    initialise,
    top_k_share,
    train_step,
)
from avlib.soundtracks.task import SoundtrackRecognition, mix
from avlib.training.schedules import Schedule, learning_rate

PUBLISHED = SOUNDTRACK_RECIPES["kinetics600"]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The outputs of one training that nothing interrupted."""
    return run_soundtrack(tmp_path_factory.mktemp("undisturbed"))


def log_entries(outputs):
    return [json.loads(line) for line in outputs["log_path"].read_text().splitlines()]


def test_a_second_training_gives_the_same_bytes(undisturbed, tmp_path):
    assert contents(run_soundtrack(tmp_path)) == contents(undisturbed)
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("reads", [1, 14, 30, 50])
def test_stopped_anywhere_and_resumed_it_ends_in_the_same_bytes(
    undisturbed, tmp_path, monkeypatch, reads
):
    images, before = draw_images(), Images.__getitem__

    def read_and_stop(self, video_id):
        if getattr(self, "reads", 0) == reads + 16:  # lengths and fingerprints come first
            signal.raise_signal(signal.SIGTERM)
        return before(self, video_id)

    with monkeypatch.context() as patch:
        patch.setattr(Images, "__getitem__", read_and_stop)
        with pytest.raises(SystemExit) as exit_:
            run_soundtrack(tmp_path, images=images)
    assert exit_.value.code == 143
    assert not (tmp_path / "model.safetensors").exists()
    assert contents(run_soundtrack(tmp_path)) == contents(undisturbed)


@pytest.mark.slow
def test_after_killed_processes_it_ends_in_the_same_bytes(undisturbed, tmp_path):
    script = Path(__file__).parents[1] / "tiny_soundtrack_training.py"
    for states in (1, 2):
        assert interrupt(script, tmp_path, states, signal.SIGKILL) == -signal.SIGKILL
        assert not (tmp_path / "model.safetensors").exists()
    assert contents(run_soundtrack(tmp_path)) == contents(undisturbed)


@pytest.mark.parametrize("change", ["recipe", "network", "images"])
def test_a_state_of_other_settings_or_images_is_not_resumed(undisturbed, tmp_path, change):
    def stop(probs, labels):
        signal.raise_signal(signal.SIGTERM)
        return recognition_metrics(probs, labels)

    images = draw_images()
    images["video1"] = images["video1"] - 1
    others = {
        "recipe": {"recipe": replace(TINY, mixup=0.5)},
        "network": {"recipe": replace(TINY, choice=replace(CHOICE, pool="full"))},
        "images": {"images": images},
    }
    with scored_by(stop), pytest.raises(SystemExit):
        run_soundtrack(tmp_path, **others[change])
    assert contents(run_soundtrack(tmp_path)) == contents(undisturbed)


def test_two_sounds_are_told_apart(tmp_path):
    images, table = draw_images(16), soundtracks_table(16, n_val=4, n_test=6)
    recipe = replace(TINY, schedule=replace(TINY.schedule, epochs=10), mixup=0.2)
    run_soundtrack(tmp_path, table, images, recipe=recipe)
    metrics = json.loads((tmp_path / "metrics.json").read_text())["metrics"]
    assert metrics["test"]["top1"] == 1.0


def test_every_epoch_has_a_line_with_rates_losses_and_accuracies(undisturbed):
    entries = log_entries(undisturbed)
    assert [entry["epoch"] for entry in entries] == [1, 2, 3]
    for entry in entries:
        assert {"learning_rate", "train_loss", "train_top1", "train_top5"} <= entry.keys()
        assert {"top1", "top5", "clips"} <= entry["val"].keys()
        assert entry["val"]["clips"].keys() == {"loss", "top1", "top5"}
        assert entry["train_top5"] == pytest.approx(1)  # of two classes


def test_the_model_file_says_what_it_is(undisturbed):
    with safe_open(undisturbed["model_path"], "pt") as file:
        metadata = file.metadata()
    assert json.loads(metadata.pop("classes")) == CLASSES
    assert metadata == {
        "network": "resnet18",
        "pool": "first_columns",
        "width": "4",
        "stem_stride": "1",
        "standardises": "False",
        "recipe": "small",
        "drops_silence": "True",
        "half_steps": "True",
    }
    assert "layer1.0.group1.conv1.weight" in load_state_dict(undisturbed["model_path"])


def test_a_recipe_keeps_the_last_epoch_or_the_best(tmp_path):
    """The accuracy falls from epoch to epoch, whatever the network says."""
    best = {}
    for keeps in ("best", "last"):
        scores = iter([0.9, 0.8, 0.7, 0.6, 0.5])

        def falling(probs, labels, scores=scores):
            return recognition_metrics(probs, labels) | {"top1": next(scores)}

        with scored_by(falling):
            run_soundtrack(tmp_path / keeps, recipe=replace(TINY, keeps=keeps))
        best[keeps] = json.loads((tmp_path / keeps / "metrics.json").read_text())["best_epoch"]
    assert best == {"best": 1, "last": 3}
    assert PUBLISHED.keeps == "last"


@pytest.mark.parametrize("keeps", ["best", "last"])
def test_training_soundtracks_are_scored_once_where_they_choose_nothing(tmp_path, keeps):
    table = soundtracks_table(6, n_val=0, n_test=2)
    outputs = run_soundtrack(tmp_path, table, recipe=replace(TINY, keeps=keeps))
    asked = ["val" in entry for entry in log_entries(outputs)]
    assert asked == ([True] * 3 if keeps == "best" else [False, False, True])
    found = json.loads(outputs["metrics_path"].read_text())
    assert set(found["metrics"]) == {"train", "test"}


def test_the_workflow_reads_the_recipes_without_torch():
    code = "import sys, avlib.soundtracks.recipes; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_soundtracks_without_a_clip_are_left_out_and_counted(tmp_path):
    images = draw_images()
    images["video0"] = images["video0"][:0]
    del images["video7"]
    run_soundtrack(tmp_path, images=images)
    counts = json.loads((tmp_path / "metrics.json").read_text())["counts"]
    assert counts["events"] == {"train": 3, "val": 2, "test": 1}
    assert counts["events_left_out"] == {"train": 1, "val": 0, "test": 1}


def test_bad_tables_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"split train has any clip of sound \(4 are without\)"):
        run_soundtrack(tmp_path, soundtracks_table().assign(video_id=list("abcdefgh")))
    with pytest.raises(DataError, match="video0: listed twice"):
        run_soundtrack(tmp_path, soundtracks_table().assign(video_id="video0"))
    with pytest.raises(DataError, match="video3: class_id is 2, expected 0 to 1"):
        run_soundtrack(tmp_path, soundtracks_table().replace({"class_id": {1: 2}}).iloc[3:])
    with pytest.raises(ConfigError, match=r"network\.name: 'resnet20' is unknown"):
        run_soundtrack(tmp_path, recipe=replace(TINY, choice=replace(CHOICE, network="resnet20")))


def test_bands_are_standardised_by_the_clips_that_are_learned(tmp_path):
    """Half of the clips of the first soundtrack are silent, and those of others are not learned."""
    images = draw_images()
    silent = np.full((3, 64, 96), -80, dtype=np.float32)
    images["video0"] = np.concatenate([images["video0"], silent])
    recipe = replace(TINY, choice=replace(CHOICE, standardises=True))
    model = run_soundtrack(tmp_path, images=images, recipe=recipe)["model_path"]
    weights = load_state_dict(model)
    learned = np.concatenate([draw_images()[f"video{i}"] for i in range(4)])
    expected = torch.from_numpy(learned).double()
    torch.testing.assert_close(weights["bands.mean"][:, 0].double(), expected.mean((0, 2)))
    deviation = expected.transpose(0, 1).flatten(1).std(dim=1, correction=0)
    torch.testing.assert_close(weights["bands.deviation"][:, 0].double(), deviation + 10)


@pytest.mark.parametrize(("batch_size", "together", "items"), [(4, 1, 11), (5, 2, 12), (1, 4, 12)])
def test_losses_and_accuracies_of_an_epoch_are_means_over_clips(batch_size, together, items):
    """Batches of 4, 4 and 3 clips, or of whole groups."""
    events = events_of(numbered(3, 1, 5, 2))
    task = SoundtrackRecognition(
        soundtrack_network("resnet18", num_classes=4, width=4),
        replace(
            PUBLISHED,
            batch_size=batch_size,
            clips_together=together,
            schedule=Schedule(0.0, epochs=1),
        ),
        splits={"train": events, "val": events},
        seed=0,
    )
    assert task.steps == 3
    sums = {"loss": 0.0, "top1": 0.0, "top5": 0.0}
    expected = dict(sums)
    for images, labels in task.batches(0, 0):
        loss, logits = train_step(
            task.model.train(), task.optimizer, images, labels, clips_together=together
        )
        expected["loss"] += loss * len(images) / items
        expected["top1"] += top_k_share(logits, labels, 1) * len(images) / items
        expected["top5"] += len(images) / items
        for name, value in task.train_step((images, labels)).items():
            sums[name] += value / task.steps
    assert sums == pytest.approx(expected)


@pytest.mark.parametrize("mixes", [False, True])
def test_half_of_a_loss_is_that_of_the_mean_logits_of_each_group(mixes):
    logits = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    targets = torch.tensor([0, 0, 0, 2, 2, 2])
    if mixes:
        targets = mix(torch.zeros(6, 1), torch.eye(4)[targets], 0.7)[1]
    means = torch.stack([logits[:3].mean(dim=0), logits[3:].mean(dim=0)])
    entropy = nn.functional.cross_entropy
    single = entropy(logits, targets, label_smoothing=0.1)
    whole = entropy(means, targets[[0, 3]], label_smoothing=0.1)
    grouped = grouped_loss(logits, targets, 3, label_smoothing=0.1)
    torch.testing.assert_close(grouped, (single + whole) / 2)
    assert torch.equal(grouped_loss(logits, targets, 1, label_smoothing=0.1), single)


def test_the_clips_of_a_group_are_mixed_with_those_of_one_other():
    task = SoundtrackRecognition(
        soundtrack_network("resnet18", num_classes=5, width=4),
        replace(PUBLISHED, batch_size=12, clips_together=3, mixup=1.0),
        splits=dict.fromkeys(("train", "val"), events_of(numbered(3, 3, 3, 3, 3))),
        seed=0,
    )
    for _, shares in task.batches(0, 0):
        groups = shares.unflatten(0, (-1, 3))
        assert torch.equal(groups, groups[:, :1].expand_as(groups))


def test_a_mixed_item_brings_its_share_of_the_label():
    images = torch.zeros(2, 64, 96)
    images[1] = 1
    mixed, shares = mix(images, torch.eye(2), 0.7)
    torch.testing.assert_close(mixed[:, 0, 0], torch.tensor([0.3, 0.7]))
    torch.testing.assert_close(shares, torch.tensor([[0.7, 0.3], [0.3, 0.7]]))


def test_the_published_schedule_divides_by_ten_after_three_epochs_each():
    rates = [learning_rate(float(epoch), PUBLISHED.schedule) for epoch in range(10)]
    assert rates == [1e-2] * 3 + [1e-3] * 3 + [1e-4] * 3 + [1e-5]
    assert PUBLISHED.schedule.epochs == 10


def test_steps_and_rates_are_those_of_the_published_loop():
    """Every step stands for an epoch, through all milestones."""
    ours = soundtrack_network("resnet18", num_classes=7, width=4).train()
    initialise(ours, seed=3)
    theirs = copy.deepcopy(ours)
    optimizer = torch.optim.SGD(theirs.parameters(), lr=0.01, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [3, 6, 9], gamma=0.1)
    own = build_optimizer(ours, PUBLISHED)
    images = -80 * torch.rand(10, 4, 64, 96, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(40).reshape(10, 4) % 7
    for epoch, (x, y) in enumerate(zip(images, labels, strict=True)):
        for group in own.param_groups:
            group["lr"] = learning_rate(float(epoch), PUBLISHED.schedule)
        loss, logits = train_step(ours, own, x, y)
        optimizer.zero_grad()
        expected = theirs(x)
        nn.functional.cross_entropy(expected, y).backward()
        optimizer.step()
        assert own.param_groups[0]["lr"] == scheduler.get_last_lr()[0]
        scheduler.step()
        torch.testing.assert_close(logits, expected.detach(), rtol=1e-5, atol=1e-6)
        assert loss == pytest.approx(nn.functional.cross_entropy(expected, y).item(), rel=1e-5)
        hits = (expected.argsort(descending=True)[:, :5] == y[:, None]).any(dim=1)
        assert top_k_share(logits, y, 5) == hits.double().mean().item()


def test_the_published_optimiser_is_plain_momentum_without_decay():
    network = soundtrack_network("resnet18", num_classes=2, width=4)
    optimizer = build_optimizer(network, PUBLISHED)
    assert type(optimizer) is torch.optim.SGD
    for group in optimizer.param_groups:
        assert (group["momentum"], group["weight_decay"], group["nesterov"]) == (0.9, 0, False)
    small = build_optimizer(network, SOUNDTRACK_RECIPES["small"])
    assert [group["weight_decay"] for group in small.param_groups] == [0.05, 0.0]
    assert all(p.ndim > 1 for p in small.param_groups[0]["params"])


def test_first_weights_follow_the_published_rule():
    network = soundtrack_network("resnet18", num_classes=600)
    assert isinstance(network, ResNet)
    initialise(network, seed=0)
    conv = network.get_parameter("layer2.0.conv1.weight")  # 64 -> 128, 3 x 3
    assert conv.std().item() == pytest.approx(math.sqrt(2 / (9 * 128)), rel=0.01)
    fc = network.get_parameter("group2.fc.weight")
    assert fc.abs().max().item() == pytest.approx(1 / math.sqrt(512), rel=1e-3)
    assert fc.std().item() == pytest.approx(1 / math.sqrt(3 * 512), rel=0.01)
    vgg = VGG(11, num_classes=3)
    initialise(vgg, seed=0)
    assert vgg.get_parameter("classifier.6.weight").std().item() == pytest.approx(0.01, rel=0.02)
    biased = [m for m in vgg.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert not any(m.bias.any() for m in biased)
