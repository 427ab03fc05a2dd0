"""The command line as its users call it: exit status, standard output, files."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from click.testing import CliRunner, Result

from engine.__main__ import main
from engine.checkpoints import load_checkpoint, read_card, read_curves
from engine.datasets import load_dataset
from engine.evaluation.grid import grid_posterior
from engine.evaluation.likelihood import subset

ROOT = Path(__file__).resolve().parents[3]
RECIPE = """
[data]
name = "digits-mini"

[model]
name = "vae"
latent_dim = 2
hidden = [16]

[estimator]
name = "sgvb-b"

[optimiser]
learning_rate = 5e-3

[training]
epochs = 3
batch_size = 200
average = 0.9
evaluate_every = 0.5
evaluate_items = 100

[evaluation]
samples = 40
"""


@pytest.fixture(autouse=True)
def torch_settings() -> Iterator[None]:
    """The commands change settings of the whole process: put them back."""
    yield
    torch.set_flush_denormal(False)
    torch.set_float32_matmul_precision("highest")


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recipes") / "tiny.toml"
    path.write_text(RECIPE, encoding="utf-8")
    return path


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "engine", *map(str, arguments)]


def run(*arguments: object) -> Result:
    """A command in this process; bugs are raised."""
    result = CliRunner().invoke(main, list(map(str, arguments)))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture(scope="module")
def trained(recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The folder of a training by `python -m engine`, and what it printed."""
    folder = tmp_path_factory.mktemp("runs") / "new"
    done = subprocess.run(
        command("train", recipe, "--out", folder, "--device", "cpu", "--json"),
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return folder, json.loads(done.stdout)


# --- train --------------------------------------------------------------------------------------


def test_train_writes_a_checkpoint_with_its_card_and_curves(trained):
    folder, printed = trained
    path = folder / "tiny.safetensors"
    assert printed["path"] == str(path)
    assert printed["card"] == read_card(path)
    card = printed["card"]
    assert (card["model"], card["dataset"], card["seed"]) == ("vae", "digits-mini", 0)
    assert card["config"]["data_dim"] == 784
    assert card["recipe"]["training"]["batch_size"] == 200
    assert (card["training"]["steps"], card["training"]["samples"]) == (60, 12_000)
    assert {"seconds", "device", "torch"} <= card["training"].keys()
    assert [row["name"] for row in card["metrics"]] == ["elbo", "reconstruction", "kl", "L_40"]
    for row in card["metrics"]:
        assert row["standard_error"] > 0
        assert (row["samples"], row["split"], row["items"]) == (40, "test", 500)


def test_a_few_epochs_improve_the_bound_by_many_nats(trained):
    curves = load_checkpoint(trained[0] / "tiny.safetensors").curves
    assert curves["step"].tolist() == list(range(0, 61, 10))
    assert curves["samples"][-1] == 12_000
    assert curves["valid_elbo"][-1] > curves["valid_elbo"][0] + 10
    assert all(np.isfinite(column).all() for column in curves.values())


def test_overrides_and_the_seed_reach_the_card(recipe, tmp_path):
    settings = ["--set", "training.epochs=0.05", "--set", "evaluation.samples=2"]
    result = run(
        "train", recipe, "--out", tmp_path, "--device", "cpu", "--seed", 7, "--json", *settings
    )
    assert result.exit_code == 0
    card = json.loads(result.stdout)["card"]
    assert card["seed"] == card["recipe"]["training"]["seed"] == 7
    assert card["training"]["steps"] == 1
    assert card["metrics"][-1]["name"] == "L_2"


def test_without_json_the_path_and_the_numbers_are_printed(recipe, tmp_path):
    settings = ["--set", "training.epochs=0.05", "--set", "evaluation.samples=2"]
    result = run("train", recipe, "--out", tmp_path, "--device", "cpu", *settings)
    path, *numbers = result.stdout.splitlines()
    assert path == str(tmp_path / "tiny.safetensors")
    assert [line.split()[0] for line in numbers] == ["elbo", "reconstruction", "kl", "L_2"]
    assert all("nats" in line and "±" in line for line in numbers)
    assert "tiny: step 1/1" in result.stderr


@pytest.mark.slow
def test_a_killed_training_resumes_to_the_same_weights_and_curves(trained, recipe, tmp_path):
    state = tmp_path / "tiny.state.safetensors"
    killed = subprocess.Popen(
        command("train", recipe, "--out", tmp_path, "--device", "cpu"),
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 250
        while not state.exists() and time.monotonic() < deadline and killed.poll() is None:
            time.sleep(0.01)
    finally:
        killed.send_signal(signal.SIGKILL)
        killed.wait()
    assert state.exists()
    result = run("train", recipe, "--out", tmp_path, "--device", "cpu", "--resume", "--json")
    assert result.exit_code == 0, result.output
    folder, printed = trained
    metrics = json.loads(result.stdout)["card"]["metrics"]
    assert metrics == printed["card"]["metrics"]
    ours, theirs = (safetensors.torch.load_file(f / "tiny.safetensors") for f in (tmp_path, folder))
    for key, value in ours.items():
        assert torch.equal(value, theirs[key]), key
    curves = read_curves(tmp_path / "tiny.csv")
    for key, column in read_curves(folder / "tiny.csv").items():
        if key != "seconds":
            np.testing.assert_array_equal(curves[key], column, err_msg=key)


# --- evaluate -----------------------------------------------------------------------------------


def test_evaluate_gives_the_numbers_of_the_card_again(trained):
    folder, printed = trained
    done = subprocess.run(
        command("evaluate", folder / "tiny.safetensors", "--samples", 40, "--seed", 1, "--json"),
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    result = json.loads(done.stdout)
    assert result["checkpoint"] == "tiny"
    assert result["protocol"] == printed["card"]["protocol"]
    for ours, card in zip(result["metrics"], printed["card"]["metrics"], strict=True):
        assert ours["name"] == card["name"]
        assert ours["value"] != card["value"]  # other draws
        assert abs(ours["value"] - card["value"]) < 2 * card["standard_error"]


def test_evaluate_with_the_seed_of_the_recipe_repeats_the_card_exactly(trained):
    folder, printed = trained
    path = folder / "tiny.safetensors"
    result = run("evaluate", path, "--samples", 40, "--json")
    for ours, card in zip(
        json.loads(result.stdout)["metrics"], printed["card"]["metrics"], strict=True
    ):
        assert ours == pytest.approx(card)


def test_evaluate_takes_a_split_and_a_limit(trained):
    path = trained[0] / "tiny.safetensors"
    result = run("evaluate", path, "--samples", 2, "--split", "valid", "--limit", 30, "--json")
    rows = json.loads(result.stdout)["metrics"]
    assert {(row["split"], row["items"]) for row in rows} == {("valid", 30)}
    assert "nats" in run("evaluate", path, "--samples", 2, "--limit", 30).stdout


def test_evaluate_gives_the_curve_from_the_elbo_to_the_bound(trained):
    path = trained[0] / "tiny.safetensors"
    answer = json.loads(run("evaluate", path, "--samples", 40, "--limit", 20, "--json").stdout)
    assert [row["samples"] for row in answer["curve"]] == [1, 2, 5, 10, 20, 40]
    numbers = {row["name"]: row["value"] for row in answer["metrics"]}
    assert answer["curve"][0]["value"] == pytest.approx(numbers["elbo"])
    assert answer["curve"][-1]["value"] == pytest.approx(numbers["L_40"])


def test_evaluate_by_annealing_agrees_with_the_grid_and_checks_itself(trained):
    path = trained[0] / "tiny.safetensors"
    settings = ("--method", "ais", "--limit", 4, "--chains", 8, "--temperatures", 60)
    answer = json.loads(run("evaluate", path, *settings, "--simulated", 3, "--json").stdout)
    rows = {row["name"]: row for row in answer["metrics"]}
    assert list(rows) == ["AIS", "AIS_lower", "AIS_upper", "AIS_gap"]
    assert (rows["AIS"]["items"], rows["AIS"]["samples"]) == (4, 8)
    x = subset(load_dataset("digits-mini").test, 4)
    model = load_checkpoint(path).model
    exact = sum(grid_posterior(model, item).log_marginal for item in x) / 4
    assert rows["AIS"]["value"] == pytest.approx(exact, abs=1)
    assert rows["AIS_gap"]["value"] == pytest.approx(
        rows["AIS_upper"]["value"] - rows["AIS_lower"]["value"]
    )


def test_evaluate_by_a_density_estimate_agrees_with_quadrature(trained):
    path = trained[0] / "tiny.safetensors"
    truth, kernel = (
        json.loads(run("evaluate", path, "--method", method, "--limit", 4, "--json").stdout)
        for method in ("quadrature", "kernel")
    )
    (truth,), (kernel,) = truth["metrics"], kernel["metrics"]
    x = subset(load_dataset("digits-mini").test, 4)
    model = load_checkpoint(path).model
    exact = sum(grid_posterior(model, item).log_marginal for item in x) / 4
    assert truth["value"] == pytest.approx(exact)
    assert kernel["value"] == pytest.approx(exact, abs=0.5)  # 50 draws each of four items
    assert (kernel["name"], kernel["items"], kernel["samples"]) == ("log_likelihood", 4, 50)


# --- list ---------------------------------------------------------------------------------------


def test_list_shows_the_checkpoints_with_their_numbers(trained, monkeypatch):
    folder, printed = trained
    monkeypatch.setenv("HELMHOLTZ_PRETRAINED", str(folder))
    assert json.loads(run("list", "--json").stdout) == {"tiny": printed["card"]}
    lines = run("list").stdout.splitlines()
    assert lines[0].startswith("tiny: vae on digits-mini")
    assert len(lines) == 5
    assert "`tiny`" in run("list", "--markdown").stdout


def test_list_of_nothing_is_empty_and_says_how_to_begin(tmp_path, monkeypatch):
    monkeypatch.setenv("HELMHOLTZ_PRETRAINED", str(tmp_path))
    assert json.loads(run("list", "--json").stdout) == {}
    result = run("list")
    assert result.stdout == ""
    assert "python -m engine train" in result.stderr


# --- errors -------------------------------------------------------------------------------------


def assert_one_line(result: Result, *words: str) -> None:
    assert result.stdout == ""
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("Error: ")
    for word in words:
        assert word in lines[0]


WRONG = [
    (["nonsense"], "nonsense"),
    (["train"], "RECIPE"),
    (["train", "x", "--seed", "-1"], "--seed"),
    (["train", "x", "--device", "tpu"], "--device"),
    (["train", "x", "--colour"], "--colour"),
    (["evaluate", "x", "--samples", "0"], "--samples"),
    (["evaluate", "x", "--limit", "1"], "--limit"),
    (["evaluate", "x", "--split", "all"], "--split"),
    (["evaluate", "x", "--method", "grid"], "--method"),
    (["evaluate", "x", "--simulated", "5"], "--method ais"),
]


@pytest.mark.parametrize(("arguments", "named"), WRONG, ids=lambda value: str(value))
def test_a_wrong_call_exits_with_2_and_names_what_is_wrong(arguments, named):
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert named in result.stderr


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
@pytest.mark.parametrize("arguments", [["train", "x"], ["evaluate", "x"], ["variance", "x"]])
def test_a_device_that_is_not_here_is_a_wrong_call(arguments):
    result = run(*arguments, "--device", "cuda")
    assert result.exit_code == 2
    assert "no CUDA device" in result.stderr


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("training.epochs=many", ["`training.epochs`", "'many'"]),
        ("epochs=3", ["section.key=value"]),
        ("training.colour=red", ["[training]", "colour"]),
    ],
)
def test_a_wrong_setting_exits_with_2_in_one_line(setting, words, recipe, tmp_path):
    result = run("train", recipe, "--out", tmp_path, "--set", setting, "--json")
    assert result.exit_code == 2
    assert_one_line(result, *words)
    assert list(tmp_path.iterdir()) == []


def test_a_recipe_that_does_not_exist_exits_with_2_in_one_line():
    result = run("train", "nowhere")
    assert result.exit_code == 2
    assert_one_line(result, "nowhere", "vae-20-mnist-static")


@pytest.mark.parametrize(
    ("setting", "word"), [("model.hiden=[3]", "hiden"), ("model.latent_dim=0", "`latent_dim`")]
)
def test_a_model_that_cannot_be_built_exits_with_1_in_one_line(setting, word, recipe, tmp_path):
    result = run("train", recipe, "--out", tmp_path, "--device", "cpu", "--set", setting)
    assert result.exit_code == 1
    assert_one_line(result, word)


def test_resuming_without_a_state_exits_with_1_in_one_line(recipe, tmp_path):
    result = run("train", recipe, "--out", tmp_path, "--device", "cpu", "--resume")
    assert result.exit_code == 1
    assert_one_line(result, "tiny.state.safetensors", "without --resume")


def test_a_broken_checkpoint_exits_with_1_in_one_line(trained, tmp_path):
    whole = trained[0] / "tiny.safetensors"
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(whole.read_bytes()[:-100])
    result = run("evaluate", broken, "--json")
    assert result.exit_code == 1
    assert_one_line(result, "broken.safetensors")
    result = run("evaluate", tmp_path / "absent.safetensors")
    assert result.exit_code == 1
    assert_one_line(result, "no checkpoint")


def test_weights_that_do_not_fit_their_card_are_one_line_too(trained, tmp_path):
    # torch lists every parameter on a line of its own
    path = tmp_path / "odd.safetensors"
    text = json.dumps(read_card(trained[0] / "tiny.safetensors"))
    path.write_bytes(safetensors.torch.save({"a": torch.zeros(2)}, metadata={"card": text}))
    result = run("evaluate", path)
    assert result.exit_code == 1
    assert_one_line(result, "do not fit its card")


def test_a_folder_that_cannot_be_written_exits_with_1_in_one_line(recipe, tmp_path):
    (tmp_path / "file").write_text("")
    out = tmp_path / "file" / "below"
    result = run("train", recipe, "--out", out, "--device", "cpu")
    assert result.exit_code == 1
    assert_one_line(result, "file")


def test_every_command_explains_itself():
    for name in main.commands:
        result = run(name, "--help")
        assert result.exit_code == 0
        assert result.stdout.startswith("Usage:")
