"""The structure of a network as weights files describe it, where shapes do not tell it all."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import TypeAdapter

from avlib.errors import CheckpointError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

SETTING = "structure"  # of our own weights
Sizes = TypeVar("Sizes")


def own_settings(sizes: "DataclassInstance") -> dict[str, str]:
    """Return what is written with weights of our own."""
    return {SETTING: json.dumps(asdict(sizes))}


def own_structure(settings: Mapping[str, str], kind: type[Sizes]) -> Sizes | None:
    """Return the structure that our own weights hold, None without one.

    Args:
        settings: that the file holds.
        kind: class of the sizes.

    Raises:
        ValueError: if it is not of that class.
    """
    adapter: TypeAdapter[Any] = TypeAdapter(kind)
    return adapter.validate_json(settings[SETTING]) if SETTING in settings else None


@contextmanager
def naming_structure(checkpoint: Path) -> Iterator[None]:
    """Turn whatever a described structure leads to into one error that names the file.

    The packages that check a description, or build a network of it, raise errors of many kinds.

    Raises:
        CheckpointError: if the structure is described, but is none that can be built.
    """
    try:
        yield
    except CheckpointError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        what = reason if isinstance(error, ValueError) else f"{type(error).__name__}: {reason}"
        raise CheckpointError(
            f"{checkpoint}: its configuration is of no network here ({what})"
        ) from error
