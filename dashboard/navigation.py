"""Which pages there are, in which order, at which address."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

if TYPE_CHECKING:
    from streamlit.navigation.page import Page

__all__ = ["ENTRIES", "Entry", "existing", "page", "pages"]


@dataclass(frozen=True)
class Entry:
    """One page: its module under `dashboard.pages`, and how the navigation shows it."""

    module: str
    title: str
    icon: str
    url_path: str

    def load(self) -> Callable[[], None]:
        """`render` of the page, importing its module only when the page is opened."""

        def render() -> None:
            importlib.import_module(f"dashboard.pages.{self.module}").render()

        return render


ENTRIES = (
    Entry("overview", "Overview", ":material/home:", ""),
    Entry("latent_space", "Latent space", ":material/scatter_plot:", "latent-space"),
    Entry("sample", "Sample", ":material/tune:", "sample"),
    Entry("impute", "Impute", ":material/auto_fix_high:", "impute"),
    Entry("estimators", "Estimators", ":material/ssid_chart:", "estimators"),
    Entry("training", "Training", ":material/timeline:", "training"),
)


def existing() -> list[Entry]:
    """The entries whose module is there."""
    return [
        entry
        for entry in ENTRIES
        if importlib.util.find_spec(f"dashboard.pages.{entry.module}") is not None
    ]


def _page(entry: Entry) -> Page:
    return st.Page(
        entry.load(),
        title=entry.title,
        icon=entry.icon,
        url_path=entry.url_path or None,
        default=not entry.url_path,
    )


def pages() -> list[Page]:
    """The pages for `st.navigation`, the first one being the start page."""
    return [_page(entry) for entry in existing()]


def page(module: str) -> Page | None:
    """The page of a module, for `st.page_link`; None where there is no such page."""
    return next((_page(entry) for entry in existing() if entry.module == module), None)
