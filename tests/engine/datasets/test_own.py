"""A user's own pictures: what is found out about them, and what is refused and why."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from engine.datasets import DATASETS, load_dataset
from engine.datasets.own import load_own, own_name
from engine.errors import DatasetError

RANDOM = np.random.default_rng(5)


def grey(count: int = 40, height: int = 5, width: int = 7) -> np.ndarray:
    return RANDOM.integers(0, 256, (count, height, width), dtype=np.uint8)


def colour(count: int = 40, height: int = 5, width: int = 7) -> np.ndarray:
    return RANDOM.integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def folder(path: Path, images: np.ndarray, suffix: str = ".png") -> Path:
    path.mkdir(parents=True, exist_ok=True)
    for number, image in enumerate(images):
        # lossy WebP colours grey noise a little
        Image.fromarray(image).save(path / f"image-{number:03}{suffix}", lossless=True)
    return path


def npz(path: Path, **arrays: np.ndarray) -> Path:
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return path


def everything(data) -> torch.Tensor:
    return torch.cat([data.train, data.valid, data.test])


# --- what is found out --------------------------------------------------------------------------


def test_a_folder_of_grey_images_becomes_a_set(tmp_path) -> None:
    images = grey()
    data = load_own(folder(tmp_path / "My Cats", images))
    assert data.name == "own-my-cats"
    assert data.image_shape == (5, 7)
    assert data.likelihood == "gaussian"
    assert {split: len(x) for split, x in data.pixels.items()} == {
        "train": 32,
        "valid": 4,
        "test": 4,
    }
    expected = sorted(images.reshape(40, -1).tolist())
    assert sorted(torch.round(everything(data) * 255).int().tolist()) == expected


def test_the_split_is_the_same_every_time_and_takes_no_image_twice(tmp_path) -> None:
    path = npz(tmp_path / "set.npz", images=grey())
    first, again = load_own(path), load_own(path)
    for split in first.pixels:
        assert first.pixels[split].equal(again.pixels[split])
    assert len(everything(first).unique(dim=0)) == 40


def test_colour_is_kept_with_its_three_values_side_by_side(tmp_path) -> None:
    images = colour()
    data = load_own(folder(tmp_path / "pictures", images))
    assert data.image_shape == (5, 7, 3)
    assert data.data_dim == 105
    assert data.train[0].view(5, 7, 3).tolist() in (images / np.float32(255)).tolist()


def test_grey_images_that_are_stored_in_colour_are_grey(tmp_path) -> None:
    images = np.repeat(grey()[..., None], 3, axis=-1)
    assert load_own(folder(tmp_path / "pictures", images)).image_shape == (5, 7)
    mixed = folder(tmp_path / "mixed", grey())
    Image.fromarray(colour(1)[0]).save(mixed / "one-in-colour.png")
    assert load_own(mixed).image_shape == (5, 7, 3)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".gif", ".webp", ".TIFF", ".pgm"])
def test_the_common_formats_are_read(suffix, tmp_path) -> None:
    data = load_own(folder(tmp_path / "set", grey(20), suffix))
    assert data.image_shape == (5, 7)


def test_subfolders_are_classes(tmp_path) -> None:
    for name, count in {"dogs": 12, "cats": 10, "empty": 0, ".hidden": 3}.items():
        folder(tmp_path / name, grey(count))
    data = load_own(tmp_path)
    assert data.class_names == ("cats", "dogs")
    assert data.labels is not None
    assert torch.cat(list(data.labels.values())).bincount().tolist() == [10, 12]


def test_other_files_in_a_folder_are_passed_over(tmp_path) -> None:
    path = folder(tmp_path / "set", grey(20))
    (path / "notes.txt").write_text("not an image")
    (path / ".thumb.png").write_bytes(b"not one either")
    assert len(everything(load_own(path))) == 20


BITS = (grey() > 128).astype(np.uint8)


@pytest.mark.parametrize(
    "images",
    [BITS, BITS.astype(bool), BITS.astype(np.float32), 255 * BITS, BITS.astype(np.int64)],
    ids=["bytes", "bool", "float", "255", "int"],
)
def test_bits_are_recognised(images, tmp_path) -> None:
    data = load_own(npz(tmp_path / "bits.npz", images=images))
    assert (data.likelihood, data.levels) == ("bernoulli", 1)
    assert sorted(everything(data).int().tolist()) == sorted(BITS.reshape(40, -1).tolist())


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_values_from_zero_to_one_are_scaled(dtype, tmp_path) -> None:
    images = grey()
    data = load_own(npz(tmp_path / "set.npz", images=(images / 255).astype(dtype)))
    expected = sorted(images.reshape(40, -1).tolist())
    tolerance = 0 if dtype != np.float16 else 1
    found = torch.round(everything(data) * 255).int()
    assert data.levels == 255
    if tolerance == 0:
        assert sorted(found.tolist()) == expected
    whole = load_own(npz(tmp_path / "set.npz", images=images.astype(dtype)))
    assert sorted(torch.round(everything(whole) * 255).int().tolist()) == expected


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((40, 49), (7, 7)),
        ((40, 5, 7), (5, 7)),
        ((40, 5, 7, 1), (5, 7)),
        ((40, 1, 5, 7), (5, 7)),
        ((40, 5, 7, 3), (5, 7, 3)),
        ((40, 3, 5, 7), (5, 7, 3)),
    ],
)
def test_shapes_of_arrays_are_found_out(shape, expected, tmp_path) -> None:
    images = RANDOM.integers(0, 256, shape, dtype=np.uint8)
    data = load_own(npz(tmp_path / "set.npz", of_any_name=images))
    assert data.image_shape == expected
    if len(shape) == 4 and shape[1] == 3:
        images = images.transpose(0, 2, 3, 1)
    assert data.pixels["train"][0].tolist() in images.reshape(40, -1).tolist()


def test_labels_stay_with_their_images(tmp_path) -> None:
    images = grey()
    data = load_own(npz(tmp_path / "set.npz", images=images, labels=images[:, 0, 0] // 64))
    assert data.labels is not None
    for split, values in data.labels.items():
        assert values.tolist() == (data.pixels[split][:, 0] // 64).tolist()
    assert data.class_names == ("0", "1", "2", "3")


def test_a_split_of_ones_own_is_kept(tmp_path) -> None:
    train, test = grey(30), grey(10)
    data = load_own(npz(tmp_path / "set.npz", train_images=train, test_images=test))
    assert data.pixels["test"].tolist() == test.reshape(10, -1).tolist()
    assert (len(data.train), len(data.valid)) == (27, 3)
    assert "validation is taken" in data.protocol
    valid = grey(4)
    path = npz(tmp_path / "three.npz", train_images=train, valid_images=valid, test_images=test)
    data = load_own(path)
    assert data.pixels["train"].tolist() == train.reshape(30, -1).tolist()
    assert data.pixels["valid"].tolist() == valid.reshape(4, -1).tolist()


def test_the_protocol_names_the_content_and_no_folder(tmp_path) -> None:
    images = grey()
    data = load_own(npz(tmp_path / "cats.npz", images=images))
    assert str(tmp_path) not in data.protocol
    assert "/" not in data.name
    assert "40 items of shape (5, 7), grey values / 255" in data.protocol
    assert "32 / 4 / 4" in data.protocol
    images[0, 0, 0] ^= 1
    assert load_own(npz(tmp_path / "cats.npz", images=images)).protocol != data.protocol


@pytest.mark.parametrize(
    ("path", "name"),
    [("a/Holiday 2024.npz", "own-holiday-2024"), ("b/ümläut", "own-ml-ut"), ("c/<b>", "own-b")],
)
def test_names_are_made_of_plain_letters(path, name) -> None:
    assert own_name(Path(path)) == name


def test_four_training_images_are_enough_to_take_validation_from(tmp_path) -> None:
    path = npz(tmp_path / "set.npz", train_images=grey(4), test_images=grey())
    data = load_own(path)
    assert (len(data.train), len(data.valid), len(data.test)) == (2, 2, 40)


# --- what is refused ----------------------------------------------------------------------------


def refused(path: Path, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        load_own(path)


def test_an_image_of_another_size_is_named(tmp_path) -> None:
    path = folder(tmp_path / "set", grey())
    Image.fromarray(grey(1, 9, 8)[0]).save(path / "odd.png")
    refused(path, r"40 of the 41 in .* are 7 x 5 pixels, and odd\.png is 8 x 9")


def test_an_animated_image_is_named(tmp_path) -> None:
    path = folder(tmp_path / "set", grey())
    frames = [Image.fromarray(image) for image in grey(3)]
    frames[0].save(path / "film.gif", save_all=True, append_images=frames[1:])
    refused(path, r"film\.gif is animated")


@pytest.mark.parametrize("keep", [0, 30, 60])
def test_a_damaged_image_is_named(keep, tmp_path) -> None:
    path = folder(tmp_path / "set", grey())
    file = path / "image-007.png"
    file.write_bytes(file.read_bytes()[:keep])
    refused(path, r"image-007\.png is damaged")


def test_a_transparent_image_is_named_and_an_opaque_one_is_read(tmp_path) -> None:
    images = colour(20)
    opaque = np.concatenate([images, np.full((20, 5, 7, 1), 255, np.uint8)], axis=-1)
    path = folder(tmp_path / "set", opaque)
    assert load_own(path).image_shape == (5, 7, 3)
    opaque[0, 0, 0, 3] = 17
    Image.fromarray(opaque[0]).save(path / "glass.png")
    refused(path, r"glass\.png has transparent parts")


def test_an_image_with_more_than_eight_bits_is_named(tmp_path) -> None:
    path = folder(tmp_path / "set", grey())
    Image.fromarray(np.full((5, 7), 40_000, np.uint16)).save(path / "deep.png")
    refused(path, r"deep\.png is of the kind 'I;16': save it .* with 8 bits")


def test_an_image_that_is_too_large_is_named_before_it_is_decoded(tmp_path) -> None:
    path = folder(tmp_path / "set", grey())
    Image.new("L", (9000, 9000)).save(path / "huge.png")
    refused(path, r"huge\.png is too large: 9000 x 9000")


def test_a_folder_without_images_or_with_two_orders_is_refused(tmp_path) -> None:
    refused(tmp_path, "holds no images")
    folder(tmp_path / "train" / "cats", grey(2))
    refused(tmp_path, "deeper than in one subfolder")
    folder(tmp_path, grey(20))
    folder(tmp_path / "cats", grey(20))
    refused(tmp_path, "both directly and in subfolders .cats.")


@pytest.mark.parametrize("count", [0, 1, 19])
def test_too_few_items_are_refused(count, tmp_path) -> None:
    if count:
        refused(folder(tmp_path / "set", grey(count)), f"at least 20 items.*got {count}")
    path = npz(tmp_path / "set.npz", images=grey(max(count, 1)))
    refused(path, "at least 20 items")


class Payload:
    def __reduce__(self):
        return print, ("unpickled",)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"images": np.array([Payload()], dtype=object)}, "holds objects, which are never read"),
        ({"images": np.array(["a"] * 40)}, r"must hold numbers; `images` is of the type <U1"),
        ({"images": np.zeros((40, 5, 7), np.complex64)}, "must hold numbers"),
        ({"images": np.full((40, 5, 7), np.nan)}, "not finite"),
        ({"images": grey() - 300.0}, "from 0 to 1 or from 0 to 255; got -300"),
        ({"images": grey().astype(np.int32) * 2}, "from 0 to 1 or from 0 to 255"),
        ({"images": grey() / 255 * 1.02}, r"highest is 1\.02, .* all but black: clip"),
        ({"images": (grey() / 255 * 1.5).astype(np.float32)}, r"highest is 1\.5, .* all but black"),
        ({"images": grey() % 17}, r"highest is 16, .* divide them so that they end at 1"),
        (
            {"train_images": grey(), "test_images": grey() / 255},
            r"255 in all; the highest are 25\d \(train\), (1|0\.\d+) \(test\)",
        ),
        ({"images": np.full((40, 5, 7), 3)}, "the value 3 alone"),
        ({"images": np.zeros((40, 50))}, r"`images` has the shape \(40, 50\)"),
        ({"images": np.zeros((40, 5, 7, 4))}, r"`images` has the shape \(40, 5, 7, 4\)"),
        ({"images": np.zeros((40, 2, 2, 2, 2))}, "must hold images as"),
        ({"images": np.zeros((40, 0, 7))}, "must hold images as"),
        ({"images": np.zeros((0, 5, 7))}, "must hold images as"),
        ({"images": np.zeros((20, 300, 300, 3), np.uint8)}, "270000 values each"),
        ({"a": grey(), "b": grey()}, "it holds a, b"),
        ({}, "it holds nothing"),
        ({"images": grey(), "labels": np.zeros(3, int)}, "one label from 0 on"),
        ({"images": grey(), "labels": np.full(40, -1)}, "one label from 0 on"),
        ({"images": grey(), "labels": np.zeros(40)}, "one label from 0 on"),
        ({"train_images": grey()}, "no `test_images`"),
        ({"train_images": grey(), "test_images": grey(9, 3, 3)}, "other shapes in each split"),
        ({"train_images": grey(), "test_images": grey(1)}, "2 in each split"),
        (
            {"train_images": grey(2), "test_images": grey()},
            r"set\.npz must hold at least 4 items in `train_images`.*got 2, of which 0 would train",
        ),
        ({"train_images": grey(3), "test_images": grey()}, "got 3, of which 1 would train"),
    ],
)
def test_arrays_that_cannot_be_used_are_refused(arrays, message, tmp_path, capsys) -> None:
    refused(npz(tmp_path / "set.npz", **arrays), message)
    assert capsys.readouterr().out == ""


def test_files_of_another_kind_and_none_are_refused(tmp_path) -> None:
    refused(tmp_path / "missing", "does not exist")
    (tmp_path / "set.txt").write_text("x")
    refused(tmp_path / "set.txt", "must be a folder of images or a `.npz` file")
    (tmp_path / "set.npz").write_bytes(b"PK broken")
    refused(tmp_path / "set.npz", "is damaged")


# --- who may name a path ------------------------------------------------------------------------


def test_a_name_is_never_read_as_a_path(tmp_path) -> None:
    path = npz(tmp_path / "cats.npz", images=grey())
    with pytest.raises(ValueError, match="`name` must be one of"):
        load_dataset(str(path))
    with pytest.raises(DatasetError, match=r"'own-cats' is a user's own set.*--data PATH"):
        load_dataset("own-cats")
    with pytest.raises(ValueError, match="`name` must be one of"):
        load_dataset("cats")
    assert not any(name.startswith("own-") for name in DATASETS)
