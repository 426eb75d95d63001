import pytest
import torch
from golden.fill import fill_by_rule
from tiny_golden import GOLDEN, contents

from avlib.errors import CheckpointError
from avlib.io.checkpoints import load_checkpoint, load_state_dict
from avlib.io.weights import save_weights
from avlib.tim.checkpoint import (
    infer_arguments,
    load_tim,
    new_tim,
    read_position,
    write_published_checkpoint,
)
from avlib.tim.network import TIM
from avlib.tim.objective import build_optimizer

TINY = GOLDEN / "tim_recognition/checkpoint_tiny.pth.tar"
SHAPES = contents("tim_recognition/state_dict_shapes.json")
ARGUMENTS = {
    "visual_input_dim": 6,
    "audio_input_dim": 5,
    "d_model": 8,
    "feedforward_scale": 3,
    "num_layers": 2,
    "model_modality": "audio_visual",
    "data_modality": "visual",
    "visual_classes": (4, 5, 7),
    "audio_classes": 0,
    "apply_feature_pooling": True,
    "has_final_relu": False,
}


def saved(path, **changes):
    model = TIM(**(ARGUMENTS | changes), nhead=2, num_feats=3)
    fill_by_rule(model, 1)
    save_weights(path, model.state_dict(), {})
    return model


@pytest.mark.parametrize("name", SHAPES)
def test_sizes_of_the_published_networks_are_read_off_their_weights(name, tmp_path):
    golden = SHAPES[name]["arguments"]
    shapes = SHAPES[name]["expected"]["shapes"]["value"]
    state = {key: torch.empty(s, device="meta") for key, s in shapes.items()}
    found = infer_arguments(state, tmp_path)
    for key in ("d_model", "feedforward_scale", "num_layers", "visual_input_dim"):
        assert found[key] == golden[key]
    assert found["audio_input_dim"] == (2304 if "audio" in golden["model_modality"] else 0) or (
        name == "ave_vgg" and found["audio_input_dim"] == 128
    )
    audio = golden["audio_classes"]
    assert found["visual_classes"] == tuple(golden["visual_classes"])
    assert found["audio_classes"] == (audio if "audio" in golden["data_modality"] else 0)
    assert found["apply_feature_pooling"] is golden["apply_feature_pooling"]
    assert found["has_final_relu"] is True


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"has_final_relu": True, "data_modality": "audio_visual", "audio_classes": 3},
        {
            "model_modality": "audio",
            "data_modality": "audio",
            "visual_input_dim": 0,
            "visual_classes": (),
            "audio_classes": 3,
            "apply_feature_pooling": False,
        },
    ],
)
def test_a_network_of_any_form_comes_back_as_it_was(changes, tmp_path):
    model = saved(tmp_path / "a.safetensors", **changes)
    loaded = load_tim(tmp_path / "a.safetensors", nhead=2, num_feats=3, feat_dropout=0.3)
    assert infer_arguments(loaded.state_dict(), tmp_path) == ARGUMENTS | changes
    for name, value in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value)


def test_another_configuration_is_refused_in_one_line(tmp_path):
    saved(tmp_path / "a.safetensors")
    requested = ARGUMENTS | {"d_model": 16, "visual_classes": (7,)}
    with pytest.raises(CheckpointError) as error:
        load_tim(tmp_path / "a.safetensors", nhead=2, num_feats=3, requested=requested)
    assert str(error.value).endswith("d_model is 8, not 16; visual_classes is (4, 5, 7), not (7,)")
    load_tim(tmp_path / "a.safetensors", nhead=2, num_feats=3, requested=ARGUMENTS)


def test_missing_weights_are_an_error_unless_a_part_is_asked_for(tmp_path):
    state = saved(tmp_path / "a.safetensors").state_dict()
    del state["drloc_mlp.4.bias"]
    save_weights(tmp_path / "b.safetensors", state, {})
    with pytest.raises(CheckpointError, match=r"missing drloc_mlp\.4\.bias"):
        load_tim(tmp_path / "b.safetensors", nhead=2, num_feats=3)
    model = load_tim(tmp_path / "b.safetensors", nhead=2, num_feats=3, partial=True)
    assert torch.equal(model.drloc_mlp[2].weight, state["drloc_mlp.2.weight"])


def test_weights_of_another_network_are_refused(tmp_path):
    save_weights(tmp_path / "a.safetensors", {"s1.conv.weight": torch.zeros(3)}, {})
    with pytest.raises(CheckpointError, match=r"no weights of TIM"):
        load_tim(tmp_path / "a.safetensors", nhead=2, num_feats=3)


def test_the_published_program_resumes_where_it_stopped():
    at = read_position(TINY)
    assert (at.epoch, at.step, at.total_steps, at.warmup_steps) == (2, 6, 6, 3)
    assert (at.base_rate, at.end_rate) == (0.01, 1e-6)
    model = load_tim(TINY, nhead=2, num_feats=10)
    optimizer = build_optimizer(model, rate=0.01, weight_decay=1e-4)
    optimizer.load_state_dict(at.optimizer)
    for parameter, state in zip(model.parameters(), optimizer.state.values(), strict=True):
        assert state["exp_avg"].shape == parameter.shape and state["step"] == 6


def test_the_published_form_is_written_without_meters(tmp_path):
    at, weights = read_position(TINY), load_state_dict(TINY, allows_foreign=True)
    write_published_checkpoint(tmp_path / "a.pth.tar", weights, at)
    content, original = (
        load_checkpoint(path, allows_foreign=True) for path in (tmp_path / "a.pth.tar", TINY)
    )
    assert set(original) - set(content) == {"train_meter", "val_meter"}
    for key in ("epoch", "best_acc1", "scaler", "warmup_scheduer"):
        assert content[key] == original[key]
    for key, value in content["lr_scheduler"].items():
        assert original["lr_scheduler"][key] == value
    assert read_position(tmp_path / "a.pth.tar").step == at.step
    assert load_tim(tmp_path / "a.pth.tar", nhead=2, num_feats=10).num_feats == 10


def test_a_file_of_weights_alone_has_no_position(tmp_path):
    torch.save({"state_dict": {"a": torch.zeros(1)}}, tmp_path / "a.pth.tar")
    with pytest.raises(CheckpointError, match=r"no state of a training.*lr_scheduler"):
        read_position(tmp_path / "a.pth.tar")


def test_initial_weights_depend_on_the_seed_alone():
    sizes = {"nhead": 2, "num_feats": 3}
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first, again, other = (new_tim(seed, **ARGUMENTS, **sizes).state_dict() for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(value, again[name]) for name, value in first.items())
    assert not torch.equal(first["drloc_mlp.0.weight"], other["drloc_mlp.0.weight"])
