"""What runs in the browser: ES modules beside this file, and how Streamlit gets them."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import streamlit as st

__all__ = ["register", "script"]

_FOLDER = Path(__file__).resolve().parent
_IMPORT = re.compile(r'from "(\.{1,2}/(\w+)\.js)"')
_OTHER_IMPORT = re.compile(
    r"""^(?:import\b|export\b|\}).*\bfrom\s*["'](?!data:)|^import\s*["']""", re.MULTILINE
)
_COMMENT = re.compile(r"^[ \t]*(?:/\*.*?\*/|//[^\n]*)$", re.MULTILINE | re.DOTALL)
# All that may stand in an address inside double quotes: text in text in text stays short.
_PLAIN = " !$&()*+,-./:;<=>?@[]^_`{|}~"


def _modules() -> dict[str, Path]:
    """The modules by name: shared ones lie in this folder, those of a component in its own."""
    return {path.stem: path for path in sorted(_FOLDER.rglob("*.js"))}


@functools.cache
def script(name: str) -> str:
    """The module `name`.js with everything that it imports inside.

    Streamlit takes a component's JavaScript as one text. Modules that it imports are named by
    `data:` addresses that hold them, so they stay real modules: no bundler, and a module that two
    components share is loaded once. Comments stay behind (it is sent with each change of a
    component's data), their line breaks do not: an error names the line of the file.

    Raises:
        ValueError: there is no such module, or an import is not of the form `from "./other.js"` or
            `from "../other.js"`.
    """
    known = _modules()
    if name not in known:
        raise ValueError(f'there is no module "{name}"; there are: {", ".join(known)}.')
    path = known[name]
    source = path.read_text(encoding="utf-8")
    for place, wanted in _IMPORT.findall(source):
        if known.get(wanted) != (path.parent / place).resolve():
            raise ValueError(f'there is no module "{place}" (imported by {name}.js).')

    def inside(match: re.Match[str]) -> str:
        text = script(match[2]) + f"\n//# sourceURL=helmholtz/{match[2]}.js\n"
        return f'from "data:text/javascript,{quote(text, safe=_PLAIN)}"'

    bare = _COMMENT.sub(lambda comment: "\n" * comment[0].count("\n"), source)
    whole = _IMPORT.sub(inside, bare)
    if _OTHER_IMPORT.search(whole):
        raise ValueError(
            f'{name}.js must import as `from "./name.js"` or `from "../name.js"`, in no other form.'
        )
    return whole


def register(name: str) -> Callable[..., Any]:
    """The component whose module is `name`.js and whose style is base.css and `name`.css.

    Call it once, at module level: Streamlit knows components by their name.
    """
    source = script(name)  # a wrong name is named here
    styles = [_FOLDER / "base.css", _modules()[name].with_suffix(".css")]
    css = "\n".join(path.read_text(encoding="utf-8") for path in styles if path.exists())
    return st.components.v2.component(f"helmholtz_{name}", js=source, css=css)
