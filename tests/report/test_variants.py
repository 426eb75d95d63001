import json
import re
from xml.etree import ElementTree

import pytest

from avlib.report.variants import draw_variants
from avlib.valor.metrics import TABLE

PUBLISHED = {name: 60.0 + i for i, name in enumerate(TABLE)}


def entry(first, published=None):
    """Scores that count up from `first`."""
    return {"scores": {name: first + i for i, name in enumerate(TABLE)}, "published": published}


def page(folder, variants, notes=(), name="variants.html"):
    content = {"study": "llp", "split": "test", "variants": variants, "notes": list(notes)}
    (folder / "summary.json").write_text(json.dumps(content), encoding="ascii")
    draw_variants(folder / "summary.json", folder / name)
    return (folder / name).read_text(encoding="utf-8")


def table(text):
    """The rows of the table by variant, each a list of cells, as XML elements."""
    found = re.search(r"<tbody>.*</tbody>", text, re.DOTALL)[0].replace("&ndash;", "none")
    rows = [list(row) for row in ElementTree.fromstring(found)]
    return {row[0].text: row[1:] for row in rows}


def bold(cells):
    return [name for name, cell in zip(TABLE, cells, strict=True) if cell.find("b") is not None]


def test_each_variant_has_a_row_of_ten_scores_with_two_decimals(tmp_path):
    rows = table(page(tmp_path, {"han": entry(30.126), "valor++": entry(20.0)}))
    assert list(rows) == ["han", "valor++"]
    assert ["".join(cell.itertext()) for cell in rows["han"]] == [
        f"{30.126 + i:.2f}" for i in range(10)
    ]
    assert [cell.text for cell in rows["valor++"]] == [f"{20 + i}.00" for i in range(10)]


def test_the_best_of_each_column_is_bold(tmp_path):
    better = entry(10.0)
    better["scores"]["Seg-av"] = 90.0
    rows = table(page(tmp_path, {"han": entry(9.0), "valor": better, "valor+": entry(50.0)}))
    assert bold(rows["han"]) == []
    assert bold(rows["valor"]) == ["Seg-av"]
    assert bold(rows["valor+"]) == [name for name in TABLE if name != "Seg-av"]


def test_scores_that_look_equal_are_equally_good(tmp_path):
    rows = table(page(tmp_path, {"han": entry(9.001), "valor": entry(9.002)}))
    assert bold(rows["han"]) == bold(rows["valor"]) == list(TABLE)


def test_published_scores_stand_in_grey_and_are_explained(tmp_path):
    text = page(tmp_path, {"han": entry(30.0, PUBLISHED), "valor": entry(40.0)})
    rows = table(text)
    spans = [cell.find("span") for cell in rows["han"]]
    assert [span.text for span in spans] == [f"{60 + i}.0" for i in range(10)]
    assert {span.get("class") for span in spans} == {"grey below"}
    assert bold(rows["han"]) == []  # what was published is no result
    assert not [cell for cell in rows["valor"] if cell.find("span") is not None]
    assert "In grey: what the papers report" in text
    assert "In grey" not in page(tmp_path, {"valor": entry(40.0)})


def test_a_split_without_videos_has_dashes(tmp_path):
    nothing = {"scores": dict.fromkeys(TABLE), "published": None}
    rows = table(page(tmp_path, {"han": nothing}))
    assert [cell.text for cell in rows["han"]] == ["none"] * 10


def test_columns_are_in_the_published_order(tmp_path):
    head = re.search(r"<thead>.*</thead>", page(tmp_path, {"han": entry(1.0)}), re.DOTALL)[0]
    groups, names = list(ElementTree.fromstring(head))
    assert [(cell.text, cell.get("colspan")) for cell in groups][1:] == [
        ("F of segments", "5"),
        ("F of events", "5"),
    ]
    assert [cell.text for cell in names] == ["audio", "visual", "both", "Type", "Event"] * 2


@pytest.mark.parametrize("outside", ["<script", "http:", "src=", "href=", "url("])
def test_the_page_needs_nothing_from_outside_and_notes_are_text(tmp_path, outside):
    text = page(tmp_path, {"han": entry(1.0, PUBLISHED)}, notes=["1 < 2 & <script>"])
    assert outside not in text
    assert "<li>1 &lt; 2 &amp; &lt;script&gt;</li>" in text


def test_the_same_summary_gives_the_same_bytes(tmp_path):
    variants = {"han": entry(1.0, PUBLISHED), "valor": entry(2.0)}
    assert page(tmp_path, variants, name="a.html") == page(tmp_path, variants, name="b.html")
