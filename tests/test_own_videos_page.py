"""The table of extractors in docs/own_videos.md is that of the registry."""

from pathlib import Path

from avlib.extractors.registry import EXTRACTORS
from avlib.extractors.row import AudioInput, Extractor
from avlib.studies.own_extractors import PACK_RATES, CustomCheckpoints

PAGE = Path(__file__).parents[1] / "docs/own_videos.md"
MIDDLE = {"clip", "res152"}  # see one frame, whatever their rate elsewhere
SPREAD = {"vgg19": 16, "r2plus1d_18": 8}  # frames of an interval


def inputs(row: Extractor) -> str:
    """Return what a network sees of an interval."""
    if isinstance(row.sees, AudioInput):
        rate = PACK_RATES.get(row.name, row.sees.sample_rate)
        return f"sound, {rate:,} Hz" if rate else "sound, rate of `preset`"
    frames = SPREAD.get(row.name, row.sees.frames)
    if row.name in MIDDLE or frames == 1:
        return f"middle frame, {row.sees.size} pixels"
    return f"{frames} frames, {row.sees.size} pixels"


def weights(row: Extractor) -> str:
    """Return the weights that a network takes."""
    if not row.weights:
        return "none"
    named = "`make weights`" if row.package else f"`{row.weights[0]}`"
    return f"{named}, or trained on events" if row.is_trainable else named


def table_row(row: Extractor) -> str:
    (channels,) = row.interval_shape or row.shape
    return f"| `{row.name}` | {inputs(row)} | {channels} | {weights(row)} |"


def test_the_page_has_a_row_for_each_extractor_of_intervals():
    expected = [table_row(row) for row in EXTRACTORS.values() if row.makes_intervals]
    lines = PAGE.read_text().splitlines()
    first = lines.index("| extractor | input | channels | weights |") + 2
    assert lines[first : first + len(expected)] == expected
    assert lines[first + len(expected)] == ""


def test_each_that_has_weights_has_a_key_for_them():
    rows = [row for row in EXTRACTORS.values() if row.makes_intervals]
    names = {row.network for row in rows if row.weights}
    assert names == CustomCheckpoints.model_fields.keys() - {"tim"}
