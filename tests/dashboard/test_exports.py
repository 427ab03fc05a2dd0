"""The popover with files and code."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest


def offering() -> None:
    import streamlit as st

    from dashboard.components.exports import Export, show_exports

    def make(name: str) -> bytes:
        st.session_state.setdefault("made", []).append(name)
        return name.encode()

    show_exports(
        [
            Export("Picture, PNG", "view.png", "image/png", lambda: make("png")),
            Export("Film, GIF", "view.gif", "image/gif", lambda: make("gif")),
        ],
        "import engine\n\nprint('**not** markdown')\n",
        key="page",
    )


def test_files_stand_in_order_with_their_names_and_are_not_made_before_they_are_asked_for() -> None:
    page = AppTest.from_function(offering, default_timeout=30).run()
    assert not page.exception, page.exception
    buttons = [button.proto for button in page.get("download_button")]
    assert [button.label for button in buttons] == ["Picture, PNG", "Film, GIF"]
    assert [button.id.rsplit("-", 1)[-1] for button in buttons] == [
        "page.export.view.png", "page.export.view.gif",
    ]  # fmt: skip
    assert "made" not in page.session_state


def test_the_code_is_shown_as_it_is_and_the_address_is_named_as_the_link() -> None:
    page = AppTest.from_function(offering, default_timeout=30).run()
    (code,) = page.code
    assert code.value == "import engine\n\nprint('**not** markdown')"
    assert code.language == "python"
    assert "The address of this page is a link to exactly this view" in page.caption[0].value


def test_a_view_without_files_still_has_its_code() -> None:
    def coding() -> None:
        from dashboard.components.exports import show_exports

        show_exports([], "import engine\n", key="page")

    page = AppTest.from_function(coding, default_timeout=30).run()
    assert not page.exception, page.exception
    assert not page.get("download_button")
    assert page.code[0].value == "import engine"
