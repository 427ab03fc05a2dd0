"""Which pages there are, in which order, at which address."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

import streamlit as st

from dashboard import permalinks

if TYPE_CHECKING:
    from streamlit.navigation.page import Page

__all__ = ["ENTRIES", "Entry", "entry", "links_of", "page", "pages"]


@dataclass(frozen=True)
class Entry:
    """One page: its module under `dashboard.pages`, and how the navigation shows it."""

    module: str
    title: str
    icon: str
    url_path: str

    def load(self) -> Callable[[], None]:
        """`render` of the page, importing its module only when the page is opened.

        What of the address the page could not use is said above it, unless it has said so itself.
        """

        def render() -> None:
            above = st.container()
            importlib.import_module(f"dashboard.pages.{self.module}").render()
            with above:
                permalinks.show_problems()

        return render


ENTRIES = (
    Entry("overview", "Overview", ":material/home:", ""),
    Entry("latent_space", "Latent space", ":material/scatter_plot:", "latent-space"),
    Entry("sample", "Sample", ":material/tune:", "sample"),
    Entry("filters", "Filters", ":material/grid_view:", "filters"),
    Entry("recognition", "Recognition", ":material/biotech:", "recognition"),
    Entry("impute", "Impute", ":material/auto_fix_high:", "impute"),
    Entry("documents", "Documents", ":material/article:", "documents"),
    Entry("estimators", "Estimators", ":material/ssid_chart:", "estimators"),
    Entry("training", "Training", ":material/timeline:", "training"),
    Entry("leaderboard", "Leaderboard", ":material/leaderboard:", "leaderboard"),
)


def entry(module: str) -> Entry:
    """The entry of a module.

    Raises:
        ValueError: no page has this name.
    """
    for one in ENTRIES:
        if one.module == module:
            return one
    raise ValueError(f"`module` must be one of {[one.module for one in ENTRIES]}; got {module!r}.")


def page(module: str) -> Page:
    """The page of a module, for `st.page_link`.

    Raises:
        ValueError: no page has this name.
    """
    one = entry(module)
    return st.Page(
        one.load(),
        title=one.title,
        icon=one.icon,
        url_path=one.url_path or None,
        default=not one.url_path,
    )


def pages() -> list[Page]:
    """The pages for `st.navigation`, the start page first."""
    return [page(one.module) for one in ENTRIES]


def links_of(checkpoint: str, modules: Sequence[str]) -> list[dict[str, str]]:
    """The pages that show a checkpoint, with addresses relative to any page."""
    found = []
    for module in modules:
        one = entry(module)
        found.append({"title": one.title, "href": f"{one.url_path}?checkpoint={quote(checkpoint)}"})
    training = entry("training")
    found.append({"title": "Curves", "href": f"{training.url_path}?curves={quote(checkpoint)}"})
    return found
