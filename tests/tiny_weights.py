"""Weights files of small networks, with the settings that trainings here write beside them."""

import torch

from avlib.io.metadata import SETTINGS
from avlib.io.weights import encode_settings

CLIPS = {"num_frames": "32", "crop": "224"}
MAPS = {"pool": "first_columns", "stem_stride": "1"}


def with_settings(state, settings):
    """Return tensors and their settings, as files of ours hold them."""
    return dict(state) | {SETTINGS: encode_settings(settings)}


def saved_again(path, folder):
    """Yield the files that programs make of the tensors of `path`, without its metadata."""
    from safetensors.torch import load_file, save_file

    state = load_file(path)
    wrapped = {f"module._orig_mod.{name}": tensor for name, tensor in state.items()}
    forms = {
        "again.safetensors": lambda at: save_file(state, at),
        "again.pt": lambda at: torch.save(state, at),
        "wrapped.pth.tar": lambda at: torch.save({"epoch": 3, "state_dict": wrapped}, at),
        "half.safetensors": lambda at: save_file({n: t.half() for n, t in state.items()}, at),
        "bfloat16.pt": lambda at: torch.save({n: t.bfloat16() for n, t in state.items()}, at),
    }
    for name, write in forms.items():
        write(folder / name)
        yield folder / name
