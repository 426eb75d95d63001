"""Table of the variants of the parser of LLP, as a page of the report."""

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from avlib.io.json_files import read_json
from avlib.report.html import write_page
from avlib.valor.metrics import TABLE

GROUPS = {"Seg": "F of segments", "Event": "F of events"}
COLUMNS = {"a": "audio", "v": "visual", "av": "both", "type": "Type", "event": "Event"}


def draw_variants(summary: Path, target: Path) -> None:
    """Write the scores of all variants as one HTML page, which needs nothing from outside.

    Scores have two decimals; the best of each column are bold, those that look equal to it as
    well. What was published stands in grey below.

    Args:
        summary: JSON file of `summarise_variants`.
        target: HTML file to write.
    """
    content = read_json(summary)
    variants: Mapping[str, Any] = content["variants"]
    best = {name: _best(variants, name) for name in TABLE}
    rows = [_row(variant, entry, best) for variant, entry in variants.items()]
    notes = [f"<li>{escape(note)}</li>" for note in content["notes"]]
    lines = [
        "<table>",
        f"<caption>{_caption(content)}</caption>",
        *_head(),
        "<tbody>",
        *rows,
        "</tbody>",
        "</table>",
        "<p>Before these numbers are compared with others:</p>",
        "<ul>",
        *notes,
        "</ul>",
    ]
    write_page(target, "Variants of the parser", lines)


def _caption(content: Mapping[str, Any]) -> str:
    split, study = escape(content["split"]), escape(content["study"])
    text = (
        f"Event parsing in the {split} videos of the study {study}, in percent. Type is the mean "
        "of audio, visual and both; Event counts audio and visual together. The best of each "
        "column are bold."
    )
    if any(entry["published"] for entry in content["variants"].values()):
        text += (
            ' <span class="grey">In grey: what the papers report of the variant, of their own '
            "weights on LLP; it is no result of this study.</span>"
        )
    return text


def _head() -> list[str]:
    """Return both lines of the head, in the order of TABLE."""
    groups = [
        f'<th class="first" colspan="{len(COLUMNS)}">{title}</th>' for title in GROUPS.values()
    ]
    names = [_cell("th", COLUMNS[name.partition("-")[2]], name) for name in TABLE]
    return [
        "<thead>",
        f'<tr><th rowspan="2"></th>{"".join(groups)}</tr>',
        f"<tr>{''.join(names)}</tr>",
        "</thead>",
    ]


def _best(variants: Mapping[str, Any], name: str) -> str | None:
    """Return the highest score of a column as it is printed; None if there is none."""
    scores = [entry["scores"][name] for entry in variants.values()]
    return max((_text(score) for score in scores if score is not None), key=float, default=None)


def _row(variant: str, entry: Mapping[str, Any], best: Mapping[str, str | None]) -> str:
    published = entry["published"]
    title = escape(variant)
    if published:
        title += '<span class="grey below">published</span>'
    cells = [f"<th>{title}</th>"]
    for name in TABLE:
        score = _text(entry["scores"][name])
        text = f"<b>{score}</b>" if score == best[name] else score
        if published:
            text += f'<span class="grey below">{published[name]:.1f}</span>'
        cells.append(_cell("td", text, name))
    return f"<tr>{''.join(cells)}</tr>"


def _cell(tag: str, text: str, name: str) -> str:
    """Return a cell of a column, with a line before it where a group of columns begins."""
    is_first = name.endswith(f"-{next(iter(COLUMNS))}")
    return f'<{tag} class="first">{text}</{tag}>' if is_first else f"<{tag}>{text}</{tag}>"


def _text(score: float | None) -> str:
    return "&ndash;" if score is None else f"{score:.2f}"
