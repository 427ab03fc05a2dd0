"""What a visitor can take along from a view: its link, files, and the code that makes it again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import streamlit as st

__all__ = ["Export", "show_exports"]


@dataclass(frozen=True)
class Export:
    """A file that is made when somebody asks for it.

    Attributes:
        label: on the button: "Interpolation, GIF".
        file_name: with its ending.
        mime: such as "image/gif".
        make: returns the content.
    """

    label: str
    file_name: str
    mime: str
    make: Callable[[], bytes]


def show_exports(files: Sequence[Export], code: str, *, key: str) -> None:
    """A popover with the files and the code; the address of the page is the link.

    Args:
        files: in the order of the buttons.
        code: a whole script on the engine's public interface.
        key: of the page, e.g. "sample".
    """
    with st.popover("Link, files, code", icon=":material/ios_share:", key=f"{key}.exports"):
        st.caption(
            "The address of this page is a link to exactly this view: it opens the same picture in "
            "any browser on this app."
        )
        with st.container(horizontal=True):
            for file in files:
                st.download_button(
                    file.label,
                    data=file.make,
                    file_name=file.file_name,
                    mime=file.mime,
                    icon=":material/download:",
                    key=f"{key}.export.{file.file_name}",
                    on_click="ignore",
                )
        st.markdown("**The code for this view**, run in the folder of the project:")
        st.code(code, language="python", wrap_lines=True)  # a part that scrolls is beyond the keys
