"""Helmholtz: `streamlit run streamlit_app.py`."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from dashboard import navigation

st.set_page_config(
    page_title="Helmholtz",
    page_icon=str(Path(__file__).parent / "dashboard/assets/icon.svg"),
    layout="wide",
    menu_items={"About": "Helmholtz: train and explore models with a recognition network."},
)
st.navigation(navigation.pages()).run()
