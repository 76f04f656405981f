"""The command line ``unlabelled``: its tools, which do not import Lightning, and what ``cli.py`` runs."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from unlabelled.commands.errors.suggestions import hint
from unlabelled.environment import experiment_root

EXPERIMENTS = ("fit", "validate", "test", "predict")
OF_CLI = (*EXPERIMENTS, "embed")
"""The commands that ``cli.py`` runs, as they require Lightning."""
TOOLS = {
    "doctor": "unlabelled.commands.doctor",
    "check": "unlabelled.commands.check_media",
    "check-features": "unlabelled.commands.check_features",
    "convert": "unlabelled.commands.convert",
    "pack": "unlabelled.commands.pack",
    "statistics": "unlabelled.commands.statistics",
    "real-data": "unlabelled.commands.real_data",
    "hierarchy": "unlabelled.commands.hierarchy",
    "compare": "unlabelled.commands.compare.main",
    "page": "unlabelled.commands.page",
    "discover": "unlabelled.commands.discover",
    "sweep": "unlabelled.commands.sweep",
}

USAGE = """\
usage: {prog} COMMAND [options]

  fit       train:     {prog} fit --config configs/demo/selavi.yaml
  validate  evaluate a checkpoint on the validation split
  test      evaluate a checkpoint:  {prog} test --config FILE --ckpt_path FILE
  predict   write the outputs of a checkpoint, on data.init_args.predict_split
  doctor    report versions and devices, and check packages and decoders
  check     find media files that cannot be used:  {prog} check DIR
  embed     write the features of the files of a folder:  {prog} embed CKPT FOLDER
  check-features  find unusable feature files in HowTo100M's layout:  {prog} check-features ROOT LIST
  hierarchy  compare hierarchies of any features:  {prog} hierarchy FEATURES.npy
  compare   train and evaluate all methods on the embedded videos, in one table
  discover  cluster a folder without labels, and write a page of it:  {prog} discover FOLDER
  page      write a page that shows the clusters of a run:  {prog} page RUN
  real-data  fetch photographs and a sound font, and compose a small data set of real data
  sweep     run a grid of configurations and write one table:  {prog} sweep configs/sweeps/clips.yaml
  pack      pack the media files of a folder into shards:  {prog} pack FOLDER OUT
  statistics  print options that normalise videos by their own statistics:  {prog} statistics DIR
  convert   convert published captions and retrieval sets to tables:  {prog} convert FILE FOLDER

Later --config files override earlier ones, and options override files: --data.init_args.root DIR.
{prog} fit --help lists the options, {prog} fit --model.help SeLaVi those of a class."""


def run_tool(args: Sequence[str], prog: str) -> int | None:
    """Run a command that does not require Lightning: a tool, the usage, or an unknown command.

    Args:
        args: The command line after the program's name.
        prog: The program's name in the usage.

    Returns: The exit code; ``None``: the command is for ``cli.py``.
    """
    command = args[0] if args else ""
    if command in TOOLS:
        tool: Callable[[list[str]], int] = importlib.import_module(TOOLS[command]).main
        return tool(list(args[1:]))
    if not command or command in ("-h", "--help", "help"):
        print(USAGE.format(prog=prog))
        return 0 if command else 2
    if command not in OF_CLI and not command.startswith("-"):
        print(f"error: there is no command {command!r}{hint(command, [*OF_CLI, *TOOLS])}", file=sys.stderr)
        return 2
    return None


def main() -> int:
    """Run a tool, or ``cli.py`` of the clone or of the installed wheel."""
    code = run_tool(sys.argv[1:], "unlabelled")
    if code is not None:
        return code
    sys.path.insert(0, str(experiment_root(Path(__file__).resolve().parent)))
    result: int = importlib.import_module("cli").main()
    return result


if __name__ == "__main__":
    sys.exit(main())
