"""A sweep as a job array of SLURM: one task per run, and one that writes the tables at the end."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from unlabelled.commands.sweep.plan import ROOT
from unlabelled.data.media.storage import write_atomically

_SCRIPT = """\
#!/bin/bash
#SBATCH --job-name={name}
#SBATCH --array=0-{last}
#SBATCH --ntasks=1
#SBATCH --output={logs}
cd {root} || exit 1
export SLURM_JOB_NAME=bash  # Lightning starts the processes of one node itself, not srun
exec {command} --cell "$SLURM_ARRAY_TASK_ID" {selection}
"""


def submit(selection: Sequence[str], cells: int, out: Path, options: str) -> str:
    """Write ``OUT/sweep.sbatch``, submit it, and then the job that writes the tables; return their numbers.

    Args:
        selection: Arguments of ``sweep`` that select these runs.
        cells: Number of runs.
        out: Folder of the sweep's output.
        options: Options of ``sbatch`` for each run, such as ``--gres=gpu:8 --time=2-00``.

    Raises:
        ValueError: ``sbatch`` is missing or refuses a job.
    """
    logs = out / "slurm"
    logs.mkdir(parents=True, exist_ok=True)
    call = [sys.executable, "-m", "unlabelled", "sweep"]
    script = out / "sweep.sbatch"
    text = _SCRIPT.format(
        name=out.name,
        last=cells - 1,
        logs=shlex.quote(f"{logs}/%a.txt"),
        root=shlex.quote(str(ROOT)),
        command=shlex.join(call),
        selection=shlex.join(selection),
    )
    write_atomically(str(script), lambda file: file.write(text.encode()))
    array = _sbatch([*shlex.split(options), str(script)])
    tables = shlex.join(["cd", str(ROOT)]) + " && " + shlex.join([*call, "--tables", *selection])
    after = [f"--dependency=afterany:{array}", f"--output={logs}/tables.txt", f"--wrap={tables}"]
    return f"job {array}: {cells} runs; job {_sbatch(after)}: tables"


def _sbatch(arguments: Sequence[str]) -> str:
    """Submit a job, and return its number."""
    try:
        done = subprocess.run(
            ["sbatch", "--parsable", *arguments], capture_output=True, text=True, check=False
        )
    except FileNotFoundError as error:
        raise ValueError("--slurm: there is no command sbatch on this machine") from error
    if done.returncode:
        raise ValueError(f"--slurm: sbatch failed: {' '.join(done.stderr.split())}")
    return done.stdout.strip().partition(";")[0]
