"""What runs in the browser: modules that find each other, and that keep to themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest

from dashboard import frontend

FOLDER = Path(frontend.__file__).parent
MODULES = sorted(FOLDER.rglob("*.js"))
STYLES = sorted(FOLDER.rglob("*.css"))
INSIDE = re.compile(r'from "data:text/javascript,([^"]+)"')

FORBIDDEN = {
    "markup from text": re.compile(r"\b(inner|outer)HTML\b|insertAdjacentHTML|document\.write"),
    "code from text": re.compile(r"\beval\b|\bnew Function\b|set(Timeout|Interval)\(\s*[\"'`]"),
    "a request": re.compile(
        r"\bfetch\s*\(|XMLHttpRequest|WebSocket|EventSource|sendBeacon|importScripts|\bimport\("
    ),
    "an address": re.compile(r"(https?|wss?|ftp)://|[\"'`]//|url\(//"),
    "keeping": re.compile(r"localStorage|sessionStorage|indexedDB|document\.cookie"),
}
SVG = "http://www.w3.org/2000/svg"  # a name, which nothing is loaded from


def breaches(source: str) -> list[str]:
    return [what for what, rule in FORBIDDEN.items() if rule.search(source.replace(SVG, ""))]


def everything_inside(source: str) -> list[str]:
    """The texts of all modules that a script holds, at any depth."""
    found = [unquote(text) for text in INSIDE.findall(source)]
    return [*found, *(text for one in found for text in everything_inside(one))]


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder of modules in place of the real one; nothing read there is remembered."""
    monkeypatch.setattr(frontend, "_FOLDER", tmp_path)
    frontend.script.cache_clear()
    yield tmp_path
    frontend.script.cache_clear()


@pytest.mark.parametrize("path", [*MODULES, *STYLES], ids=lambda path: path.name)
def test_nothing_makes_markup_or_code_of_text_or_asks_the_network(path: Path) -> None:
    assert breaches(path.read_text()) == []


@pytest.mark.parametrize(
    "source",
    [
        "element.innerHTML = name",
        "root.insertAdjacentHTML('beforeend', name)",
        "eval(text)",
        'setTimeout("go()", 10)',
        "await fetch(url)",
        "new XMLHttpRequest()",
        'import x from "https://host/x.js"',
        "@import url(//host/font.css)",
        "const m = await import(name)",
        "localStorage.setItem('a', 1)",
    ],
)
def test_a_breach_is_noticed(source: str) -> None:
    assert breaches(source)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_every_module_has_all_that_it_imports_inside(path: Path) -> None:
    source = frontend.script(path.stem)
    for text in [source, *everything_inside(source)]:
        assert not re.search(r'(from|import)\s*["\']\.', text)
    direct = re.findall(r'from "\.{1,2}/(\w+)\.js"', path.read_text())
    inside = [unquote(text) for text in INSIDE.findall(source)]
    assert inside == [frontend.script(name) + f"\n//# sourceURL=helmholtz/{name}.js\n"
                      for name in direct]  # fmt: skip


def test_comments_stay_behind_and_lines_keep_their_numbers(
    modules: Path,
) -> None:
    written = '/** One.\n * Two. */\nconst a = "# % \\" /* é */";\n  // three\nb(a); // four\n'
    (modules / "part.js").write_text(written)
    (modules / "pad.js").write_text('import { x } from "./part.js";\n')
    source = frontend.script("pad")
    (inside,) = everything_inside(source)
    assert inside.splitlines()[:5] == ["", "", *written.splitlines()[2:3], "", "b(a); // four"]
    assert not re.search(r"[#\\\n\"']", INSIDE.findall(source)[0])


def test_no_two_modules_have_one_name() -> None:
    assert len({path.stem for path in MODULES}) == len(MODULES)


def test_a_module_of_another_component_is_not_imported(
    modules: Path,
) -> None:
    (modules / "pad").mkdir()
    (modules / "pad/pad.js").write_text("export const x = 1;\n")
    (modules / "one.js").write_text('import { x } from "./pad.js";\n')
    with pytest.raises(ValueError, match=r'no module "\./pad\.js" \(imported by one\.js\)'):
        frontend.script("one")


def test_a_module_that_two_others_import_has_one_address(
    modules: Path,
) -> None:
    """The browser loads a module once for each address."""
    (modules / "shared.js").write_text("export const x = 1;\n")
    for name in ("one", "two"):
        (modules / f"{name}.js").write_text(
            f'import {{\n  x,\n}} from "./shared.js";\nexport const {name} = x;\n'
        )
    one, two = (INSIDE.findall(frontend.script(name)) for name in ("one", "two"))
    assert one == two
    assert "export const x = 1;" in unquote(one[0])


def test_an_unknown_module_is_named_with_what_there_is() -> None:
    with pytest.raises(ValueError, match=r'no module "latent_bad".*blob, .*model'):
        frontend.script("latent_bad")


def test_an_import_of_an_unknown_module_names_both(
    modules: Path,
) -> None:
    (modules / "pad.js").write_text('import { x } from "./gone.js";\n')
    with pytest.raises(ValueError, match=r'no module "\./gone\.js" \(imported by pad\.js\)'):
        frontend.script("pad")


def test_an_import_in_another_form_is_refused(
    modules: Path,
) -> None:
    (modules / "blob.js").write_text("export const x = 1;\n")
    (modules / "pad.js").write_text("import { x } from './blob.js';\n")
    with pytest.raises(ValueError, match=r'pad\.js must import as `from "\./name\.js"`'):
        frontend.script("pad")
