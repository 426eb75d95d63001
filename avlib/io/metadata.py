"""What trainings here write beside weights, read without torch from files as they were written."""

import json
from pathlib import Path

from safetensors import SafetensorError, safe_open

from avlib.errors import CheckpointError
from avlib.io.file_kinds import is_safetensors, wrong_kind
from avlib.io.torn import REPLACE
from avlib.io.weights_files import is_index

SETTINGS = "avlib.settings"  # bytes of JSON in ASCII, which every precision holds exactly
LARGEST_SETTINGS = 1 << 24  # bytes


def load_metadata(path: Path) -> dict[str, str]:
    """Return the settings that a file of ours has beside its weights; none of other files.

    Raises:
        CheckpointError: as `avlib.io.checkpoints.read_weights`.
    """
    if not path.is_file() or (not is_index(path) and wrong_kind(path)):
        return {}
    if not is_safetensors(path):
        from avlib.io.checkpoints import read_weights  # imports torch, which takes seconds

        return read_weights(path, allows_foreign=True).settings
    try:
        return _of_safetensors(path)
    except SafetensorError as error:
        raise CheckpointError(
            f"{path}: not a readable safetensors file ({error}); {REPLACE}"
        ) from error


def _of_safetensors(path: Path) -> dict[str, str]:
    with safe_open(path, "np") as file:
        stored = [name for name in file.keys() if name.endswith(SETTINGS)]  # noqa: SIM118
        if not stored:
            return dict(file.metadata() or {})
        tensor = file.get_slice(stored[0])
        shape = tensor.get_shape()
        if tensor.get_dtype() == "U8" and len(shape) == 1 and shape[0] <= LARGEST_SETTINGS:
            return parse_settings(tensor[:].tobytes(), path)
    from avlib.io.weights import decode_settings  # imports torch, which knows every precision

    with safe_open(path, "pt") as file:
        return decode_settings(file.get_tensor(stored[0]), path)


def parse_settings(text: bytes, source: Path) -> dict[str, str]:
    """Return the text fields of the bytes of the tensor `avlib.settings`.

    Raises:
        CheckpointError: if they are damaged.
    """
    try:
        if not text.isascii():
            raise ValueError("not the bytes of text")
        fields = json.loads(text)
        if not isinstance(fields, dict) or not all(isinstance(v, str) for v in fields.values()):
            raise ValueError("not text by name")
    except (ValueError, RecursionError) as error:
        raise damaged_settings(source, error) from error
    return fields


def damaged_settings(source: Path, error: Exception) -> CheckpointError:
    """Return the error of a file whose settings cannot be read for a reason."""
    return CheckpointError(f"{source}: the tensor {SETTINGS} is damaged ({error})")
