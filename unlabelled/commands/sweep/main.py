"""The command line of ``python -m unlabelled sweep``."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from unlabelled.commands.sweep.plan import Sweep, read_sweep
from unlabelled.commands.sweep.run import CellRun
from unlabelled.commands.sweep.table import write_tables

DESCRIPTION = """\
Train and test each row of a sweep with each column and each seed, and write OUT/table.md. Completed runs are
not repeated, unless their options or configurations have changed; changes of the code are not detected: after
them, delete OUT. The exit code is 1 if a run failed: its folder has the reason, in fit.txt or test.txt."""


def main(argv: Sequence[str]) -> int:
    """Run the command; return 0: all runs are complete, 1: one failed, 2: the file is not usable."""
    options = _parser().parse_args(argv)
    try:
        sweep = select(read_sweep(Path(options.file)), options.rows, options.columns)
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    out = Path(options.out or Path("runs", "sweeps", Path(options.file).stem)).absolute()
    complete = run(sweep, out, options.jobs, shlex.join(["python", "-m", "unlabelled", "sweep", *argv]))
    print(f"\n{(out / 'table.md').read_text(encoding='utf-8')}")
    return 0 if complete else 1


def select(sweep: Sweep, rows: Sequence[str] | None, columns: Sequence[str] | None) -> Sweep:
    """Return the sweep with some of its rows and columns.

    Raises:
        ValueError: One does not exist.
    """
    chosen = []
    for names, group in ((rows, sweep.rows), (columns, sweep.columns)):
        if unknown := set(names or []) - set(group):
            raise ValueError(f"there is no {min(unknown)!r} among {', '.join(group)}")
        chosen.append({name: group[name] for name in group if names is None or name in names})
    return Sweep(**{**vars(sweep), "rows": chosen[0], "columns": chosen[1]})


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
    return parser
