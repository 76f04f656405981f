"""The commands of one run of a sweep, in their order."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from unlabelled.commands.sweep.plan import Cell, Sweep


@dataclass(frozen=True)
class Step:
    """A command of ``cli.py``.

    Args:
        command: ``fit`` or ``test``.
        options: Its options.
        folder: Folder of its run.
        protocol: The protocol that it belongs to; None: the run itself.
    """

    command: str
    options: tuple[str, ...]
    folder: Path
    protocol: str | None = None

    @property
    def name(self) -> str:
        """A name that no other step of the run has."""
        return self.command if self.protocol is None else f"{self.protocol}-{self.command}"

    @property
    def last_checkpoint(self) -> Path:
        """Path of the checkpoint that an interrupted run goes on from."""
        return self.folder / "checkpoints" / "last.ckpt"

    def line(self) -> str:
        """Return the command line, for a shell in the folder of ``cli.py``."""
        return shlex.join(["python", "cli.py", self.command, *self.options])


def steps_of(sweep: Sweep, cell: Cell, out: Path) -> list[Step]:
    """Return the commands of a run: its own ``fit`` and ``test``, then those of each protocol.

    The run itself is tested if a score of the sweep is not of a protocol.
    """
    folder = cell.folder(out)
    tested = any(sweep.protocol_of(score) is None for score in sweep.scores)
    steps = _pair(cell.options, sweep.checkpoint, cell.seed, folder, None)
    steps = [step for step in steps if step.command == "fit" or tested]
    encoders = []
    if sweep.checkpoint is not None:
        path = folder / "checkpoints" / f"{sweep.checkpoint}.ckpt"
        encoders = [f"--model.init_args.encoder_checkpoint={path}"]
    for name, protocol in cell.protocols.items():
        options = (*protocol.options, *encoders)
        steps += _pair(options, protocol.checkpoint, cell.seed, folder / name, name)
    return steps


def _pair(
    options: tuple[str, ...], checkpoint: str | None, seed: int, folder: Path, protocol: str | None
) -> list[Step]:
    """Return ``fit`` and ``test``; without a checkpoint ``test`` alone."""
    common = (
        *options,
        f"--seed_everything={seed}",
        f"--trainer.default_root_dir={folder.parent}",
        f"--run={folder.name}",
    )
    if checkpoint is None:
        return [Step("test", common, folder, protocol)]
    path = folder / "checkpoints" / f"{checkpoint}.ckpt"
    tested = (*common, f"--ckpt_path={path}")
    return [Step("fit", common, folder, protocol), Step("test", tested, folder, protocol)]
