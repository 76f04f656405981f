"""Run one method with several seeds in one process: ``python -m unlabelled.commands.compare.worker``.

One process, because the start of Python with Lightning takes longer than most tests. After a seed that fails,
the next one runs.
"""

from __future__ import annotations

import argparse
import importlib
import json
import shutil
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from unlabelled.commands.compare.plan import FROZEN, Method, Plan
from unlabelled.commands.compare.results import Result, load, read_scores
from unlabelled.commands.runs.folders import CHECKPOINTS, FIT
from unlabelled.data.media.storage import read_record


@dataclass(frozen=True)
class Run:
    """The training and the tests of a method with one seed.

    Args:
        plan: The comparison.
        method: The method.
        seed: The seed of all random numbers.
        folder: The folder of the run, with the output of ``fit`` and of each protocol, and ``result.json``.
    """

    plan: Plan
    method: Method
    seed: int
    folder: Path

    @property
    def checkpoint(self) -> Path:
        """The checkpoint that ``fit`` writes."""
        return self.folder / CHECKPOINTS / "last.ckpt"

    def complete(self) -> Result:
        """Run the steps that are not complete, write the result and return it."""
        fingerprint = self.plan.fingerprint(self.method)
        if (stored := load(self.folder, fingerprint)) is not None:
            return stored
        fit_seconds = self._fit() if self.method.trains else 0.0
        started = time.monotonic()
        scores = {name: self._test(name) for name in (FROZEN, *self.method.own_protocols)}
        seconds = time.monotonic() - started
        result = Result(fingerprint, self.method.modalities, scores, fit_seconds, seconds)
        result.write(self.folder)
        return result

    def _fit(self) -> float:
        """Train, unless the training is complete; return its duration in seconds."""
        record, fingerprint = self.folder / "fit.json", self.plan.fit_fingerprint(self.method)
        content = read_record(record) or {}
        if self.checkpoint.is_file() and content.get("fingerprint") == fingerprint:
            return float(content["seconds"])
        started = time.monotonic()
        self._call(FIT, FIT, self.plan.fit_options(self.method))
        seconds = time.monotonic() - started
        record.write_text(
            json.dumps({"fingerprint": fingerprint, "seconds": seconds}) + "\n", encoding="utf-8"
        )
        return seconds

    def _test(self, protocol: str) -> dict[str, float]:
        if protocol == FROZEN:
            options = self._frozen_options()
        else:
            options = [*self.plan.fit_options(self.method), *self.plan.own_options(protocol)]
            options.append(f"--ckpt_path={self.checkpoint}")
        self._call("test", protocol, options)
        return read_scores(self.folder / protocol)

    def _frozen_options(self) -> list[str]:
        path = self.folder / f"{FROZEN}.yaml"
        path.write_text(yaml.safe_dump(self.plan.frozen(self.method), sort_keys=False), encoding="utf-8")
        options = [f"--config={each}" for each in (*self.plan.setting, path)]
        if self.method.trains:
            options.append(f"--model.init_args.encoder_checkpoint={self.checkpoint}")
        return options

    def _call(self, command: str, log: str, options: Sequence[str]) -> None:
        for name in (log, CHECKPOINTS) if log == FIT else (log,):
            shutil.rmtree(self.folder / name, ignore_errors=True)  # left by an interrupted run
        arguments = [
            command,
            *options,
            f"--seed_everything={self.seed}",
            f"--trainer.default_root_dir={self.folder.parent}",
            f"--run={self.folder.name}",
            f"--trainer.logger.init_args.version={log}",
        ]
        print(f"+ python cli.py {' '.join(arguments)}", flush=True)
        if (code := _cli(arguments)) != 0:
            raise RuntimeError(f"{command} ended with code {code}")


def _cli(arguments: list[str]) -> int:
    code: int = importlib.import_module("cli").main(arguments)
    return code


def run_folder(out: Path, method: str, seed: int) -> Path:
    """Return the output folder of a run."""
    return out / method / f"seed{seed}"


def run_folders(out: Path, method: str) -> dict[int, Path]:
    """Return the existing output folders of a method by seed, in order."""
    seeds = [path.name.removeprefix("seed") for path in (out / method).glob("seed*")]
    return {seed: run_folder(out, method, seed) for seed in sorted(map(int, filter(str.isdigit, seeds)))}


def main(argv: Sequence[str]) -> int:
    """Complete the runs of a method; return 1 if one failed, else 0."""
    parser = argparse.ArgumentParser(prog="python -m unlabelled.commands.compare.worker")
    for name in ("configs", "out", "method"):
        parser.add_argument(name)
    parser.add_argument("seeds", nargs="+", type=int)
    parser.add_argument("--data")
    options = parser.parse_args(argv)
    plan = Plan(Path(options.configs), Path(options.data) if options.data else None)
    method, out = plan.method(options.method), Path(options.out)
    runs = [Run(plan, method, seed, run_folder(out, method.name, seed)) for seed in options.seeds]
    return 1 if sum(not _succeeds(run) for run in runs) else 0


def _succeeds(run: Run) -> bool:
    try:
        run.folder.mkdir(parents=True, exist_ok=True)
        run.complete()
    except (Exception, SystemExit):  # the command line exits if a configuration is wrong
        traceback.print_exc()
        print(f"{run.method.name}, seed {run.seed}: failed", file=sys.stderr, flush=True)
        return False
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
