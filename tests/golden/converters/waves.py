"""Recordings by rule, of which several systems speak."""

from collections.abc import Mapping
from typing import Any

from converters.sidecar import Refused, require_known


def wave_sound(wave: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the source of a recording of a kind, whose noise is that of the name."""
    require_known("wave", wave, {"kind", "sr", "n", "seed", "name"})
    kind, n = wave["kind"], wave["n"]

    def noise(amplitude: float, **keys: float) -> dict[str, Any]:
        return {"noise": {"name": name, "seed": wave["seed"]}, "amplitude": amplitude, **keys}

    tones = [{"sine": 440.0, "amplitude": 0.4}, {"sine": 3000.0, "amplitude": 0.2}]
    kinds = {
        "noise": [noise(0.1)],
        "tone": [*tones, noise(1e-3)],
        "chirp": [{"sweep": [100.0, 1800.0], "amplitude": 0.5}, noise(5e-3)],
        "decay": [noise(0.3, decay=6.0)],
        "silence": [],
        "click": [{"impulses": [n // 3], "amplitude": 0.9}],
    }
    if kind not in kinds:
        raise Refused(f"a recording of the kind {kind!r}")
    return {"sound": {"samples": n, "rate": wave["sr"], "channels": [kinds[kind]]}}
