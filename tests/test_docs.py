"""The pages that a person reads: their width, their links, and the files that they name."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
OWN_FILE = re.compile(r"`((?:avlib|tests|rules|docs|configs|benchmarks|workflow_scripts)/[\w./]+)`")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_lines_are_at_most_100_characters_wide(page):
    lines = enumerate(page.read_text("utf-8").splitlines(), 1)
    assert not [number for number, line in lines if len(line) > 100]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_to_files_of_the_project_lead_somewhere(page):
    text = page.read_text("utf-8")
    links = [link.split("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text)]
    assert not [k for k in links if k and "://" not in k and not (page.parent / k).exists()]
    assert not [name for name in OWN_FILE.findall(text) if not (ROOT / name).exists()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_modules_that_a_page_names_exist(page):
    modules = {path.name for path in ROOT.rglob("*.py") if ".venv" not in path.parts}
    named = re.findall(r"`(?:[\w.]+/)*(\w+\.py)`", page.read_text("utf-8"))
    assert page.name == "CHANGELOG.md" or not set(named) - modules


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_page_installs_the_project_by_a_name_that_is_a_strangers(page):
    assert not re.search(r"pip install ['\"]?avlib", page.read_text("utf-8"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_work_without_an_activated_environment(page):
    blocks = re.findall(r"```bash\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    assert not [line for line in lines if re.match(r"(snakemake|python|pip) ", line)]
