"""Golden cases of the network: forward pass, names and shapes of the weights."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from avlib.tim.network import TIM, TimOutput
from avlib.verify.golden import Case, Comparison, Numerics, compare, compare_exactly
from avlib.verify.rule import fill_by_rule, rule_input

# What the published program takes where a configuration does not say it.
DEFAULTS: dict[str, Any] = {
    "visual_input_dim": 1024,
    "audio_input_dim": 2304,
    "d_model": 512,
    "feedforward_scale": 4,
    "nhead": 8,
    "num_layers": 4,
    "num_feats": 50,
    "model_modality": "audio_visual",
    "data_modality": "audio_visual",
    "num_class": [[97, 300, 3806], 44],
    "apply_feature_pooling": False,
}
RULE_INPUT = re.compile(r"rule_input\('([^']+)', \[([\d, ]+)\], (\d+)\)")
# `"name", (sizes)` in the words about a case; `...` stands for the sizes before.
QUOTED_INPUT = re.compile(r'"([\w/]+)",\s*\(?(\.\.\.|\d[\d, ]*)\)(?:,seed,scale ([\d.]+))?')
HEADS = ("verb", "noun", "action", "audio")
LOGITS = re.compile(rf"({'|'.join(HEADS)})(?:_(first\d+|logsumexp|argmax))?")


def build(config: Mapping[str, Any], *, dropout: float | None = None) -> TIM:
    """Return the network of a configuration; `dropout` stands for all of its rates."""
    chosen = {name: config.get(name, default) for name, default in DEFAULTS.items()}
    visual, audio = chosen.pop("num_class")
    visual = [visual] if isinstance(visual, int) else visual
    if not config.get("include_verb_noun", True):
        visual = visual[-1:]
    if dropout is not None:
        chosen |= dict.fromkeys(("enc_dropout", "feat_dropout", "seq_dropout"), dropout)
    return TIM(**chosen, visual_classes=tuple(visual), audio_classes=audio)


def described_input(text: str) -> Tensor | None:
    """Return what `rule_input('name', [sizes], seed)` describes, or None for `absent`."""
    call = RULE_INPUT.fullmatch(text)
    if call is None:
        return None
    shape = tuple(int(size) for size in call[2].split(","))
    return torch.from_numpy(rule_input(call[1], shape, int(call[3])))


def quoted_inputs(text: str, seed: int) -> dict[str, Tensor]:
    """Return the inputs that a text names with their sizes, by the last part of their names."""
    inputs: dict[str, Tensor] = {}
    shape: tuple[int, ...] = ()
    for name, sizes, scale in QUOTED_INPUT.findall(text):
        if sizes != "...":
            shape = tuple(int(size) for size in sizes.split(","))
        drawn = rule_input(name, shape, seed, float(scale or 1))
        inputs[name.rpartition("/")[2]] = torch.from_numpy(drawn)
    return inputs


@torch.inference_mode()
def forward(case: Case, numerics: Numerics) -> Iterator[Comparison]:
    """Compare what the network computes on the way, and its logits."""
    c, arrays = case.content, case.own_arrays()
    model = build(c["config"])
    fill_by_rule(model, case.sidecar["seed"])
    model.to(numerics.device, numerics.dtype).eval()
    given = [described_input(c["inputs"][name]) for name in ("visual", "audio")]
    given.append(torch.from_numpy(arrays.pop("times")))
    visual, audio, times = (
        None if x is None else x.to(numerics.device, numerics.dtype) for x in given
    )
    assert times is not None
    sizes = (c["num_v_queries"], c["num_a_queries"])
    seen = _hooked(model)
    seen["time_mlp"] = model.time_vectors(times)
    output = model.encode(visual, audio, seen["time_mlp"], *sizes, keeps_tokens=True)
    assert output.tokens is not None
    seen["tokens"] = output.tokens
    pairs = torch.cat([output.tokens[:, :3], output.tokens[:, -3:]], dim=2)
    seen["drloc"] = model.drloc_mlp(pairs).squeeze(2)
    for name, golden in arrays.items():
        if not LOGITS.fullmatch(name):
            result = _strided(seen[name], name, c["strides"])
            yield compare(name, result, golden, case.tolerance(name))
    yield from _shapes(c["shapes"], seen, output)
    yield from _logits(case, output, "")
    yield from _logits(case, model(visual, audio, times, *sizes), " (queries only)")


def _hooked(model: TIM) -> dict[str, Tensor]:
    """Return a mapping that the next pass of `model` fills with intermediate results."""
    seen: dict[str, Tensor] = {}
    names = {
        "sequence": "feature_encoding",
        "layer0": "transformer_encoder.layers.0",
        "pool": "pool",
    }
    for name, module in names.items():
        if module == "pool" and model.pool is None:
            continue
        model.get_submodule(module).register_forward_hook(
            lambda _module, _inputs, result, name=name: seen.setdefault(name, result)
        )
    return seen


def _strided(result: Tensor, name: str, strides: Mapping[str, Sequence[int]]) -> Tensor:
    """Return the part of an intermediate result that is stored."""
    for names, steps in strides.items():
        if name in names.split("/"):
            return result[tuple(slice(None, None, step) for step in steps)]
    return result


def _shapes(
    golden: Mapping[str, Any], seen: Mapping[str, Tensor], output: TimOutput
) -> Iterator[Comparison]:
    results = dict(seen) | {name: _flat(getattr(output, name)) for name in HEADS}
    for name, shape in golden.items():
        result = results[name]
        found = None if result is None else list(result.shape)
        yield compare_exactly(f"{name} shape", found, shape)


def _flat(logits: Tensor | None) -> Tensor | None:
    """Return (B, N, K) logits as (B * N, K)."""
    return None if logits is None else logits.flatten(0, 1)


def _logits(case: Case, output: TimOutput, suffix: str) -> Iterator[Comparison]:
    for name, golden in case.own_arrays().items():
        if not (found := LOGITS.fullmatch(name)):
            continue
        head, form = found.groups()
        result = _flat(getattr(output, head))
        assert result is not None
        if form == "logsumexp":
            result = result.logsumexp(dim=1)
        elif form == "argmax":
            yield compare_exactly(name + suffix, result.argmax(dim=1).tolist(), golden.tolist())
            continue
        elif form:
            result = result[:, : int(form.removeprefix("first"))]
        yield compare(name + suffix, result, golden, case.tolerance(name, head))


def state_dicts(case: Case, _: Numerics) -> Iterator[Comparison]:
    """Compare names, shapes and order of the weights of every configuration."""
    for name, golden in case.content["configurations"].items():
        with torch.device("meta"):
            model = build(golden["arguments"])
        state = {key: list(value.shape) for key, value in model.state_dict().items()}
        yield compare_exactly(f"{name} weights", state, golden["state_dict"])
        yield compare_exactly(f"{name} order", list(state), list(golden["state_dict"]))
        yield compare_exactly(f"{name} num_tensors", len(state), golden["num_tensors"])
        n_values = sum(parameter.numel() for parameter in model.parameters())
        yield compare_exactly(f"{name} num_parameters", n_values, golden["num_parameters"])
