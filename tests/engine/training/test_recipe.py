"""Recipes: what is read, what is overridden, what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.datasets import DATASETS
from engine.errors import EngineError, RecipeError
from engine.estimators import build_estimator
from engine.models import build_model
from engine.training.recipe import SHIPPED, load_recipe, parse_recipe, public_table

TEXT = """
[data]
name = "digits-mini"

[model]
name = "sbn"
layers = [20, 10]

[estimator]
name = "nvil"
normalise = false

[optimiser]
learning_rate = 3e-4

[training]
epochs = 2.5
compile = true
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "mine.toml"
    file.write_text(TEXT, encoding="utf-8")
    return file


def table() -> dict[str, dict[str, object]]:
    return {
        "data": {"name": "digits-mini"},
        "model": {"name": "vae"},
        "estimator": {"name": "sgvb-b"},
    }


def test_a_recipe_is_read_with_its_defaults(path):
    recipe = load_recipe(path)
    assert recipe.name == "mine"
    assert recipe.data == "digits-mini"
    assert (recipe.model.name, recipe.model.options) == ("sbn", {"layers": [20, 10]})
    assert (recipe.estimator.name, recipe.estimator.options) == ("nvil", {"normalise": False})
    assert recipe.optimiser.name == "adam"
    assert recipe.optimiser.learning_rate == 3e-4
    assert recipe.training.epochs == 2.5
    assert recipe.training.compile is True
    assert recipe.training.batch_size == 100
    assert recipe.evaluation.samples == 5000
    assert recipe.table["optimiser"] == {"learning_rate": 3e-4}


@pytest.mark.parametrize("file", sorted(SHIPPED.glob("*.toml")), ids=lambda file: file.stem)
def test_every_shipped_recipe_fits_its_data_model_and_estimator(file):
    recipe = load_recipe(file.stem)
    assert recipe.data in DATASETS or "path" in recipe.table["data"]
    pixels = recipe.model.options.get("image_width", 10)  # a few; they must fill a row
    model = build_model(recipe.model.name, data_dim=pixels, **recipe.model.options)
    build_estimator(recipe.estimator.name, model=model, **recipe.estimator.options)
    for options in recipe.variance.estimators.values():
        build_estimator(model=model, **options)


@pytest.mark.parametrize(
    ("override", "section", "key", "value"),
    [
        ("training.epochs=7", "training", "epochs", 7),
        ("training.average = 0.5", "training", "average", 0.5),
        ("training.compile=false", "training", "compile", False),
        ("training.precision=bfloat16", "training", "precision", "bfloat16"),
        ('optimiser.name="rmsprop"', "optimiser", "name", "rmsprop"),
        ("evaluation.items=100", "evaluation", "items", 100),  # a section the file lacks
    ],
)
def test_an_override_replaces_one_value(path, override, section, key, value):
    recipe = load_recipe(path, [override])
    assert getattr(getattr(recipe, section), key) == value
    assert recipe.table[section][key] == value
    assert recipe.optimiser.learning_rate == 3e-4


def test_overrides_reach_models_estimators_and_nested_tables(path):
    recipe = load_recipe(
        path,
        [
            "model.layers=[5]",
            "estimator.decay=0.5",
            "variance.estimators.plain.name=score-function",
            "variance.epochs=[0, 2]",
        ],
    )
    assert recipe.model.options["layers"] == [5]
    assert recipe.estimator.options["decay"] == 0.5
    assert recipe.variance.estimators == {"plain": {"name": "score-function"}}
    assert list(recipe.variance.epochs) == [0, 2]


def test_the_last_override_of_a_key_wins_and_the_seed_wins_over_all(path):
    recipe = load_recipe(path, ["training.seed=3", "training.seed=4"])
    assert recipe.training.seed == 4
    assert load_recipe(path, ["training.seed=3"], seed=9).training.seed == 9
    assert load_recipe(path, seed=9).table["training"]["seed"] == 9


@pytest.mark.parametrize("override", ["epochs=3", "training.epochs", "=3", "training.=3", "..=1"])
def test_a_malformed_override_is_refused(path, override):
    with pytest.raises(RecipeError, match=r"section\.key=value"):
        load_recipe(path, [override])


def test_an_override_below_a_value_is_refused(path):
    with pytest.raises(RecipeError, match="'epochs' is a value, not a section"):
        load_recipe(path, ["training.epochs.more=3"])


def test_a_missing_recipe_is_refused_with_the_shipped_ones():
    with pytest.raises(RecipeError, match=r"no recipe 'nowhere'.*vae-20-mnist-static"):
        load_recipe("nowhere")


@pytest.mark.parametrize("content", [b"[data\nname = 3", b"\xff\xfe\x00"])
def test_a_file_that_is_not_toml_is_refused_by_its_path(tmp_path, content):
    file = tmp_path / "broken.toml"
    file.write_bytes(content)
    with pytest.raises(RecipeError, match=r"broken\.toml is not valid TOML"):
        load_recipe(file)


@pytest.mark.parametrize("section", ["data", "model", "estimator"])
def test_a_section_that_must_be_there_is_missed_by_name(section):
    for broken in ({}, {"name": 3}):
        recipe = table()
        recipe[section] = broken
        with pytest.raises(RecipeError, match=rf"\[{section}\] with a name"):
            parse_recipe(recipe, "x")
    recipe = table()
    del recipe[section]
    with pytest.raises(RecipeError, match=rf"\[{section}\] with a name"):
        parse_recipe(recipe, "x")


def test_a_path_of_ones_own_goes_before_the_name_of_a_set(path):
    recipe = load_recipe(path, ["data.path=some/folder"])
    assert (recipe.data, recipe.own_data) == ("some/folder", "some/folder")
    assert load_recipe(path, ["data.path=folder"]).own_data == "folder"
    assert load_recipe(path, ["data.name=some/set.npz"]).own_data == "some/set.npz"
    for name in ("mnist-static", "folder"):
        assert load_recipe(path, [f"data.name={name}"]).own_data is None
    for value in (3, ""):
        with pytest.raises(RecipeError, match=r"\[data\] with a name or a path"):
            parse_recipe(table() | {"data": {"name": "mnist", "path": value}}, "x")


def test_a_card_shows_the_last_part_of_a_path_alone():
    data = {"name": "/home/ada/cats.npz", "path": "/home/ada/dogs", "items": 30}
    shown = public_table(table() | {"data": data})
    assert shown["data"] == {"name": "cats.npz", "path": "dogs", "items": 30}
    assert shown["model"] == table()["model"]
    assert data["path"] == "/home/ada/dogs"
    for start, kept in [("/home/ada/a.safetensors", "a.safetensors"), ("dlgm-start", "dlgm-start")]:
        training = {"start": start, "epochs": 3}
        shown = public_table(table() | {"training": training})
        assert shown["training"] == {"start": kept, "epochs": 3}
        assert training["start"] == start


def test_unknown_sections_and_keys_are_refused_with_the_known_ones():
    with pytest.raises(RecipeError, match=r"unknown sections \['optimizer'\].*optimiser"):
        parse_recipe(table() | {"optimizer": {}}, "x")
    with pytest.raises(RecipeError, match=r"\[training\].*\['epoch'\].*'epochs'"):
        parse_recipe(table() | {"training": {"epoch": 3}}, "x")
    with pytest.raises(RecipeError, match=r"\[data\].*\['split'\]"):
        parse_recipe(table() | {"data": {"name": "mnist", "split": "train"}}, "x")


def test_a_value_in_the_place_of_a_section_is_refused():
    with pytest.raises(RecipeError, match=r"\[training\] must be a section.*got 3"):
        parse_recipe(table() | {"training": 3}, "x")


@pytest.mark.parametrize(("section", "key"), [("model", "data_dim"), ("estimator", "model")])
def test_what_the_data_decide_cannot_be_set(section, key):
    recipe = table()
    recipe[section] |= {key: 5}
    with pytest.raises(RecipeError, match=rf"`{section}\.{key}` must not be set"):
        parse_recipe(recipe, "x")


BAD = [
    ("data", "items", 1),
    ("data", "items", 2.5),
    ("data", "items", True),
    ("optimiser", "name", "lion"),
    ("optimiser", "name", 3),
    ("optimiser", "learning_rate", 0),
    ("optimiser", "learning_rate", -1e-3),
    ("optimiser", "learning_rate", "fast"),
    ("optimiser", "learning_rate", True),
    ("optimiser", "final_learning_rate", -1.0),
    ("optimiser", "hold", 1.5),
    ("optimiser", "recognition_rate", 0.0),
    ("optimiser", "weight_prior_variance", 0.0),
    ("optimiser", "weight_prior_variance", "wide"),
    ("optimiser", "recognition_prior_variance", -0.1),
    ("training", "epochs", 0),
    ("training", "epochs", "many"),
    ("training", "batch_size", 0),
    ("training", "batch_size", 2.5),
    ("training", "seed", -1),
    ("training", "seed", 2**63),
    ("training", "seed", 0.5),
    ("training", "average", 1.0),
    ("training", "average", -0.1),
    ("training", "evaluate_every", 0),
    ("training", "evaluate_items", 1),
    ("training", "select_samples", 0),
    ("training", "start", 3),
    ("training", "compile", 1),
    ("training", "compile", "yes"),
    ("training", "precision", "float16"),
    ("training", "storage", "bfloat16"),
    ("training", "train_samples", 0),
    ("evaluation", "samples", 0),
    ("evaluation", "split", "training"),
    ("evaluation", "items", 1),
    ("evaluation", "items", "all"),
    ("evaluation", "seed", -1),
    ("evaluation", "elbo_samples", 0),
    ("evaluation", "control", "L_100"),
    ("variance", "epochs", [-1]),
    ("variance", "epochs", 3),
    ("variance", "epochs", ["start"]),
    ("variance", "minibatches", 0),
    ("variance", "batch_size", 0),
    ("variance", "draws", 1),
    ("variance", "estimators", {"plain": "nvil"}),
    ("variance", "estimators", {"plain": {"name": "magic"}}),
    ("variance", "estimators", {"plain": {"name": ["nvil"]}}),
    ("variance", "estimators", {"plain": {}}),
]


@pytest.mark.parametrize(("section", "key", "value"), BAD)
def test_a_bad_value_is_refused_by_name_before_anything_is_trained(section, key, value):
    with pytest.raises(RecipeError, match=rf"`{section}\.{key}` must be .*got ") as caught:
        parse_recipe(table() | {section: table().get(section, {}) | {key: value}}, "x")
    assert repr(value) in str(caught.value)
    assert isinstance(caught.value, EngineError)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("text", ["inf", "nan", "2020-01-01"])
def test_values_that_no_card_can_hold_are_refused(path, text):
    with pytest.raises(RecipeError, match="finite numbers"):
        load_recipe(path, [f"estimator.hidden={text}"])
