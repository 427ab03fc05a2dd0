"""Uploads: every PNG or JPEG becomes the pixels of a model, everything else a clear message."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from dashboard.images import prepare_colour, prepare_mask, prepare_picture
from dashboard.picture_files import MAX_BYTES, WORKING_SIDE, PictureError, read_colour, read_grey

DIGITS, FACES = (28, 28), (28, 20)


def encode(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=kind, **options)
    return buffer.getvalue()


def drawing(
    size: tuple[int, int] = (400, 300), mode: str = "L", paper: int = 235, ink: int = 40
) -> Image.Image:
    """A thick vertical stroke left of the middle, like a 1 on a sheet of paper."""
    image = Image.new("L", size, paper)
    ImageDraw.Draw(image).rectangle([100, 60, 119, 219], fill=ink)
    return image.convert(mode)


def chunk(kind: bytes, body: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(kind + body))
    return struct.pack(">I", len(body)) + kind + body + check


def claimed_png(width: int, height: int) -> bytes:
    """A tiny file that says it is huge."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + data + chunk(b"IEND", b"")


def text_bomb() -> bytes:
    """A good picture whose text chunk unpacks to 64 MB."""
    good = encode(drawing())
    bomb = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(64 * 2**20), 9))
    return good[:33] + bomb + good[33:]  # after the header chunk


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGB", "RGBA", "I;16"])
def test_every_png_mode_reads_to_the_same_grey_values(mode: str) -> None:
    image = drawing(paper=255, ink=0)
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image).astype(np.uint16) * 257)
    grey = read_grey(encode(image.convert(mode) if mode != "I;16" else image))
    expected = np.asarray(drawing(paper=255, ink=0), dtype=np.float32) / 255
    np.testing.assert_allclose(grey, expected, atol=0.01)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_jpegs_read_whatever_their_colours_and_are_reduced(mode: str) -> None:
    image = drawing((2000, 1500), mode)
    grey = read_grey(encode(image, "JPEG", progressive=True))
    assert max(grey.shape) == WORKING_SIDE
    assert abs(float(np.median(grey)) - 235 / 255) < 0.02
    assert grey.min() < 0.4


def test_transparent_parts_count_as_white() -> None:
    image = Image.new("RGBA", (30, 30), (0, 0, 0, 0))
    image.paste((0, 0, 0, 255), (10, 10, 20, 20))
    grey = read_grey(encode(image))
    assert grey[0, 0] == 1
    assert grey[15, 15] == 0
    palette = Image.new("P", (30, 30), 0)
    palette.paste(1, (10, 10, 20, 20))
    palette.putpalette([0, 0, 0, 0, 0, 0])
    grey = read_grey(encode(palette, transparency=0))
    assert grey[0, 0] == 1
    assert grey[15, 15] == 0


def test_a_photograph_is_turned_the_way_up_the_camera_noted() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise by a right angle
    grey = read_grey(encode(drawing((400, 300)), "JPEG", exif=exif))
    assert grey.shape == (400, 300)
    assert grey[110, 100] < 0.3  # the stroke lies now


def test_a_picture_of_one_pixel_in_one_direction_is_read() -> None:
    assert read_grey(encode(Image.new("L", (3000, 1), 7))).shape == (1, WORKING_SIDE)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not a PNG or JPEG"),
        (b"hello", "not a PNG or JPEG"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a PNG or JPEG"),
        (encode(drawing(), "GIF"), "not a PNG or JPEG"),
        (encode(drawing(), "TIFF"), "not a PNG or JPEG"),
        (encode(drawing())[:200], "not a PNG or JPEG"),
        (encode(drawing(), "JPEG")[:300], "not a PNG or JPEG"),
        (claimed_png(100, 100), "not a PNG or JPEG"),
        (claimed_png(10_000, 9_000), "more than 50 million pixels"),
        (claimed_png(60_000, 60_000), "more than 50 million pixels"),
        (text_bomb(), "not a PNG or JPEG"),
        (bytes(MAX_BYTES + 1), "larger than 8 MB"),
    ],
    ids=[
        "empty", "text", "svg", "gif", "tiff", "cut-png", "cut-jpeg", "short-pixels", "large",
        "bomb", "text-bomb", "bytes",
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_with_a_message(data: bytes, message: str) -> None:
    with pytest.raises(PictureError, match=message):
        read_grey(data)
    with pytest.raises(PictureError, match=message):
        prepare_picture(data, DIGITS, binary=True)
    with pytest.raises(PictureError, match=message):
        prepare_mask(data, DIGITS)


FILES = [
    encode(drawing((60, 50))),
    encode(drawing((60, 50), "RGBA")),
    encode(drawing((60, 50), "P")),
    encode(drawing((60, 50), "RGB"), "JPEG"),
]


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    data=st.sampled_from(FILES),
    changes=st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=8
    ),
    length=st.floats(0, 1),
)
def test_damaged_files_end_in_a_picture_or_in_its_own_error(
    data: bytes, changes: list[tuple[float, int]], length: float
) -> None:
    damaged = bytearray(data)
    for place, value in changes:
        damaged[int(place * len(damaged))] = value
    if length < 0.3:
        damaged = damaged[: int(length / 0.3 * len(damaged))]
    try:
        prepared = prepare_picture(bytes(damaged), DIGITS, binary=True, crop="strokes", invert=None)
    except PictureError:
        return
    assert prepared.pixels.shape == (784,)
    assert set(np.unique(prepared.pixels)) <= {0.0, 1.0}


def test_a_dark_stroke_on_paper_becomes_a_bright_centred_one_with_the_margins_of_mnist() -> None:
    prepared = prepare_picture(encode(drawing()), DIGITS, binary=True, crop="strokes", invert=None)
    assert [stage.label for stage in prepared.stages] == [
        "As uploaded", "Cropped", "Scaled to 28 × 28", "Inverted", "Full contrast", "Binarised",
    ]  # fmt: skip
    assert prepared.inverted
    assert prepared.pixels.dtype == np.float32
    bits = prepared.pixels.reshape(28, 28)
    rows, columns = np.nonzero(bits)
    assert abs(np.ptp(rows) + 1 - 20) <= 1
    assert abs(rows.mean() - 13.5) <= 0.75
    assert abs(columns.mean() - 13.5) <= 0.75
    assert bits[0].sum() == bits[-1].sum() == 0
    last = prepared.stages[-1].pixels
    assert np.array_equal(last, (bits * 255).astype(np.uint8))


def test_a_bright_stroke_on_black_is_not_inverted_and_gives_the_same_bits() -> None:
    dark = drawing(paper=20, ink=215)
    prepared = prepare_picture(encode(dark), DIGITS, binary=True, crop="strokes", invert=None)
    other = prepare_picture(encode(drawing()), DIGITS, binary=True, crop="strokes", invert=None)
    assert not prepared.inverted
    assert "Inverted" not in [stage.label for stage in prepared.stages]
    assert np.array_equal(prepared.pixels, other.pixels)


def test_a_lopsided_drawing_moves_towards_its_weight_and_keeps_a_margin() -> None:
    image = Image.new("L", (300, 300), 255)
    pen = ImageDraw.Draw(image)
    pen.rectangle([100, 40, 239, 79], fill=0)  # a heavy bar on top
    pen.rectangle([160, 80, 169, 239], fill=0)  # on a thin leg
    prepared = prepare_picture(encode(image), DIGITS, binary=True, crop="strokes", invert=None)
    rows = np.nonzero(prepared.pixels.reshape(28, 28))[0]
    assert abs(np.ptp(rows) + 1 - 20) <= 1
    assert rows.max() in (24, 25)
    assert rows.min() in (5, 6)


def test_a_stroke_at_the_edge_is_framed_with_paper() -> None:
    image = Image.new("L", (200, 200), 250)
    ImageDraw.Draw(image).rectangle([0, 0, 19, 99], fill=0)
    prepared = prepare_picture(encode(image), DIGITS, binary=True, crop="strokes", invert=None)
    bits = prepared.pixels.reshape(28, 28)
    assert bits[:2].sum() == bits[:, :8].sum() == 0
    assert abs(np.nonzero(bits)[1].mean() - 13.5) <= 0.75


def test_the_middle_crop_keeps_the_proportions_of_faces() -> None:
    image = Image.new("L", (300, 140), 0)
    image.paste(200, (100, 0, 200, 140))  # 100 x 140: just the frame
    prepared = prepare_picture(encode(image), FACES, binary=False)
    assert prepared.pixels.shape == (560,)
    np.testing.assert_allclose(prepared.pixels, 200 / 255, atol=0.01)
    assert prepared.stages[1].pixels.shape == (140, 100)


def test_a_picture_of_the_right_size_is_taken_as_it_is() -> None:
    pixels = np.zeros(DIGITS, dtype=np.uint8)
    pixels[3:9, 20] = 255
    prepared = prepare_picture(
        encode(Image.fromarray(pixels)), DIGITS, binary=True, crop="strokes", invert=None
    )
    assert np.array_equal(prepared.pixels.reshape(DIGITS), pixels / 255)


def test_the_threshold_moves_the_line_between_paper_and_ink() -> None:
    ramp = Image.fromarray(np.tile(np.arange(28, dtype=np.uint8) * 9, (28, 1)))
    shares = [
        prepare_picture(encode(ramp), DIGITS, binary=True, threshold=t).pixels.mean()
        for t in (0.25, 0.5, 0.75)
    ]
    np.testing.assert_allclose(shares, (0.75, 0.5, 0.25), atol=0.02)


def test_a_picture_of_one_brightness_is_refused() -> None:
    with pytest.raises(PictureError, match="one brightness"):
        prepare_picture(encode(Image.new("L", (50, 50), 128)), DIGITS, binary=True)


def test_wrong_options_are_the_callers_mistake() -> None:
    data = encode(drawing())
    with pytest.raises(ValueError, match="`crop` must be one of"):
        prepare_picture(data, DIGITS, binary=True, crop="left")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="`threshold` must be between 0 and 1; got 1"):
        prepare_picture(data, DIGITS, binary=True, threshold=1)


def test_white_stays_and_black_is_missing_in_an_uploaded_mask() -> None:
    image = Image.new("L", (560, 280), 255)
    image.paste(0, (140, 0, 280, 280))  # the left half of the middle square
    mask = prepare_mask(encode(image), DIGITS)
    kept = mask.pixels.reshape(28, 28)
    assert (kept[:, :14] == 0).all()
    assert (kept[:, 14:] == 1).all()
    assert mask.stages[-1].label == "White stays"


def gradient(size: tuple[int, int]) -> Image.Image:
    """Red from left to right, green from top to bottom, and half of blue."""
    across, down = np.meshgrid(np.linspace(0, 255, size[0]), np.linspace(0, 255, size[1]))
    values = np.stack([across, down, np.full_like(across, 128)], axis=-1)
    return Image.fromarray(values.round().astype(np.uint8))


def test_colours_come_through_cropped_and_scaled() -> None:
    made = prepare_colour(encode(gradient((600, 400))), (32, 32, 3))
    assert [stage.label for stage in made.stages] == ["As uploaded", "Cropped", "Scaled to 32 × 32"]
    pixels = made.pixels.reshape(32, 32, 3)
    assert pixels.dtype == np.float32
    # the middle 400 of 600 columns: red from a sixth on
    np.testing.assert_allclose(pixels[:, [0, -1], 0].mean(0), [1 / 6, 5 / 6], atol=0.02)
    np.testing.assert_allclose(pixels[[0, -1], :, 1].mean(1), [0, 1], atol=0.03)
    np.testing.assert_allclose(pixels[..., 2], 128 / 255, atol=0.01)


def test_a_picture_of_the_right_size_stays_as_it_is() -> None:
    image = gradient((32, 32))
    made = prepare_colour(encode(image), (32, 32, 3))
    assert len(made.stages) == 1
    np.testing.assert_allclose(made.pixels * 255, np.asarray(image).reshape(-1), atol=1e-4)


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "1", "I;16"])
def test_any_mode_is_read_in_colour(mode: str) -> None:
    image = drawing().convert("I").point(lambda v: v * 257) if mode == "I;16" else drawing()
    found = read_colour(encode(image.convert(mode)))
    assert found.shape == (300, 400, 3)
    grey = read_grey(encode(image.convert(mode)))
    np.testing.assert_allclose(found, np.repeat(grey[..., None], 3, axis=-1), atol=0.01)


def test_one_colour_shows_nothing_and_damage_is_told() -> None:
    with pytest.raises(PictureError, match="one colour"):
        prepare_colour(encode(Image.new("RGB", (64, 64), (200, 30, 90))), (32, 32, 3))
    with pytest.raises(PictureError, match="PNG or JPEG"):
        prepare_colour(b"nothing", (32, 32, 3))
