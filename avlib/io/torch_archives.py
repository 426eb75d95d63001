"""Torch files with objects of foreign classes of any kind: tensors are read, nothing else is.

torch's own reader of weights accepts stand-ins for classes, but not for those whose objects are
filled as lists and dictionaries are, nor for methods. Here every name but those of tensors leads to
`Foreign`, which keeps nothing, and an object's state is thrown away. The unpickler is Python's own
in Python, as for tables.
"""

import io
import math
import pickle
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from avlib.io.pickle_parts import dispatch_with_checked_keys

STORAGES = {
    "torch.FloatStorage": torch.float32,
    "torch.DoubleStorage": torch.float64,
    "torch.HalfStorage": torch.float16,
    "torch.BFloat16Storage": torch.bfloat16,
    "torch.LongStorage": torch.int64,
    "torch.IntStorage": torch.int32,
    "torch.ShortStorage": torch.int16,
    "torch.CharStorage": torch.int8,
    "torch.ByteStorage": torch.uint8,
    "torch.BoolStorage": torch.bool,
}
LARGEST_REPEATED = 1 << 28  # values of a tensor that are fewer in its storage
# Operations that call something, and where on the stack the arguments are.
_ARGUMENTS = {pickle.REDUCE: -1, pickle.NEWOBJ: -1, pickle.NEWOBJ_EX: -2}


class Foreign:
    """Stands for what is not known here; it keeps nothing and does nothing."""

    def __init__(self, *_arguments: object, **_named: object) -> None:
        pass

    def __call__(self, *_arguments: object) -> "Foreign":
        """Return another one, in the place of what a method or function would."""
        return Foreign()

    def __setstate__(self, state: object) -> None:
        pass

    def __setitem__(self, key: object, value: object) -> None:
        pass

    def append(self, item: object) -> None:
        """Do nothing, where a list would grow."""

    def extend(self, items: object) -> None:
        """Do nothing, where a list would grow."""

    def add(self, item: object) -> None:
        """Do nothing, where a set would grow."""


def _dictionary(*_arguments: object) -> dict[Any, Any]:
    """Return an empty one; its content follows."""
    return {}


def _tensor(
    storage: Tensor, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_rest: object
) -> Tensor:
    """Return a view of a storage; torch checks that it lies within.

    Strides of 0 would make a huge tensor of one number.
    """
    if not isinstance(storage, Tensor) or math.prod(size) > max(storage.numel(), LARGEST_REPEATED):
        raise pickle.UnpicklingError("a tensor larger than its storage")
    return torch.as_strided(storage, size, stride, offset)


def _parameter(data: Tensor, *_rest: object) -> Tensor:
    return data


KNOWN: dict[str, Any] = {
    "collections.OrderedDict": _dictionary,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": _parameter,
    **STORAGES,
}


def _dispatch() -> dict[int, Any]:
    """Return the operations of the unpickler, without those that would compute with tensors."""
    dispatch = dispatch_with_checked_keys()
    for code, place in _ARGUMENTS.items():
        dispatch[code[0]] = partial(_load_call, dispatch[code[0]], place)
    dispatch[pickle.ADDITEMS[0]] = partial(_load_additems, dispatch[pickle.ADDITEMS[0]])
    return dispatch


def _load_call(load: Callable[[Any], None], place: int, unpickler: Any) -> None:
    """Call with a tuple alone; a tensor would become as many arguments as it has values."""
    if not isinstance(unpickler.stack[place], tuple):
        raise pickle.UnpicklingError("arguments that are no tuple")
    load(unpickler)


def _load_additems(load: Callable[[Any], None], unpickler: Any) -> None:
    """Add to sets alone; a tensor's `add` would make another, perhaps a larger one."""
    if isinstance(unpickler.metastack[-1][-1], set):
        load(unpickler)
    else:
        unpickler.pop_mark()


class _Unpickler(pickle._Unpickler):
    """Reads the pickle of an archive."""

    dispatch: ClassVar[dict[int, Any]] = _dispatch()
    stack: list[Any]

    def __init__(self, archive: zipfile.ZipFile, folder: str) -> None:
        super().__init__(io.BytesIO(archive.read(f"{folder}/data.pkl")), encoding="utf-8")
        self._archive, self._folder = archive, folder
        self._storages: dict[tuple[str, torch.dtype], Tensor] = {}

    def find_class(self, module: str, name: str) -> Any:
        return KNOWN.get(f"{module}.{name}", Foreign)

    def persistent_load(self, pid: Any) -> Tensor:
        """Return a storage as a tensor (n,)."""
        kind, dtype, key, _location, count = pid
        if kind != "storage" or not isinstance(dtype, torch.dtype) or not isinstance(key, str):
            raise pickle.UnpicklingError("a storage of a kind that is not known")
        if (key, dtype) not in self._storages:
            self._storages[key, dtype] = self._read(key, dtype, count)
        return self._storages[key, dtype]

    def _read(self, key: str, dtype: torch.dtype, count: int) -> Tensor:
        entry = self._archive.getinfo(f"{self._folder}/data/{key}")
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != count * dtype.itemsize:
            raise pickle.UnpicklingError(f"{entry.file_size} bytes for {count} of {dtype}")
        if not count:
            return torch.empty(0, dtype=dtype)
        return torch.frombuffer(bytearray(self._archive.read(entry)), dtype=dtype)

    def load_build(self) -> None:
        """Throw the state of an object away."""
        self.stack.pop()

    dispatch[pickle.BUILD[0]] = load_build


def read_archive(path: Path) -> object:
    """Return what a file of `torch.save` in the present format holds, on the CPU.

    Raises:
        Exception: of any kind, if it is damaged or no such file.
    """
    with zipfile.ZipFile(path) as archive:
        (member,) = (name for name in archive.namelist() if name.endswith("/data.pkl"))
        return _Unpickler(archive, member.removesuffix("/data.pkl")).load()
