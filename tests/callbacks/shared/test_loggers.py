"""Figures and texts reach every logger; packages that are not installed are replaced by their interface."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pytest
from lightning import Trainer
from lightning.pytorch.loggers import (
    CometLogger,
    CSVLogger,
    Logger,
    MLFlowLogger,
    TensorBoardLogger,
    WandbLogger,
)
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from callbacks.shared.loggers import board_folders, boards, log_folder, publish, publish_text


class Recorder:
    """A client that records the calls of its methods."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any, **kwargs: Any) -> None:
            self.calls.append((name, args, kwargs))

        return call


class MLflow(MLFlowLogger):
    def __init__(self) -> None:
        self.client = Recorder()

    experiment = property(lambda self: self.client)
    run_id = property(lambda self: "id")
    save_dir = property(lambda self: None)


class Comet(CometLogger):
    def __init__(self) -> None:
        self.client = Recorder()

    experiment = property(lambda self: self.client)
    save_dir = property(lambda self: None)


class WandB(WandbLogger):
    def __init__(self) -> None:
        self.client = Recorder()

    def log_image(self, *args: Any, **kwargs: Any) -> None:
        self.client.log_image(*args, **kwargs)

    def log_text(self, *args: Any, **kwargs: Any) -> None:
        self.client.log_text(*args, **kwargs)

    save_dir = property(lambda self: None)


class Another(Logger):
    """A logger of a user, without figures."""

    name = version = "x"

    def log_metrics(self, *args: Any, **kwargs: Any) -> None:
        pass

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        pass


def run(*loggers: Logger, root: Path) -> Trainer:
    return Trainer(logger=list(loggers), default_root_dir=root, accelerator="cpu", enable_progress_bar=False)


def figure() -> Any:
    drawn, axes = plt.subplots(figsize=(1, 1))
    axes.plot([0, 1])
    return drawn


@pytest.mark.parametrize("logger", [MLflow, Comet, WandB, Another])
def test_the_png_file_is_written_with_every_logger(logger: type[Logger], tmp_path: Path) -> None:
    trainer = run(logger(), root=tmp_path)
    publish(trainer, "a", figure())
    publish_text(trainer, "learning/verdict", "b")
    assert (tmp_path / "figures" / "a.png").read_bytes().startswith(b"\x89PNG")
    assert boards(trainer) == []
    assert board_folders(trainer) == []


def test_calls(tmp_path: Path) -> None:
    loggers = mlflow, comet, wandb = MLflow(), Comet(), WandB()
    trainer = run(*loggers, root=tmp_path)
    drawn = figure()
    publish(trainer, "a", drawn)
    publish_text(trainer, "test/table", "b")
    assert mlflow.client.calls == [
        ("log_figure", ("id", drawn, "figures/a_step0.png"), {}),
        ("log_text", ("id", "b", "test/table_step0.md"), {}),
    ]
    assert comet.client.calls == [
        ("log_figure", ("figures/a", drawn), {"step": 0}),
        ("log_text", ("b",), {"step": 0, "metadata": {"name": "test/table"}}),
    ]
    assert wandb.client.calls == [
        ("log_image", ("figures/a", [str(tmp_path / "figures" / "a.png")]), {"step": 0}),
        ("log_text", ("test/table",), {"columns": ["text"], "data": [["b"]], "step": 0}),
    ]


def test_several_loggers(tmp_path: Path) -> None:
    board = TensorBoardLogger(tmp_path / "board", name="", version="fit")
    wandb = WandB()
    trainer = run(wandb, CSVLogger(tmp_path / "csv", name="", version="fit"), board, root=tmp_path)
    publish(trainer, "a", figure())
    publish_text(trainer, "b", "text")
    board.finalize("success")
    tags = EventAccumulator(str(tmp_path / "board" / "fit")).Reload().Tags()
    assert tags["images"] == ["figures/a"]
    assert tags["tensors"] == ["b/text_summary"]
    assert len(wandb.client.calls) == 2
    assert log_folder(trainer) == tmp_path / "csv" / "fit"  # the first one that has a folder
    assert (tmp_path / "csv" / "fit" / "figures" / "a.png").is_file()
    assert board_folders(trainer) == [str(tmp_path / "board")]
