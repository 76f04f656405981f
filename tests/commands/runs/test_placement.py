"""The folder and the checkpoint of each command, from its configuration."""

from __future__ import annotations

import logging
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest
from jsonargparse import Namespace

from unlabelled.commands.runs.outputs import LOGGER, direct
from unlabelled.commands.runs.placement import name_of, place

CHECKPOINT = "lightning.pytorch.callbacks.ModelCheckpoint"


def spec(class_path: str, **options: Any) -> Namespace:
    return Namespace(class_path=class_path, init_args=Namespace(**options))


def config(root: Path, **options: Any) -> Any:
    """Return the part of a command's configuration that decides about folders."""
    trainer = {
        "default_root_dir": str(root),
        "logger": spec(LOGGER["class_path"], **{**LOGGER["init_args"], "version": None}),
        "callbacks": [spec(CHECKPOINT, dirpath=None, filename="last")],
        "enable_checkpointing": None,
        "fast_dev_run": False,
    }
    known = {key: options.pop(key) for key in list(options) if key in trainer}
    return Namespace(run=None, ckpt_path=None, trainer=Namespace(**{**trainer, **known})).update(
        Namespace(**options)
    )


def trained(root: Path, name: str, checkpoint: str = "last") -> Path:
    """Write the folders of a run; return its checkpoint."""
    path = root / name / "checkpoints" / f"{checkpoint}.ckpt"
    write_checkpoint(path)
    (root / name / "fit").mkdir(exist_ok=True)
    return path


def write_checkpoint(path: Path) -> None:
    """Write a file of the format of a checkpoint."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as parts:
        parts.writestr("data.pkl", bytes(range(200)))


def output(command: str, options: Any, rank: int = 0) -> str:
    folder = place(options, command, "name", rank)
    assert folder is not None
    return folder.output.relative_to(folder.root).as_posix()


def test_a_name_is_that_of_the_last_file_that_names_a_method(tmp_path: Path) -> None:
    for name, text in {
        "demo/a.yaml": "model: {class_path: x.A}",
        "b.yaml": "model: {init_args: {width: 2}}",
        "c.yaml": "trainer: {max_epochs: 1}",
        "d.yaml": "model: A",
        "e.yaml": "- no mapping",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    files = [str(tmp_path / name) for name in ("c.yaml", "demo/a.yaml", "b.yaml", "e.yaml", "none.yaml")]
    assert name_of(files, "x.A") == "a_demo"
    assert name_of([*files, str(tmp_path / "d.yaml")], "x.A") == "d"
    assert name_of(files[:1], "lightning_modules.SeLaVi") == "selavi"


def test_a_fit_is_a_new_run_unless_it_resumes(tmp_path: Path) -> None:
    assert output("fit", config(tmp_path)) == "name/fit"
    assert output("fit", config(tmp_path)) == "name/version_1/fit"
    assert output("fit", config(tmp_path, run="other")) == "other/fit"
    first, neighbour = trained(tmp_path, "name"), trained(tmp_path, "neighbour")
    assert output("fit", config(tmp_path, ckpt_path=str(first))) == "name/fit_1"
    assert output("fit", config(tmp_path, ckpt_path=str(neighbour))) == "name/version_2/fit"


def test_last_is_that_of_the_newest_run_of_the_name(tmp_path: Path) -> None:
    trained(tmp_path, "neighbour")
    starting = config(tmp_path, ckpt_path="last")
    assert output("fit", starting) == "name/fit"
    assert starting.ckpt_path is None
    trained(tmp_path, "name")
    newest = trained(tmp_path, "name/version_1")
    os.utime(newest, (0, 0))  # older than that of the run before
    for command, folder in {"fit": "fit_1", "test": "test", "predict": "predict"}.items():
        options = config(tmp_path, ckpt_path="last")
        assert output(command, options) == f"name/version_1/{folder}"
        assert options.ckpt_path == str(newest)


def test_last_is_among_all_folders_of_checkpoints(tmp_path: Path) -> None:
    last = trained(tmp_path, "name")
    each_step = spec(CHECKPOINT, dirpath=str(tmp_path / "steps"), filename="{step}")
    options = config(tmp_path, ckpt_path="last")
    options.trainer.callbacks.append(each_step)
    assert output("fit", options) == "name/fit_1"
    assert options.ckpt_path == str(last)


def test_a_run_without_its_checkpoint(tmp_path: Path) -> None:
    for name in ("last", "best"):
        with pytest.raises(FileNotFoundError, match=rf"name/checkpoints has no {name}.ckpt; train first"):
            place(config(tmp_path, ckpt_path=name), "test", "name")
    trained(tmp_path, "name")
    with pytest.raises(FileNotFoundError, match=r"no best\.ckpt; there are last\.ckpt"):
        place(config(tmp_path, ckpt_path="best"), "fit", "name")


def test_an_evaluation_belongs_to_the_run_of_its_checkpoint(tmp_path: Path) -> None:
    path = trained(tmp_path, "name")
    trained(tmp_path, "name/version_1")
    neighbour = trained(tmp_path, "neighbour")
    assert output("test", config(tmp_path, ckpt_path=str(path))) == "name/test"
    assert output("test", config(tmp_path, ckpt_path=str(neighbour))) == "neighbour/test"
    assert output("test", config(tmp_path, ckpt_path=str(neighbour), run="own")) == "own/test"
    assert output("test", config(tmp_path / "root", ckpt_path=str(neighbour))) == "name/test"
    assert output("validate", config(tmp_path)) == "name/version_1/validate"


def test_a_requeued_job_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert output("fit", config(tmp_path)) == "name/fit"
    stored = tmp_path / "name" / "fit" / "hpc_ckpt_2.ckpt"
    write_checkpoint(stored)
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    resumed = config(tmp_path)
    assert output("fit", resumed) == "name/fit_1"
    assert resumed.ckpt_path == str(stored)
    monkeypatch.delenv("SLURM_RESTART_COUNT")
    named = config(tmp_path, ckpt_path="hpc")
    assert output("fit", named) == "name/fit_2"
    assert named.ckpt_path == str(stored)
    assert output("fit", config(tmp_path)) == "name/version_1/fit"


def test_a_job_that_was_requeued_without_notice_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = trained(tmp_path, "name")
    monkeypatch.setenv("SLURM_RESTART_COUNT", "2")
    resumed = config(tmp_path)
    assert output("fit", resumed) == "name/fit_1"
    assert resumed.ckpt_path == str(last)
    stored = tmp_path / "name" / "fit_1" / "hpc_ckpt_1.ckpt"  # the newer of both
    write_checkpoint(stored)
    os.utime(last, (0, 0))
    resumed = config(tmp_path, ckpt_path="last")
    assert output("fit", resumed) == "name/fit_2"
    assert resumed.ckpt_path == str(stored)


@pytest.mark.parametrize("damage", ["empty", "cut", "changed"])
def test_a_damaged_checkpoint_is_replaced_by_the_newest_whole_one(
    damage: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    last, best = trained(tmp_path, "name"), trained(tmp_path, "name", "best")
    for age, name in enumerate(["epoch=1", "epoch=3", "epoch=2"]):
        os.utime(trained(tmp_path, "name", name), (age, age))
    whole = last.read_bytes()
    harmed = {"empty": b"", "cut": whole[:150], "changed": whole.replace(bytes(range(9)), bytes(9))}[damage]
    last.write_bytes(harmed)
    options = config(tmp_path, ckpt_path="last")
    with caplog.at_level(logging.WARNING):
        assert output("fit", options) == "name/fit_1"
    assert options.ckpt_path == str(best)
    assert f"{last} is incomplete or damaged; {best}, the newest whole checkpoint" in caplog.text
    best.write_bytes(harmed)
    caplog.clear()
    options = config(tmp_path, ckpt_path="last")
    output("fit", options, rank=1)
    assert options.ckpt_path == str(best.with_name("epoch=2.ckpt"))
    assert not caplog.text  # the first process states it
    with pytest.raises(ValueError, match=r"best\.ckpt is incomplete or damaged, and its run has no other"):
        place(config(tmp_path, ckpt_path="best"), "test", "name")


def test_other_processes_take_the_folder_of_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("UNLABELLED_RUN_FOLDER", raising=False)
    before = config(tmp_path)
    assert output("fit", before, rank=1) == "name/fit"
    assert not list(tmp_path.iterdir())
    output("fit", config(tmp_path))
    chosen = output("fit", config(tmp_path))
    assert output("fit", config(tmp_path), rank=1) == chosen == "name/version_1/fit"


def test_folders_of_the_configuration_are_kept(tmp_path: Path) -> None:
    explicit = {
        "logger": spec(LOGGER["class_path"], save_dir="logs", name="log", version=None),
        "callbacks": [spec(CHECKPOINT, dirpath=str(tmp_path / "mine"), filename="last")],
    }
    assert place(config(tmp_path, **explicit), "fit", "name") is None
    (tmp_path / "mine").mkdir()
    write_checkpoint(tmp_path / "mine" / "last.ckpt")
    options = config(tmp_path, ckpt_path="last", **explicit)
    assert place(options, "fit", "name") is None
    assert options.ckpt_path == str(tmp_path / "mine" / "last.ckpt")
    half = config(tmp_path, logger=explicit["logger"])
    folder = place(half, "fit", "name")
    assert folder is not None
    direct(half, "fit", folder)
    assert half.trainer.logger.init_args.save_dir == "logs"
    assert half.trainer.callbacks[0].init_args.dirpath == str(folder.checkpoints)


@pytest.mark.parametrize(
    ("logger", "options"),
    [
        ("TensorBoardLogger", {"save_dir": "{run}", "name": "", "version": "fit"}),
        ("CSVLogger", {"save_dir": "{run}", "name": "", "version": "fit"}),
        ("WandbLogger", {"save_dir": "{run}/fit", "name": "name", "version": None}),
        ("MLFlowLogger", {"save_dir": "{run}/fit/mlruns", "run_name": "name"}),
    ],
)
def test_a_logger_without_a_folder_follows_the_run(
    logger: str, options: dict[str, Any], tmp_path: Path
) -> None:
    given = {key: "" if key == "save_dir" else "log" if key == "name" else None for key in options}
    several = [spec(f"lightning.pytorch.loggers.{logger}", **given) for _ in range(2)]
    settings = config(tmp_path, logger=several, callbacks=[])
    folder = place(settings, "fit", "name")
    assert folder is not None
    direct(settings, "fit", folder)
    wanted = {key: value and value.replace("{run}", str(tmp_path / "name")) for key, value in options.items()}
    assert [each.init_args.as_dict() for each in settings.trainer.logger] == [wanted, wanted]
    (added,) = settings.trainer.callbacks  # Lightning would add one, into the log folder
    assert added.init_args.dirpath == str(tmp_path / "name" / "checkpoints")


def test_folders_on_other_machines(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'s3://bucket' is no folder of this machine"):
        place(config(Path(), default_root_dir="s3://bucket"), "fit", "name")
    options = config(tmp_path, ckpt_path="last", callbacks=[spec(CHECKPOINT, dirpath="s3://bucket/a")])
    assert output("test", options) == "name/test"
    assert options.ckpt_path == "last"


def test_a_trial_run_takes_no_version(tmp_path: Path) -> None:
    assert output("fit", config(tmp_path, fast_dev_run=True)) == "name/fast_dev_run"
    assert output("fit", config(tmp_path)) == "name/fit"
