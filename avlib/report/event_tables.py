"""Tables of a study of annotated events, as a page of the report: heads, subsets and classes."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from avlib.evaluation.event_headline import HEADS, MODELS, SUBSETS
from avlib.io.json_files import read_json
from avlib.report.html import write_page

MEASURES = {"top1": "top-1", "top5": "top-5", "mean_class_accuracy": "class mean"}

Metrics = Mapping[str, Any]


def draw_event_tables(metrics: Path, target: Path) -> None:
    """Write the accuracies of all models as one HTML page, which needs nothing from outside.

    First each head over all events and over the subsets, then each class.

    Args:
        metrics: the study's `test_metrics.json`, from `evaluate_events`.
        target: HTML file to write.
    """
    content = read_json(metrics)
    of_models = {m: content["metrics"][m] for m in MODELS if m in content["metrics"]}
    heads = [head for head in HEADS if any(head in found for found in of_models.values())]
    notes = [f"<li>{escape(note)}</li>" for note in content["notes"]]
    caption = (
        f"Events of the {escape(content['split'])} split of the study {escape(content['study'])} "
        "in percent: the class is the first one, among the first five, and the mean over classes "
        "of the first. The class of verb and noun is right where both are."
    )
    lines = [
        *_table(caption, _head(heads), _rows(of_models, heads)),
        *(["<p>Before these numbers are compared with others:</p>", "<ul>", *notes, "</ul>"]),
    ]
    for head in heads:
        if any(head in found["class_accuracy"] for found in of_models.values()):
            lines += _classes(head, of_models)
    write_page(target, "Accuracies by head, subset and class", lines)


def _table(caption: str, head: Sequence[str], rows: Iterator[str]) -> list[str]:
    return [
        "<table>",
        f"<caption>{caption}</caption>",
        *("<thead>", *head, "</thead>"),
        *("<tbody>", *rows, "</tbody>"),
        "</table>",
    ]


def _head(heads: Sequence[str]) -> list[str]:
    """Return both lines of the head: heads, and measures below each."""
    groups = [f'<th class="first" colspan="{len(MEASURES)}">{HEADS[h]}</th>' for h in heads]
    names = [_cell("th", title, name) for _ in heads for name, title in MEASURES.items()]
    return [
        f'<tr><th rowspan="2"></th>{"".join(groups)}</tr>',
        f"<tr>{''.join(names)}</tr>",
    ]


def _rows(of_models: Metrics, heads: Sequence[str]) -> Iterator[str]:
    """Yield a row for each model, and below it one for each subset."""
    for model, found in of_models.items():
        parts = {MODELS[model]: found}
        parts |= {f"{MODELS[model]}, {SUBSETS[s]}": found[s] for s in SUBSETS if s in found}
        for title, part in parts.items():
            cells = [
                _cell("td", _percent(part.get(head, {}).get(name)), name)
                for head in heads
                for name in MEASURES
            ]
            yield f"<tr><th>{title}</th>{''.join(cells)}</tr>"


def _classes(head: str, of_models: Metrics) -> list[str]:
    """Return the table of the classes of a head, the commonest first."""
    rows: dict[int, Metrics] = {}
    accuracies: dict[str, dict[int, float]] = {}
    for model, found in of_models.items():
        if head in found["class_accuracy"]:
            listed = {row["class_id"]: row for row in found["class_accuracy"][head]}
            rows = listed | rows
            accuracies[model] = {number: row["accuracy"] for number, row in listed.items()}
    titles = "".join(f"<th>{MODELS[model]}</th>" for model in accuracies)
    head_row = f"<tr><th></th><th>events</th>{titles}</tr>"
    ordered = sorted(rows.values(), key=lambda row: (-row["items"], row["class_id"]))
    lines = (
        f"<tr><th>{escape(row['label'])}</th><td>{row['items']}</td>"
        + "".join(f"<td>{_percent(a.get(row['class_id']))}</td>" for a in accuracies.values())
        + "</tr>"
        for row in ordered
    )
    caption = f"{HEADS[head].capitalize()}: share of the events of each class that are right."
    return _table(caption, [head_row], lines)


def _cell(tag: str, text: str, measure: str) -> str:
    """Return a cell, with a line before it where a head begins."""
    is_first = measure == next(iter(MEASURES))
    return f'<{tag} class="first">{text}</{tag}>' if is_first else f"<{tag}>{text}</{tag}>"


def _percent(share: float | None) -> str:
    return "&ndash;" if share is None else f"{100 * share:.1f}"
