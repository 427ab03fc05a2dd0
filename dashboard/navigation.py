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

__all__ = ["ENTRIES", "Entry", "entry", "existing", "page", "pages"]


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
        one
        for one in ENTRIES
        if importlib.util.find_spec(f"dashboard.pages.{one.module}") is not None
    ]


def _page(one: Entry) -> Page:
    return st.Page(
        one.load(),
        title=one.title,
        icon=one.icon,
        url_path=one.url_path or None,
        default=not one.url_path,
    )


def pages() -> list[Page]:
    """The pages for `st.navigation`, the first one being the start page."""
    return [_page(one) for one in existing()]


def entry(module: str) -> Entry:
    """The entry of a module.

    Raises:
        ValueError: no page has this name.
    """
    for one in ENTRIES:
        if one.module == module:
            return one
    raise ValueError(f"`module` must be one of {[one.module for one in ENTRIES]}; got {module!r}.")


def page(module: str) -> Page | None:
    """The page of a module, for `st.page_link`; None where there is no such page."""
    return next((_page(one) for one in existing() if one.module == module), None)
