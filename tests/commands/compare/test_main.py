"""Completed runs are not repeated, and failures are reported; processes and ``cli.py`` are replaced."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests._helpers.compare_folders import CONFIGS
from unlabelled.commands.compare import main as command
from unlabelled.commands.compare import worker
from unlabelled.commands.compare.plan import Plan
from unlabelled.commands.compare.results import Result, load

PLAN = Plan(CONFIGS)


class Workers:
    """A replacement of worker processes that records seeds and writes results, except for ``broken`` runs."""

    def __init__(self) -> None:
        self.seeds: dict[str, list[int]] = {}
        self.broken: set[tuple[str, int]] = set()

    def run(self, arguments: Sequence[str], output: Path) -> None:
        configs, out, name, *seeds = arguments
        assert Path(configs) == CONFIGS
        assert output == Path(out) / name / "output.txt"
        self.seeds[name] = [int(seed) for seed in seeds]
        for seed in self.seeds[name]:
            if (name, seed) not in self.broken:
                folder = worker.run_folder(Path(out), name, seed)
                folder.mkdir(parents=True)
                scores = {"frozen": {"kmeans/nmi_video": seed / 10}}
                Result(PLAN.fingerprint(PLAN.method(name)), ["video"], scores, 1.0, 1.0).write(folder)


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> Workers:
    replacement = Workers()
    monkeypatch.setattr(command, "run_worker", replacement.run)
    return replacement


def call(out: Path, *more: str) -> int:
    return command.main(["--out", str(out), "--seeds", "2", *more])


def test_all_methods_are_run_once(
    workers: Workers, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(tmp_path) == 0
    assert workers.seeds == {method.name: [1, 2] for method in PLAN.methods}
    assert "| SeLaVi | **0.150 ± 0.071** |" in capsys.readouterr().out
    assert len(list((tmp_path / "hparams").iterdir())) == 2 * len(PLAN.methods)
    workers.seeds.clear()
    assert call(tmp_path) == 0
    assert workers.seeds == {}
    assert call(tmp_path, "--seeds", "3", "--methods", "l3") == 0
    assert workers.seeds == {"l3": [3]}
    table = (tmp_path / "table.md").read_text()  # the rows of other methods stay
    assert "| L3-Net | **0.200 ± 0.100** |" in table
    assert "| SeLaVi (2 of 3 seeds) |" in table
    assert PLAN.notes in table
    assert len(list((tmp_path / "hparams").iterdir())) == 2 * len(PLAN.methods) + 1


def test_a_failed_run_is_reported_and_repeated(
    workers: Workers, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workers.broken = {("moco", 2)}
    assert call(tmp_path, "--methods", "l3", "moco", "--jobs", "1") == 1
    out = capsys.readouterr().out
    assert "MoCo v2 (video): failed for seed 2" in out
    assert "| MoCo v2 (video) (failed: seed 2) | **0.100** |" in out
    workers.broken.clear()
    workers.seeds.clear()
    assert call(tmp_path, "--methods", "l3", "moco") == 0
    assert workers.seeds == {"moco": [2]}
    assert "failed: seed" not in (tmp_path / "table.md").read_text()


def test_options_that_are_not_usable(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(tmp_path / "out", "--methods", "mocco") == 2
    assert "no method 'mocco'" in capsys.readouterr().err
    assert call(tmp_path / "out", "--configs", str(tmp_path)) == 2
    with pytest.raises(SystemExit):
        call(tmp_path, "--jobs", "0")


class Commands:
    """A replacement of ``cli.py``: ``fit`` writes a checkpoint, ``test`` has one score."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.called: list[str] = []
        self.fails = ""
        monkeypatch.setattr(worker, "_cli", self.main)
        monkeypatch.setattr(worker, "read_scores", lambda folder: {"kmeans/nmi_video": 0.5})

    def main(self, arguments: list[str]) -> int:
        options = dict(each.removeprefix("--").partition("=")[::2] for each in arguments[1:])
        folder = Path(options["trainer.default_root_dir"], options["run"])
        name = options["trainer.logger.init_args.version"]
        self.called.append(f"{name} {options['seed_everything']}")
        if name == self.fails:
            raise SystemExit(2)
        assert not (folder / name).exists()
        if arguments[0] == "fit":
            (folder / "checkpoints").mkdir()
            (folder / "checkpoints" / "last.ckpt").touch()
        return 0


def work(out: Path, configs: Path, name: str, *seeds: int) -> int:
    return worker.main([str(configs), str(out), name, *map(str, seeds)])


def test_a_worker_continues_after_an_interruption(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = Commands(monkeypatch)
    commands.fails = "frozen"
    assert work(tmp_path, CONFIGS, "dmc", 1, 2) == 1  # the seed after a failed one runs
    assert commands.called == ["fit 1", "frozen 1", "fit 2", "frozen 2"]
    commands.called.clear()
    commands.fails = ""
    assert work(tmp_path, CONFIGS, "dmc", 1, 2) == 0
    assert commands.called == [
        "frozen 1",
        "localisation 1",
        "frozen 2",
        "localisation 2",
    ]  # no second training
    found = load(tmp_path / "dmc" / "seed2", PLAN.fingerprint(PLAN.method("dmc")))
    assert found is not None
    assert found.modalities == ["video", "audio"]
    assert set(found.scores) == {"frozen", "localisation"}
    commands.called.clear()
    assert work(tmp_path, CONFIGS, "dmc", 1) == 0
    assert commands.called == []


def test_untrained_encoders_are_only_tested(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = Commands(monkeypatch)
    assert work(tmp_path, CONFIGS, "untrained", 7) == 0
    assert commands.called == ["frozen 7"]


def test_another_data_set_is_named(
    workers: Workers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given: list[Sequence[str]] = []
    monkeypatch.setattr(command, "run_worker", lambda arguments, output: given.append(arguments))
    assert call(tmp_path, "--methods", "raw", "--data", "garments") == 1  # the replacement writes no result
    assert given[0][-1] == f"--data={CONFIGS.resolve() / 'data' / 'garments.yaml'}"
    assert call(tmp_path, "--data", "garment") == 2
    assert "no data set 'garment'" in capsys.readouterr().err
