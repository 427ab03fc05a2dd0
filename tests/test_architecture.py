"""Rules that no single module can keep: who imports whom, what is drawn from, what is read."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ENGINE = sorted((ROOT / "engine").rglob("*.py"))
SOURCES = [*ENGINE, *sorted((ROOT / "dashboard").rglob("*.py")), ROOT / "streamlit_app.py"]
LATE = {
    "IPython",
    "PIL",
    "arviz_stats",
    "matplotlib",
    "mlxtend",
    "pandas",
    "plotly",
    "pooch",
    "requests",
    "scipy",
    "sklearn",
    "streamlit",
}


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imports(tree: ast.AST) -> Iterator[str]:
    """Every module that the code names in an import, early or late."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield node.module or ""


def dotted(node: ast.AST) -> str:
    """`a.b.c` of an attribute of a name; calls within are left out."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.insert(0, node.attr)
        node = node.value
    return ".".join([node.id, *parts]) if isinstance(node, ast.Name) else ".".join(["", *parts])


def breaches(source: str) -> list[str]:
    """What in `source` reads pickles or YAML, or uses a random state that is shared."""
    tree = ast.parse(source)
    found = [
        f"imports {name}"
        for name in imports(tree)
        if name.split(".")[0] in {"pickle", "cloudpickle", "dill", "joblib", "shelve", "yaml"}
        or name in {"random", "numpy.random"}
    ]
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            name = dotted(node)
            drawn = name.removeprefix("numpy.random.").removeprefix("np.random.")
            if drawn != name and drawn not in {"default_rng", "Generator"}:
                found.append(name)
            if name in {"torch.manual_seed", "torch.seed", "torch.set_rng_state"}:
                found.append(name)
            if name in {"torch.load", "torch.save", "pd.read_pickle", "torch.hub"}:
                found.append(name)
        if isinstance(node, ast.Call):
            found += [
                f"{dotted(node.func)}({keyword.arg}=...)"
                for keyword in node.keywords
                if keyword.arg in {"allow_pickle", "unsafe_allow_html"}
                and not (isinstance(keyword.value, ast.Constant) and keyword.value.value is False)
            ]
    return found


@pytest.mark.parametrize("path", ENGINE, ids=relative)
def test_the_engine_never_imports_the_dashboard_or_streamlit(path):
    names = {name.split(".")[0] for name in imports(ast.parse(path.read_text()))}
    assert not names & {"streamlit", "dashboard", "plotly"}


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_nothing_is_unpickled_and_no_shared_random_state_is_used(path):
    assert breaches(path.read_text()) == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from yaml import safe_load",
        "import random",
        "def f():\n    import joblib",
        "torch.load(path)",
        "torch.manual_seed(0)",
        "np.random.seed(0)",
        "x = np.random.rand(3)",
        "np.load(path, allow_pickle=True)",
        "np.load(path, allow_pickle=flag)",
        "st.markdown(text, unsafe_allow_html=True)",
    ],
)
def test_a_breach_of_these_rules_is_noticed(source):
    assert breaches(source)


def test_what_the_rules_allow_is_let_through():
    assert not breaches(
        "import numpy as np\n"
        "from engine.random import make_generator\n"
        "generator = torch.Generator().manual_seed(0)\n"
        "rng = np.random.default_rng(0)\n"
        "np.load(path, allow_pickle=False)\n"
    )


def imported_by(statement: str) -> set[str]:
    """The top-level modules in a fresh process after `statement`."""
    code = f"import json, sys\n{statement}\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return {name.split(".")[0] for name in json.loads(done.stdout)}


@pytest.mark.timeout(600)
def test_the_training_path_loads_torch_numpy_safetensors_and_click_alone():
    allowed = imported_by("import torch, numpy, safetensors.torch, click")
    ours = imported_by("import engine.training.run, engine.__main__")
    assert not ours & LATE
    assert ours - allowed - set(sys.stdlib_module_names) == {"engine"}
