"""The page on extensions: its code blocks are written to a project folder, and its commands are run there."""

from __future__ import annotations

import csv
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import cli
from tests.conftest import ROOT, environment

PAGE = (ROOT / "docs" / "extend.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TINY: dict[str, Any] = {
    "model": {"init_args": {"encoder": {"init_args": {"width": 2}}}},
    "data": {
        "init_args": {
            "batch_size": 6,
            "num_workers": 0,
            "index_workers": 0,
            "pipeline": {
                "init_args": {
                    "num_frames": 2,
                    "crop": 16,
                    "train_short_side": [20, 20],
                    "eval_short_side": 20,
                    "eval_crop": 16,
                }
            },
        }
    },
    "trainer": {
        "max_epochs": 2,
        "check_val_every_n_epoch": 1,
        "enable_progress_bar": False,
        "log_every_n_steps": 1,
    },
}


def section(title: str) -> str:
    """Return the text of one section of the page."""
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def blocks(text: str, language: str) -> list[str]:
    return [body for name, body in BLOCK.findall(text) if name == language]


def commands(title: str) -> list[str]:
    """Return the command lines of a section, in their order: fit, test."""
    lines = [line for body in blocks(section(title), "sh") for line in body.splitlines()]
    assert [re.findall(r"cli.py (\w+)", line) for line in lines] == [["fit"], ["test"]]
    return lines


@pytest.fixture(scope="module")
def project(tiny_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a user's folder with all files of the page, and what makes them small."""
    folder = tmp_path_factory.mktemp("my_project")
    for body in blocks(PAGE, "python") + blocks(PAGE, "yaml"):
        name = body.partition("\n")[0].removeprefix("# ")
        assert not (folder / name).exists()
        (folder / name).write_text(body, encoding="utf-8")
    (folder / "tiny.yaml").write_text(yaml.safe_dump(TINY))
    return folder


@pytest.fixture(scope="module")
def listed_root(tiny_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the tiny clips in another layout: folders of splits, a list with a file that is not there."""
    root = tmp_path_factory.mktemp("listed")
    with (tiny_root / "vggsound.csv").open(encoding="utf-8") as file:
        rows = list(csv.reader(file))
    lines = ["path,label,split", "train/lost.mp4,harp,train"]
    for name, start, label, split in rows:
        path = root / split / f"{name}.mp4"
        path.parent.mkdir(exist_ok=True)
        os.link(tiny_root / "video" / f"{name}_{int(start):06d}.mp4", path)
        lines.append(f"{split}/{path.name},{label},{split}")
    (root / "clips.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root


def small(root: Path, data: str | None = "datamodules.VGGSound") -> list[str]:
    """Return the options that make a command of the page small, and read existing clips."""
    chosen = [] if data is None else [f"--data={data}"]
    return [*chosen, "--config=tiny.yaml", f"--data.init_args.root={root}"]


def run_here(line: str, more: list[str]) -> int:
    """Run a command of the page in this process, which has imported torch already."""
    words = shlex.split(line)
    return cli.main(words[words.index("$CLONE/cli.py") + 1 :] + more)


def newest(name: str) -> Path:
    """Return the folder of the last run of a name."""
    runs = Path("runs", name)
    return max(runs.glob("version_*"), key=lambda run: int(run.name.partition("_")[2]), default=runs)


def scalars(log: Path) -> EventAccumulator:
    return EventAccumulator(str(log), {"scalars": 0, "tensors": 0}).Reload()


def checkpoint(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    return content


def passes(content: dict[str, Any]) -> int:
    (state,) = [state for name, state in content["callbacks"].items() if "ClusteringPass" in name]
    return int(state["clock"]["done"])


@pytest.fixture
def _inside(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    monkeypatch.syspath_prepend(str(project))


def test_a_method(project: Path, tiny_root: Path) -> None:
    """As a user runs it: a shell in a folder beside the clone."""
    fit, test = (f"{line} {shlex.join(small(tiny_root))}" for line in commands("Add a method"))
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    shell = subprocess.run(
        ["sh", "-ec", f"{fit} && {test}"],
        cwd=project,
        env={**environment(), "CLONE": str(ROOT), "PATH": path},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert shell.returncode == 0, shell.stderr[-3000:]
    assert "k-NN, test" in shell.stdout
    content = checkpoint(project / "runs" / "cosine_labels")
    assert content["global_step"] == 12
    assert passes(content) >= 10
    labels = content["pseudo_labels"]
    assert labels.shape == (36, 2)
    assert (torch.stack([column.bincount(minlength=9) for column in labels.T]) > 0).sum(1).min() > 1
    tested = scalars(project / "runs" / "cosine_labels" / "test")
    assert {"test/nmi", "test/knn_accuracy"} <= set(tested.Tags()["scalars"])
    trained = scalars(project / "runs" / "cosine_labels" / "fit")
    assert {"train/loss", "cluster/nmi_previous", "val/nmi"} <= set(trained.Tags()["scalars"])


@pytest.mark.usefixtures("_inside")
def test_messages_when_something_is_missing(
    tiny_root: Path, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    without, incomplete = blocks(section("Add a method"), "text")
    fit, _ = commands("Add a method")
    assert run_here(fit, [*small(tiny_root), "--trainer.callbacks=[]"]) == 1
    assert f"error: {without}" in capsys.readouterr().err
    text = (project / "cosine_labels.py").read_text(encoding="utf-8")
    (project / "lacking.py").write_text(
        text.replace("def num_modalities", "def other_name"), encoding="utf-8"
    )
    broken = fit.replace(
        "--config cosine_labels.yaml", "--config cosine_labels.yaml --model=lacking.CosineLabels"
    )
    assert run_here(broken, small(tiny_root)) == 1
    assert f"error: {incomplete}" in capsys.readouterr().err


@pytest.mark.usefixtures("_inside")
def test_a_data_set(project: Path, listed_root: Path, caplog: pytest.LogCaptureFixture) -> None:
    fit, test = commands("Add a data set")
    assert run_here(fit, small(listed_root, None)) == 0
    assert "left out 1: missing" in caplog.text
    content = checkpoint(newest("cosine_labels"))
    assert content["pseudo_labels"].shape == (36, 2)
    assert passes(content) >= 10
    assert run_here(test, small(listed_root, None)) == 0
    assert "test/nmi" in scalars(newest("cosine_labels") / "test").Tags()["scalars"]


@pytest.mark.usefixtures("_inside")
def test_a_clusterer(project: Path, tiny_root: Path) -> None:
    fit, test = commands("Add a clusterer")
    assert run_here(fit, small(tiny_root)) == 0
    content = checkpoint(newest("balanced"))
    assert passes(content) == 1
    sizes = content["pseudo_labels"][:, 0].bincount(minlength=9)
    assert sizes.min() >= 1
    assert sizes.max() <= 8
    log = scalars(newest("balanced") / "fit")
    assert {"cluster/balanced_distance", "train/loss", "val/knn_accuracy"} <= set(log.Tags()["scalars"])
    assert run_here(test, small(tiny_root)) == 0


@pytest.mark.usefixtures("_inside")
def test_an_evaluation(project: Path, tiny_root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fit, test = commands("Add an evaluation callback")
    assert run_here(fit, small(tiny_root)) == 0
    log = scalars(newest("cosine_labels") / "fit")
    assert {"val/silhouette_video", "val/nmi", "val/knn_accuracy"} <= set(log.Tags()["scalars"])
    assert run_here(test, small(tiny_root)) == 0
    table = capsys.readouterr().out
    assert "silhouette, test" in table
    value = scalars(newest("cosine_labels") / "test").Scalars("test/silhouette_video")[-1].value
    assert -1 <= value <= 1
    assert f"{value:.3f}" in table
