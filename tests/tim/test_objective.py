import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from golden.fill import fill_by_rule, rule_input

from avlib.tim.batches import WindowBatch
from avlib.tim.network import TIM
from avlib.tim.objective import (
    Step,
    StepDraws,
    build_optimizer,
    draw_step,
    localisation_errors,
    mix,
    mixed_cross_entropy,
    objective,
    train_step,
)
from avlib.tim.recipes import TimRecipe

RECIPE = TimRecipe(name="test", lambda_audio=0.5, lambda_drloc=0.3, clip_norm=1.0)
LABELS = [[[0, 1, 2], [-1, -1, -1]], [[3, 2, 1], [1, 0, 6]], [[-1, -1, -1], [2, -1, 4]]]


def small_model(data_modality="audio_visual"):
    model = TIM(
        visual_input_dim=6,
        audio_input_dim=5,
        d_model=8,
        feedforward_scale=4,
        nhead=4,
        num_layers=1,
        num_feats=3,
        model_modality="audio_visual",
        data_modality=data_modality,
        visual_classes=(4, 5, 7),
        audio_classes=3,
        apply_feature_pooling=False,
        enc_dropout=0.0,
        feat_dropout=0.0,
        seq_dropout=0.0,
    )
    fill_by_rule(model, 1)
    return model.train()


def small_batch(visual_labels=LABELS, audio_labels=((0,), (2,), (-1,))):
    visual_labels = torch.as_tensor(visual_labels)
    audio_labels = torch.tensor(audio_labels)
    n_queries = visual_labels.shape[1] + audio_labels.shape[1]
    times = rule_input("times", (3, 6 + n_queries, 2))
    return WindowBatch(
        visual=torch.from_numpy(rule_input("visual", (3, 3, 6))),
        audio=torch.from_numpy(rule_input("audio", (3, 3, 5))),
        times=torch.from_numpy(times),
        visual_labels=visual_labels,
        audio_labels=audio_labels,
        visual_queries=visual_labels[..., 2],
        audio_queries=audio_labels,
    )


def draws(lam=0.7):
    positions = torch.tensor([[[0, 1, 2, 2]] * 3, [[2, 0, 1, 2]] * 3])
    return StepDraws(lam, torch.tensor([2, 0, 1]), positions)


def gradients(model, *parts, batch=None, recipe=RECIPE):
    model.zero_grad()
    losses = [objective(model, batch or small_batch(), draws(), recipe, part=p) for p in parts]
    sum(loss.total for loss in losses).backward()
    return losses, {n: p.grad for n, p in model.named_parameters() if p.grad is not None}


def smoothed(logits, label, classes, smoothing):
    """Return the cross-entropy of one slot, from its definition."""
    scores = [math.exp(x) for x in logits]
    target = [smoothing / classes + (1 - smoothing) * (k == label) for k in range(classes)]
    return -sum(t * math.log(s / sum(scores)) for t, s in zip(target, scores, strict=True))


def test_the_parts_of_a_batch_add_up_to_it():
    model = small_model()
    (whole,), expected = gradients(model, slice(None))
    parts, found = gradients(model, slice(0, 1), slice(1, 3))
    for name, loss in whole._asdict().items():
        total = sum(getattr(part, name) for part in parts)
        torch.testing.assert_close(total, loss, atol=1e-6, rtol=1e-5)
    assert expected.keys() == found.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, atol=1e-6, rtol=1e-4)


def test_a_loss_is_the_mean_over_labelled_slots_of_both_items_of_the_mixture():
    logits = torch.from_numpy(rule_input("logits", (2, 2, 4), scale=2.0))
    own, others = torch.tensor([[1, -1], [3, 0]]), torch.tensor([[3, 0], [1, -1]])
    sums = [
        sum(
            smoothed(logits[b, n].tolist(), label, 4, 0.2)
            for b, row in enumerate(labels.tolist())
            for n, label in enumerate(row)
            if label != -1
        )
        for labels in (own, others)
    ]
    loss = mixed_cross_entropy(logits, own, others, 0.7, 0.2, count=torch.tensor(3))
    assert loss.item() == pytest.approx((0.7 * sums[0] + 0.3 * sums[1]) / 3, rel=1e-5)


def test_the_total_weighs_its_parts():
    loss = objective(small_model(), small_batch(), draws(), RECIPE)
    visual = (loss.verb + loss.noun + loss.action) / 3
    torch.testing.assert_close(loss.total, visual + 0.5 * loss.audio + 0.3 * loss.drloc)
    model = small_model("audio")
    alone = objective(
        model,
        small_batch(torch.zeros(3, 0, 3).long()),
        draws(),
        replace(RECIPE, lambda_drloc=0, data_modality="audio"),
    )
    assert torch.equal(alone.total, alone.audio) and alone.action is None and alone.drloc is None


def test_a_visual_slot_counts_only_with_an_action():
    model, whole = small_model(), small_batch()
    changed = torch.tensor(LABELS)
    changed[0, 1] = torch.tensor([3, 3, -1])
    loss = objective(model, whole, draws(), RECIPE)
    other = objective(model, small_batch(changed), draws(), RECIPE)
    assert torch.equal(loss.total, other.total)


@pytest.mark.parametrize("n_visual", [0, 2])
def test_a_batch_without_visual_labels_trains_the_rest(n_visual):
    model = small_model()
    batch = small_batch(torch.full((3, n_visual, 3), -1))
    (loss,), found = gradients(model, slice(None), batch=batch)
    assert loss.verb.item() == loss.noun.item() == loss.action.item() == 0
    torch.testing.assert_close(loss.total, 0.5 * loss.audio + 0.3 * loss.drloc)
    assert all(torch.isfinite(g).all() for g in found.values())
    assert found["cls_head.fc_audio_action.weight"].abs().max() > 0


def test_without_mixup_nothing_of_other_items_matters():
    model, batch = small_model(), small_batch()
    first = objective(model, batch, draws(lam=1.0), RECIPE, part=slice(0, 1))
    batch.visual[1:] += 1
    batch.times[1:] += 1
    second = objective(model, batch, draws(lam=1.0), RECIPE, part=slice(0, 1))
    assert torch.equal(first.total, second.total)


def test_mixing_is_linear():
    x, others = torch.tensor([1.0, 2.0]), torch.tensor([3.0, -2.0])
    torch.testing.assert_close(mix(x, others, 0.25), torch.tensor([2.5, -1.0]))
    assert mix(x, others, 1.0) is x


@torch.no_grad()
def test_localisation_compares_distances_in_units_of_the_features():
    model = small_model()
    for parameter in model.drloc_mlp.parameters():
        parameter.zero_()
    model.drloc_mlp[4].bias.fill_(0.25)
    tokens = torch.from_numpy(rule_input("tokens", (3, 6, 16)))
    errors = localisation_errors(model, tokens, draws().positions)
    expected = [abs(0.25 - d / 3) for d in (2, 1, 1, 0)]
    torch.testing.assert_close(errors, torch.tensor([expected] * 3))


@torch.no_grad()
@pytest.mark.parametrize("n_tokens", [3, 6])
def test_localisation_takes_pairs_across_the_modalities_where_there_are_two(n_tokens):
    model, positions = small_model(), draws().positions
    tokens = torch.from_numpy(rule_input("tokens", (3, n_tokens, 16)))
    i, j = positions[:, 1, 2].tolist()
    pair = torch.cat([tokens[1, i], tokens[1, n_tokens - 3 + j]])
    expected = (model.drloc_mlp(pair) - abs(i - j) / 3).abs()
    found = localisation_errors(model, tokens, positions)[1, 2]
    torch.testing.assert_close(found[None], expected, atol=1e-6, rtol=1e-5)


def test_draws_follow_from_the_generator_and_are_in_range():
    first, second = (
        draw_step(np.random.default_rng(5), 7, mixup_alpha=0.5, m_drloc=32, num_feats=3)
        for _ in range(2)
    )
    assert first.lam == second.lam and 0 <= first.lam <= 1
    assert sorted(first.permutation.tolist()) == list(range(7))
    assert first.positions.shape == (2, 7, 32)
    assert first.positions.unique().tolist() == [0, 1, 2]
    none = draw_step(np.random.default_rng(5), 7, mixup_alpha=0, m_drloc=0, num_feats=3)
    assert none.lam == 1 and none.positions is None


def test_a_gradient_is_clipped_to_the_norm():
    model = small_model()
    optimizer = build_optimizer(model, rate=0.0, weight_decay=0.0)
    sizes = []
    for clip_norm in (None, 0.1):
        train_step(
            model,
            optimizer,
            Step(small_batch(), draws(), [0]),
            replace(RECIPE, clip_norm=clip_norm),
        )
        sizes.append(torch.stack([p.grad.norm() for p in model.parameters()]).norm().item())
    assert sizes[0] > 0.2 and sizes[1] == pytest.approx(0.1, rel=1e-3)


@pytest.mark.parametrize("seeds", [[0], [0, 1]])
def test_steps_learn_a_batch(seeds):
    model = small_model()
    optimizer = build_optimizer(model, rate=0.01, weight_decay=0.0)
    losses = [
        train_step(model, optimizer, Step(small_batch(), draws(1.0), seeds), RECIPE)[0].item()
        for _ in range(60)
    ]
    assert losses[-1] < 0.7 * losses[0]


def test_all_parameters_decay_alike():
    model = small_model()
    (group,) = build_optimizer(model, rate=0.1, weight_decay=0.01).param_groups
    assert len(group["params"]) == len(list(model.parameters()))
    assert group["weight_decay"] == 0.01
