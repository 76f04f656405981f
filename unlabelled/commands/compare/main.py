"""The command line of ``python -m unlabelled compare``."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

from unlabelled.commands.compare.plan import Method, Plan
from unlabelled.commands.compare.results import Result, load
from unlabelled.commands.compare.table import write_hparams, write_table
from unlabelled.commands.compare.worker import run_folders
from unlabelled.commands.errors.suggestions import hint
from unlabelled.environment import experiment_root

DESCRIPTION = """\
Train every method of a folder with every seed, evaluate all methods by the same protocols, and write
OUT/table.md (mean and standard deviation over seeds) and OUT/hparams for TensorBoard. Completed runs are not
repeated, unless their configuration has changed; changes of the code are not detected: delete OUT after them.
The table has all completed runs, also those of methods and seeds that are not selected. The exit code is 1 if
a run failed: the reason is in OUT/METHOD/output.txt, and the next call repeats the run."""

ROOT = experiment_root(Path(__file__).resolve().parents[2])


@dataclass
class Comparison:
    """Run methods and write the table.

    Args:
        plan: The configurations.
        methods: The methods to run.
        seeds: The seeds of each method.
        out: The folder of all output.
        command: The arguments of the command line, for the table.
    """

    plan: Plan
    methods: Sequence[Method]
    seeds: Sequence[int]
    out: Path
    command: Sequence[str] = ()
    failed: dict[str, list[int]] = field(default_factory=dict)

    def run(self, jobs: int) -> bool:
        """Complete ``jobs`` methods at a time, and write the table after each method.

        Returns: Whether no run failed.
        """
        with ThreadPoolExecutor(jobs) as pool:
            futures = {pool.submit(self._complete, method): method for method in self.methods}
            try:
                for count, future in enumerate(as_completed(futures), 1):
                    future.result()
                    self._report(futures[future], f"{count} of {len(futures)}")
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        write_hparams(self.out, self.plan, self.rows, self.results())
        return not self.failed

    @property
    def rows(self) -> list[Method]:
        """The methods in the table: the selected ones, and those with a folder of former runs."""
        selected = {method.name for method in self.methods}
        return [
            each for each in self.plan.methods if each.name in selected or (self.out / each.name).is_dir()
        ]

    def results(self) -> dict[str, dict[int, Result]]:
        """Return the results so far by method and seed."""
        return {method.name: self._results(method) for method in self.rows}

    def missing(self, method: Method) -> list[int]:
        """Return the seeds without a result."""
        found = self._results(method)
        return [seed for seed in self.seeds if seed not in found]

    def _results(self, method: Method) -> dict[int, Result]:
        fingerprint = self.plan.fingerprint(method)
        found = {
            seed: load(folder, fingerprint) for seed, folder in run_folders(self.out, method.name).items()
        }
        return {seed: result for seed, result in found.items() if result is not None}

    def _complete(self, method: Method) -> None:
        """Run the missing seeds of a method in one process."""
        if not (seeds := self.missing(method)):
            return
        folder = self.out / method.name
        folder.mkdir(parents=True, exist_ok=True)
        arguments = [str(self.plan.folder.resolve()), str(self.out.resolve()), method.name, *map(str, seeds)]
        if self.plan.data is not None:
            arguments.append(f"--data={self.plan.data.resolve()}")
        run_worker(arguments, folder / "output.txt")

    def _report(self, method: Method, progress: str) -> None:
        if failed := self.missing(method):
            self.failed[method.name] = failed
        state = f"failed for seed {', '.join(map(str, failed))}" if failed else "done"
        print(f"{progress}, {method.title}: {state}  ({self.out / method.name / 'output.txt'})", flush=True)
        write_table(self.out, self.plan, self.rows, self.results(), self.failed, self.command)


def run_worker(arguments: Sequence[str], output: Path) -> None:
    """Run a worker on one core and wait for it; its exit code is ignored: missing results are failures."""
    with output.open("w", encoding="utf-8") as file:
        subprocess.run(
            [sys.executable, "-m", "unlabelled.commands.compare.worker", *arguments],
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=file,
            stderr=subprocess.STDOUT,
            check=False,
        )


def main(argv: Sequence[str]) -> int:
    """Run the command; return 0: all results exist, 1: a run failed, 2: the options are not usable."""
    options = _parser().parse_args(argv)
    try:
        plan = Plan(Path(options.configs), find_data(Path(options.configs), options.data))
        methods = [plan.method(name) for name in options.methods] if options.methods else plan.methods
        comparison = Comparison(plan, methods, range(1, options.seeds + 1), Path(options.out), argv)
        comparison.out.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    complete = comparison.run(options.jobs)
    print(f"\n{(comparison.out / 'table.md').read_text(encoding='utf-8')}")
    print(f"tensorboard --logdir {comparison.out / 'hparams'}    # the scores of all runs")
    return 0 if complete else 1


def find_data(configs: Path, name: str | None) -> Path | None:
    """Return the configuration of a data set of the comparison; None: that of ``setting.yaml``.

    Raises:
        ValueError: There is none.
    """
    if name is None:
        return None
    known = {path.stem: path for path in (configs / "data").glob("*.yaml")}
    if name not in known:
        raise ValueError(
            f"there is no data set {name!r} in {str(configs / 'data')!r}{hint(name, list(known))}"
        )
    return known[name]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m unlabelled compare",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seeds", type=_count, default=3, help="number of seeds of each method: 1, 2, ...")
    parser.add_argument("--jobs", type=_count, default=2, help="number of methods at a time, one core each")
    parser.add_argument("--out", default="runs/compare", help="folder for logs, checkpoints and the table")
    parser.add_argument(
        "--configs", default=str(ROOT / "configs" / "compare"), help="folder of configurations"
    )
    parser.add_argument("--data", help="name of a file in data/; default: the data set of setting.yaml")
    parser.add_argument("--methods", nargs="+", help="names of files in methods/; default: all")
    return parser


def _count(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return number
