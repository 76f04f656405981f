"""The command line of ``python -m unlabelled sweep``."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path

from unlabelled.commands.sweep.plan import Cell, Sweep, read_sweep
from unlabelled.commands.sweep.run import CellRun
from unlabelled.commands.sweep.slurm import submit
from unlabelled.commands.sweep.steps import steps_of
from unlabelled.commands.sweep.table import write_tables

DESCRIPTION = """\
Train and test each row of a sweep with each column and each seed, evaluate the encoders by the protocols of
the sweep, and write OUT/table.md, with published numbers beside the measured ones. Completed runs are not
repeated, and interrupted ones go on, unless their options or configurations have changed; changes of the code
are not detected: after them, delete OUT. The exit code is 1 if a run failed: its folder has the reason, in
fit.txt, test.txt or PROTOCOL-fit.txt."""


def main(argv: Sequence[str]) -> int:
    """Run the command; return 0: all runs are complete, 1: one failed, 2: the file is not usable."""
    options = _parser().parse_args(argv)
    try:
        sweep = select(read_sweep(Path(options.file)), options.rows, options.columns)
        sweep = sweep.with_options(options.options or [])
        out = Path(options.out or Path("runs", "sweeps", Path(options.file).stem)).absolute()
        cells = chosen(sweep, options.cell)
        if options.dry_run:
            print("\n".join(step.line() for cell in cells for step in steps_of(sweep, cell, out)))
            return 0
        if options.slurm is not None:
            print(submit(_selection(options, out), len(cells), out, options.slurm))
            return 0
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if options.cell is not None:
        return int(CellRun(sweep, cells[0], out).complete() is None)
    command = shlex.join(["python", "-m", "unlabelled", "sweep", *argv])
    complete = collect(sweep, out, command) if options.tables else run(sweep, out, options.jobs, command)
    print(f"\n{(out / 'table.md').read_text(encoding='utf-8')}")
    return 0 if complete else 1


def select(sweep: Sweep, rows: Sequence[str] | None, columns: Sequence[str] | None) -> Sweep:
    """Return the sweep with some of its rows and columns.

    Raises:
        ValueError: One does not exist.
    """
    kept = []
    for names, group in ((rows, sweep.rows), (columns, sweep.columns)):
        if unknown := set(names or []) - set(group):
            raise ValueError(f"there is no {min(unknown)!r} among {', '.join(group)}")
        kept.append({name: group[name] for name in group if names is None or name in names})
    return replace(sweep, rows=kept[0], columns=kept[1])


def chosen(sweep: Sweep, number: int | None) -> list[Cell]:
    """Return all runs, or the one of a number from 0.

    Raises:
        ValueError: There is no such run.
    """
    cells = sweep.cells()
    if number is None:
        return cells
    if not 0 <= number < len(cells):
        raise ValueError(f"--cell: there is no run {number}, only 0 to {len(cells) - 1}")
    return [cells[number]]


def collect(sweep: Sweep, out: Path, command: str) -> bool:
    """Write the tables of the completed runs; return whether all are complete."""
    found = {cell: CellRun(sweep, cell, out).scores() for cell in sweep.cells()}
    out.mkdir(parents=True, exist_ok=True)
    write_tables(sweep, {cell: scores for cell, scores in found.items() if scores is not None}, out, command)
    return None not in found.values()


def run(sweep: Sweep, out: Path, jobs: int, command: str) -> bool:
    """Complete all runs, ``jobs`` at a time, and write the tables after each; return whether none failed."""
    scores, failed = {}, 0
    with ThreadPoolExecutor(jobs) as pool:
        cells = {pool.submit(CellRun(sweep, cell, out).complete): cell for cell in sweep.cells()}
        try:
            for count, future in enumerate(as_completed(cells), 1):
                cell, result = cells[future], future.result()
                if result is None:
                    failed += 1
                else:
                    scores[cell] = result
                state = "failed" if result is None else "done"
                place = f"{cell.row}, {cell.column}, seed {cell.seed}: {state}  ({cell.folder(out)})"
                print(f"{count} of {len(cells)}, {place}", flush=True)
                write_tables(sweep, scores, out, command)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return not failed


def _selection(options: argparse.Namespace, out: Path) -> list[str]:
    """Return the arguments that select the same runs in another process."""
    arguments = [str(Path(options.file).absolute()), "--out", str(out)]
    for name in ("rows", "columns"):
        if getattr(options, name) is not None:
            arguments += [f"--{name}", *getattr(options, name)]
    return [*arguments, "--options", *options.options] if options.options else arguments


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m unlabelled sweep",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", help="the file of the sweep, such as configs/sweeps/clips.yaml")
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time, one core each")
    parser.add_argument("--out", help="folder of the output (default: runs/sweeps/NAME)")
    parser.add_argument("--rows", nargs="+", help="names of rows; default: all")
    parser.add_argument("--columns", nargs="+", help="names of columns; default: all")
    parser.add_argument("--cell", type=int, metavar="N", help="complete run N alone, from 0; no tables")
    parser.add_argument("--tables", action="store_true", help="run nothing; write tables of completed runs")
    parser.add_argument("--dry-run", action="store_true", help="print the commands of all runs")
    parser.add_argument(
        "--slurm",
        nargs="?",
        const="",
        metavar="OPTIONS",
        help='submit a job array, one run on one node each; =OPTIONS: of sbatch, "--gres=gpu:8 --time=2-00"',
    )
    parser.add_argument(
        "--options",
        nargs=argparse.REMAINDER,
        metavar="OPTION",
        help="last of all: further options of each run, --key=value, or of a protocol, NAME:--key=value",
    )
    return parser
