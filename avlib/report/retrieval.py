"""Tables 1 to 5 of retrieval by text, laid out as in the paper, as a page of the report."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from avlib.evaluation.retrieval_headline import CHANCE
from avlib.io.json_files import read_json
from avlib.report.html import write_page
from avlib.retrieval.result_tables import NOT_RUN
from avlib.retrieval.settings import NETWORK_TITLES

TITLES = NETWORK_TITLES | {CHANCE: "random order"}
TEXTS = {"original": "original", "llm": "LLM"}
# Groups of columns, each with the places that are shown, what they are called, and their format.
GROUPS: dict[str, dict[str, tuple[str, float, str]]] = {
    "nDCG in %": {
        "ndcg.a2t": ("A→T", 100, ".1f"),
        "ndcg.t2a": ("T→A", 100, ".1f"),
        "ndcg.mean": ("mean", 100, ".1f"),
    },
    "mAP in %": {
        "map.a2t": ("A→T", 100, ".1f"),
        "map.t2a": ("T→A", 100, ".1f"),
        "map.mean": ("mean", 100, ".1f"),
    },
    "recall A→T in %, rank": {
        "recall.a2t.r1": ("R@1", 1, ".1f"),
        "recall.a2t.r5": ("R@5", 1, ".1f"),
        "recall.a2t.r10": ("R@10", 1, ".1f"),
        "recall.a2t.median_rank": ("median", 1, ".0f"),
    },
    "recall T→A in %, rank": {
        "recall.t2a.r1": ("R@1", 1, ".1f"),
        "recall.t2a.r5": ("R@5", 1, ".1f"),
        "recall.t2a.r10": ("R@10", 1, ".1f"),
        "recall.t2a.median_rank": ("median", 1, ".0f"),
    },
    "right answers in %": {
        "accuracy.inter_video": ("inter-video", 1, ".1f"),
        "accuracy.intra_video": ("intra-video", 1, ".1f"),
    },
}


def draw_tables(tables: Path, target: Path) -> None:
    """Write the tables as one HTML page, which needs nothing from outside.

    Numbers have their standard deviation over the seeds of crops beside them, where it is not zero.

    Args:
        tables: JSON file of `gather_tables`.
        target: HTML file to write.
    """
    content = read_json(tables)
    body = [line for table in content["tables"] for line in _table(table)]
    write_page(target, "Retrieval by text", [*body, *_files(content["files"])])


def _table(table: Mapping[str, Any]) -> Iterator[str]:
    groups = {
        name: found
        for name, columns in GROUPS.items()
        if (found := {c: how for c, how in columns.items() if c in table["columns"]})
    }
    has_levels = len({row["relevancy"] for row in table["rows"]}) > 1
    yield "<table>"
    yield f"<caption><b>Table {table['number']}.</b> {escape(table['title'])}.</caption>"
    yield from _head(groups, ["", "texts", *(["relevancy"] if has_levels else [])])
    yield "<tbody>"
    for row in table["rows"]:
        yield _row(row, groups, has_levels=has_levels)
    yield "</tbody></table>"
    if table["notes"]:
        notes = "".join(f"<li>{escape(note)}</li>" for note in table["notes"])
        yield f"<ul>{notes}</ul>"


def _head(groups: Mapping[str, Mapping[str, Any]], first: Sequence[str]) -> list[str]:
    names = [f'<th rowspan="2">{name}</th>' for name in first]
    over = [f'<th class="first" colspan="{len(c)}">{g}</th>' for g, c in groups.items()]
    below = [
        _cell("th", title, is_first=i == 0)
        for columns in groups.values()
        for i, (title, _, _) in enumerate(columns.values())
    ]
    return [
        "<thead>",
        f"<tr>{''.join(names + over)}</tr>",
        f"<tr>{''.join(below)}</tr>",
        "</thead>",
    ]


def _row(
    row: Mapping[str, Any], groups: Mapping[str, Mapping[str, Any]], *, has_levels: bool
) -> str:
    names = [_title(row["model"]), TEXTS[row["texts"]], *([row["relevancy"]] if has_levels else [])]
    cells = [f"<th>{escape(name)}</th>" for name in names]
    for columns in groups.values():
        for i, (column, (_, factor, form)) in enumerate(columns.items()):
            cells.append(_cell("td", _text(row, column, factor, form), is_first=i == 0))
    style = ' class="grey"' if row["model"] == CHANCE else ""
    return f"<tr{style}>{''.join(cells)}</tr>"


def _title(model: str) -> str:
    return " + ".join(TITLES.get(name, name) for name in model.split("+"))


def _cell(tag: str, text: str, *, is_first: bool) -> str:
    return f'<{tag} class="first">{text}</{tag}>' if is_first else f"<{tag}>{text}</{tag}>"


def _text(row: Mapping[str, Any], column: str, factor: float, form: str) -> str:
    cell = row["cells"][column]
    if cell == NOT_RUN:
        return "&ndash;" if row["model"] == CHANCE else f'<span class="grey">{NOT_RUN}</span>'
    text = format(factor * cell["value"], form)
    deviation = format(factor * (cell["deviation"] or 0), form)
    if float(deviation):
        text += f' <span class="grey">&plusmn; {deviation}</span>'
    return text


def _files(files: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield what the numbers are from, a line a metrics file."""
    if not files:
        return
    yield "<p>These files have the numbers:</p>"
    yield "<ul>"
    for entry in files:
        weights = ", ".join(f"{name} {origin}" for name, origin in entry["weights"].items())
        yield f"<li>{escape(entry['path'])}: weights of {escape(weights)}</li>"
    yield "</ul>"
