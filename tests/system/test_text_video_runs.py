"""SSPC, EAO and MCN through the command line: all configurations, two processes, resume."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

import cli
from tests._helpers.text_video import shrunk, write_data
from tests._helpers.two_processes import cli_in_processes
from tests.conftest import ROOT

CONFIGS = [
    path
    for folder in ("demo", "recipes")
    for path in sorted((ROOT / "configs" / folder).glob("*.yaml"))
    if path.stem.startswith(("sspc", "eao", "mcn"))
    and path.stem not in ("eao_youcook2", "sspc_msrvtt")  # siblings of eao_msrvtt and sspc_youcook2
]
TERMS = {
    "sspc_howto100m_text_video": 8,
    "sspc_howto100m_table6_modality_specific": 6,
    "sspc_howto100m_table6_cross_modal": 12,
}
DEMO = ROOT / "configs" / "demo" / "sspc.yaml"
TEXT_VIDEO = ROOT / "configs" / "recipes" / "sspc_howto100m_text_video.yaml"


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("text_video"))


def load(out: Path, name: str = "last") -> dict[str, Any]:
    checkpoint: dict[str, Any] = torch.load(out / "checkpoints" / f"{name}.ckpt", weights_only=True)
    return checkpoint


def scalars(out: Path) -> dict[str, list[float]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(max((out / "log").iterdir())))
    events.Reload()
    return {tag: [event.value for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: f"{path.parent.stem}-{path.stem}")
def test_a_configuration_trains(config: Path, features: Path, tmp_path: Path) -> None:
    overlay = shrunk(config, features, tmp_path)
    assert cli.main(["fit", f"--config={config}", f"--config={overlay}", "--trainer.max_epochs=1"]) == 0
    values = scalars(tmp_path)
    gallery = "video" if "text_video" in config.stem else "video+audio"
    for metric in ("recall@1", "recall@10", "median_rank"):
        assert len(values[f"val/films/text_to_{gallery}/{metric}"]) == 2  # untrained and trained
    assert values["data/no_video"] == [0.0] * len(values["data/no_video"])
    state = load(tmp_path)["state_dict"]
    if config.stem.startswith("sspc_howto100m"):
        assert load(tmp_path)["current_model_state"].keys() < state.keys()  # the weights beside their average
    if "sspc" in config.stem:
        assert int(state["queues.projected_text.filled"]) == 16
        assert len([tag for tag in values if tag.startswith("train/sspc/")]) == TERMS.get(config.stem, 18)
    if "mcn" in config.stem:
        assert bool(state["centroids.fitted"])
        assert "train/cluster" in values


@pytest.mark.parametrize("method", ["eao", "sspc"])
def test_fine_tuning_recipes_differ_in_their_data_and_rate_alone(method: str) -> None:
    first, second = (
        yaml.safe_load((ROOT / "configs" / "recipes" / f"{method}_{name}.yaml").read_text())
        for name in ("msrvtt", "youcook2")
    )
    rates = [each["model"]["init_args"]["optimizer"]["init_args"].pop("lr") for each in (first, second)]
    epochs = [each["trainer"].pop("max_epochs") for each in (first, second)]
    assert (rates, epochs) == ([5e-5, 1e-5], [25, 5])
    assert first["model"] == second["model"]
    assert first["trainer"] == second["trainer"]
    classes = [each["data"]["class_path"] for each in (first, second)]
    assert classes == ["datamodules.MSRVTT", "datamodules.YouCook2"]


def test_test_prints_tables_and_draws(
    features: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = [f"--config={DEMO}", f"--config={shrunk(DEMO, features, tmp_path)}"]
    assert cli.main(["fit", *plain, "--trainer.max_steps=1"]) == 0
    checkpoint = tmp_path / "checkpoints" / "last.ckpt"
    out = tmp_path / "tested"
    options = [f"--config={DEMO}", f"--config={shrunk(DEMO, features, out, figures=True)}"]
    capsys.readouterr()
    assert cli.main(["test", *options, f"--ckpt_path={checkpoint}"]) == 0
    printed = capsys.readouterr().out
    for words in ("films", "R@1", "scenes", "accuracy"):
        assert words in printed
    drawn = {path.name for path in out.rglob("*.png")}
    assert "retrieved_films_text_to_video+audio.png" in drawn
    assert {name for name in drawn if name.startswith("anchors_")}


def test_two_processes_equal_one_with_twice_the_batch_size(features: Path, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    more = ["--trainer.max_epochs=3", "--model.init_args.optimizer.init_args.lr=0.001"]

    def fit(out: Path, *batches: str) -> list[str]:
        overlay = shrunk(TEXT_VIDEO, features, out, queue_size=24)
        return ["fit", f"--config={TEXT_VIDEO}", f"--config={overlay}", *batches, *more]

    assert cli.main(fit(one, "--data.init_args.batch_size=4")) == 0
    spread = fit(two, "--config=configs/trainer/cpu_ddp2.yaml", "--data.init_args.batch_size=2")
    assert cli_in_processes(spread, tmp_path / "ranks", 2) == [0, 0]
    single, parallel = load(one)["state_dict"], load(two)["state_dict"]
    assert single.keys() == parallel.keys()
    assert int(single["queues.input_video.filled"]) == 24
    for name, value in single.items():
        torch.testing.assert_close(parallel[name], value, atol=2e-4, rtol=1e-3, msg=name)
    scalars_of_one, scalars_of_two = scalars(one), scalars(two)
    for tag in ("train/loss", "train/sspc", "val/films/text_to_video/recall@10"):
        assert scalars_of_one[tag] == pytest.approx(scalars_of_two[tag], abs=1e-3), tag


def test_a_run_resumed_within_an_epoch_equals_an_uninterrupted_one(features: Path, tmp_path: Path) -> None:
    """Also with half-filled queues."""

    def options(out: Path) -> list[str]:
        overlay = shrunk(DEMO, features, out, queue_size=40)  # full after 5 of 9 steps
        content = yaml.safe_load(overlay.read_text())
        saving = content["trainer"]["callbacks"][-1]["init_args"]
        saving |= {"every_n_train_steps": 1, "save_top_k": -1, "filename": "{step}"}
        saving.pop("save_on_train_epoch_end")
        overlay.write_text(yaml.safe_dump(content))
        return ["fit", f"--config={DEMO}", f"--config={overlay}", "--trainer.max_epochs=3"]

    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    assert cli.main(options(whole)) == 0
    middle = whole / "checkpoints" / "step=4.ckpt"
    assert cli.main([*options(resumed), f"--ckpt_path={middle}"]) == 0
    expected, found = load(whole, "step=9"), load(resumed, "step=9")
    assert found["state_dict"].keys() == expected["state_dict"].keys()
    for name, value in expected["state_dict"].items():
        assert torch.equal(found["state_dict"][name], value), name
    assert scalars(resumed)["train/sspc"] == scalars(whole)["train/sspc"]
