"""Pictures that a visitor brings: the field, what came of the file, and each step on its way."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import streamlit as st

from dashboard.components.image_grid import show_picture
from dashboard.images import Prepared
from dashboard.picture_files import PictureError

__all__ = ["prepared", "show_stages", "upload"]

STAGE_SIDE = 112  # screen pixels of the longer side of a step from upload to model


def upload(label: str, key: str, help_text: str) -> bytes | None:
    """A field for a PNG or JPEG; None while there is none."""
    file = st.file_uploader(label, type=["png", "jpg", "jpeg"], key=key, help=help_text)
    return None if file is None else file.getvalue()


def prepared(
    key: str, data: bytes, options: object, make: Callable[[], Prepared]
) -> Prepared | None:
    """What came of an upload, made once for each file and setting; None after an error message."""
    signature = (hashlib.sha256(data).digest(), options)
    kept = st.session_state.get(key)
    if kept is None or kept[0] != signature:
        try:
            kept = (signature, make())
        except PictureError as error:
            st.error(str(error), icon=":material/broken_image:")
            return None
        st.session_state[key] = kept
    prepared: Prepared = kept[1]
    return prepared


def show_stages(title: str, prepared: Prepared) -> None:
    """Every step from the file to what the model is given, as a row of small pictures."""
    st.caption(f"{title}, from the file to what the model is given:")
    with st.container(horizontal=True):
        for stage in prepared.stages:
            height, width = stage.pixels.shape[:2]
            longer = max(height, width)
            scale = max(1, round(STAGE_SIDE / longer))
            show_picture(
                stage.pixels.repeat(scale, axis=0).repeat(scale, axis=1),
                caption=stage.label,
                width=max(24, round(STAGE_SIDE * width / longer)),
                alt=f"{title}: {stage.label}",
            )
