"""The few lines that a person reads first of retrieval by text: metrics files, and the tables."""

from collections.abc import Iterator, Mapping
from typing import Any

from avlib.io.json_files import value_at

CHANCE = "chance"  # in place of a model in the tables: what a random order reaches
# Numbers that are shown: place below a kind of texts, what it is called, and what makes percents.
SHOWN = (
    (("map", "mean"), "mAP", 100),
    (("ndcg", "mean"), "nDCG", 100),
    (("accuracy", "inter_video"), "inter-video", 1),
    (("accuracy", "intra_video"), "intra-video", 1),
)

Metrics = Mapping[str, Any]


def is_retrieval(content: Metrics) -> bool:
    """Say whether a file is of retrieval: metrics of a model, or the tables of all."""
    return "tables" in content or ("model" in content and "chance" in content)


def retrieval_lines(content: Metrics) -> list[str]:
    """Return a line for each kind of texts, of all clips or else the first subset; or each table.

    What a random order reaches stands beside the numbers, where it is known.

    Args:
        content: what `evaluate_retrieval` or `gather_tables` wrote.
    """
    lines = _tables(content) if "tables" in content else _subset(content)
    return list(lines)


def _subset(content: Metrics) -> Iterator[str]:
    relevancy, *others = content["metrics"]
    level = _level(relevancy)
    for kind, values in content["metrics"][relevancy].items():
        chance = value_at(content["chance"], (relevancy, kind))
        parts = [
            f"{title} {_percent(value, factor)}{_beside(value_at(chance, place), factor)}"
            for place, title, factor in SHOWN
            if (value := value_at(values, place)) is not None
        ]
        yield f"{content['model']}, {kind} texts{level}: {', '.join(parts) or 'no query'}"
    if others:
        yield f"the file has also the clips of {', '.join(others)} relevancy"


def _tables(content: Metrics) -> Iterator[str]:
    for table in content["tables"]:
        rows = [row for row in table["rows"] if row["model"] != CHANCE]
        done = [row for row in rows if row["file"] is not None]
        columns = [(f"{a}.{b}", title, f) for (a, b), title, f in SHOWN]
        place, title, factor = next(c for c in columns if c[0] in table["columns"])
        text = f"table {table['number']}, {table['title']}: {len(done)} of {len(rows)} rows run"
        found = [row for row in done if isinstance(row["cells"][place], Mapping)]
        if found:
            best = max(found, key=lambda row: row["cells"][place]["value"])
            value = _percent(best["cells"][place]["value"], factor)
            text += f"; highest {title} {value}{_beside(_chance(table, best, place), factor)}"
            text += f" of {best['model']} with {best['texts']} texts{_level(best['relevancy'])}"
        yield text


def _chance(table: Metrics, beside: Metrics, place: str) -> float | None:
    """Return what a random order reaches where a row of a table has its number."""
    same = ("relevancy", "texts")
    for row in table["rows"]:
        if row["model"] == CHANCE and all(row[name] == beside[name] for name in same):
            value: float | None = value_at(row["cells"], (place, "value"))
            return value
    return None


def _level(relevancy: str) -> str:
    return "" if relevancy == "all" else f", {relevancy} relevancy"


def _percent(value: float, factor: int) -> str:
    return f"{factor * value:.1f} %"


def _beside(chance: float | None, factor: int) -> str:
    return "" if chance is None else f" (random order {_percent(chance, factor)})"
