"""The READMEs are true: their tables, their files, their Python."""

from __future__ import annotations

import re
from pathlib import Path

import engine
from engine.datasets import find_dataset
from engine.evaluation.imputation_report import imputation_markdown
from engine.evaluation.imputation_table import read_table
from engine.report import readme_tables

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
MEASURED = (ROOT / "pretrained/README.md").read_text(encoding="utf-8")


def test_the_tables_of_checkpoints_are_what_the_list_command_prints() -> None:
    between = re.search(r"<!-- checkpoints: .* -->\n(.*)\n<!-- /checkpoints -->", README, re.DOTALL)
    assert between is not None
    cards = {name: engine.read_card(name) for name in engine.list_checkpoints()}
    assert between.group(1).strip() == readme_tables(cards)


def test_the_table_of_imputations_is_what_its_command_prints() -> None:
    rule = r"<!-- imputation: .* -->\n(.*)\n<!-- /imputation -->"
    between = re.search(rule, MEASURED, re.DOTALL)
    assert between is not None
    assert between.group(1).strip() == imputation_markdown(read_table())


def test_every_line_of_a_table_has_the_cells_of_its_header() -> None:
    tables = re.findall(r"(?:^\|.*\n)+", README + MEASURED, re.MULTILINE)
    assert len(tables) > 5
    for table in tables:
        cells = [len(re.split(r"(?<!\\)\|", line)) for line in table.splitlines()]
        assert set(cells) == {cells[0]}, table.splitlines()[cells.index(max(cells))]


def test_every_picture_and_folder_that_it_names_exists() -> None:
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", README)
    folders = re.findall(r"^\| `([^|`]+/)`", README, re.MULTILINE)
    assert pictures
    assert folders
    missing = [name for name in [*pictures, *folders] if not (ROOT / name).exists()]
    assert missing == []


def test_every_picture_has_an_alternative_text() -> None:
    assert all(text.strip() for text in re.findall(r"!\[([^\]]*)\]", README))


def test_its_commands_are_known_to_the_command_line() -> None:
    from engine.__main__ import main

    named = set(re.findall(r"python -m engine ([a-z][a-z-]*)", README + MEASURED))
    assert {"train", "evaluate", "data"} <= named
    assert named <= set(main.commands)


def test_its_python_example_runs() -> None:
    example = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert example is not None
    code = example.group(1)
    if find_dataset("mnist-static") is None:  # not at hand: the embedded digits stand in
        code = code.replace('"mnist-static"', '"digits-mini"')
    scope: dict[str, object] = {}
    exec(compile(code, "README.md", "exec"), scope)
    assert tuple(scope["images"].shape) == (16, 784)  # type: ignore[attr-defined]
