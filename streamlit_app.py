"""Helmholtz: `streamlit run streamlit_app.py`."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from dashboard import navigation

# Before the navigation, or the browser would fetch the page's own symbol as icon from a font host.
st.set_page_config(
    page_icon=str(Path(__file__).parent / "dashboard/assets/icon.svg"),
    layout="wide",
    menu_items={"About": "Helmholtz: train and explore models with a recognition network."},
)
page = st.navigation(navigation.pages())
st.set_page_config(page_title=f"{page.title} · Helmholtz")
page.run()
