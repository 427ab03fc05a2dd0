"""Helmholtz: `streamlit run streamlit_app.py`."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from dashboard import navigation

# Before the navigation, or the browser would fetch the page's own symbol as icon from a font host.
assets = Path(__file__).parent / "dashboard/assets"
st.set_page_config(
    page_icon=str(assets / "icon.svg"),
    layout="wide",
    menu_items={"About": "Helmholtz: train and explore models with a recognition network."},
)
page = st.navigation(navigation.pages())
st.html(assets / "app.css")
st.set_page_config(page_title=f"{page.title} · Helmholtz")
page.run()
