"""Folders of runs: which is new, which is resumed, and what becomes of a run that does not begin."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from unlabelled.commands.runs.folders import (
    RunFolder,
    checked_name,
    find_checkpoints,
    new_run,
    newest,
    output_of,
    run_of,
    versions,
)


def test_each_new_run_has_the_next_version(tmp_path: Path) -> None:
    base = tmp_path / "name"
    runs = [new_run(tmp_path, base) for _ in range(3)]
    assert [each.name for each in runs] == ["name", "name/version_1", "name/version_2"]
    assert [each.output for each in runs] == [each.run / "fit" for each in runs]
    assert versions(base) == [each.run for each in runs]


def test_a_version_that_was_removed_is_not_taken_again(tmp_path: Path) -> None:
    """Else the newest run would have a lower number than the one before it."""
    base = tmp_path / "name"
    (base / "version_10" / "fit").mkdir(parents=True)
    (base / "version_9").mkdir()
    (base / "version_x").mkdir()
    assert versions(base) == [base / "version_9", base / "version_10"]
    assert new_run(tmp_path, base).name == "name/version_11"


def test_checkpoints_alone_are_a_run_but_a_test_is_none(tmp_path: Path) -> None:
    (tmp_path / "tested" / "test").mkdir(parents=True)
    (tmp_path / "tested" / "checkpoints").mkdir()
    assert new_run(tmp_path, tmp_path / "tested").name == "tested"
    (tmp_path / "trained" / "checkpoints").mkdir(parents=True)
    (tmp_path / "trained" / "checkpoints" / "last.ckpt").touch()
    assert new_run(tmp_path, tmp_path / "trained").name == "trained/version_1"


def test_runs_that_start_together_have_different_folders(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        runs = list(pool.map(lambda _: new_run(tmp_path, tmp_path / "name").name, range(40)))
    assert len(set(runs)) == 40


def test_each_command_has_a_folder_of_its_own(tmp_path: Path) -> None:
    run = new_run(tmp_path, tmp_path / "name").run
    folders = [output_of(tmp_path, run, command).output.name for command in ("test", "fit", "test", "test")]
    assert folders == ["test", "fit_1", "test_1", "test_2"]


@pytest.mark.parametrize("files", [[], ["events.out.tfevents.1.host.2", "hparams.yaml"]])
def test_a_run_that_did_not_begin_is_removed(files: list[str], tmp_path: Path) -> None:
    folder = new_run(tmp_path, tmp_path / "name")
    for name in files:
        (folder.output / name).touch()
    folder.remove_unused()
    assert not list(tmp_path.iterdir())
    folder.remove_unused()  # a second time


@pytest.mark.parametrize("file", ["config.yaml", "hpc_ckpt_1.ckpt", "figures/a.png"])
def test_a_run_that_began_stays(file: str, tmp_path: Path) -> None:
    folder = new_run(tmp_path, tmp_path / "name")
    (folder.output / file).parent.mkdir(exist_ok=True)
    (folder.output / file).touch()
    folder.remove_unused()
    assert (folder.output / file).is_file()


def test_a_run_that_failed_before_its_first_step_leaves_nothing(tmp_path: Path) -> None:
    folder = new_run(tmp_path, tmp_path / "name")
    for name in ("config.yaml", "environment.txt", "config.resume1.yaml", "hparams.yaml"):
        (folder.output / name).touch()
    folder.remove_unused(failed=False)
    assert len(list(folder.output.iterdir())) == 4
    (folder.output / "figures").mkdir()
    (folder.output / "figures" / "a.png").touch()
    folder.remove_unused(failed=True)
    assert folder.output.is_dir()
    (folder.output / "figures" / "a.png").unlink()
    folder.remove_unused(failed=True)
    assert not list(tmp_path.iterdir())


def test_a_folder_with_other_output_stays(tmp_path: Path) -> None:
    folder = new_run(tmp_path, tmp_path / "name")
    (folder.run / "notes.txt").touch()
    folder.remove_unused()
    assert [path.name for path in folder.run.iterdir()] == ["notes.txt"]


def test_the_newest_checkpoint_of_a_name_is_found(tmp_path: Path) -> None:
    for age, name in enumerate(["last-v1", "last", "last-v2", "lasting", "best"]):
        path = tmp_path / f"{name}.ckpt"
        path.touch()
        os.utime(path, (age, age))
    assert newest(find_checkpoints([tmp_path / "none", tmp_path], "last")) == tmp_path / "last-v2.ckpt"
    assert find_checkpoints([tmp_path], "best") == [tmp_path / "best.ckpt"]
    assert newest(find_checkpoints([tmp_path], "first")) is None


def test_the_run_of_a_checkpoint(tmp_path: Path) -> None:
    assert run_of(tmp_path / "name" / "checkpoints" / "last.ckpt") == tmp_path / "name"
    assert run_of(tmp_path / "name" / "last.ckpt") is None


def test_names() -> None:
    assert RunFolder(Path("r"), Path("r/a/version_1"), Path("r/a/version_1/fit")).name == "a/version_1"
    assert checked_name("group/name") == "group/name"
    for name in ("", "/tmp/a", "../a", "a/../../b"):
        with pytest.raises(ValueError, match="run: expected a name, got"):
            checked_name(name)
