"""The command ``unlabelled``; the tools among its commands start without Lightning."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from unlabelled.commands.suggestions import hint
from unlabelled.environment import experiment_root

EXPERIMENTS = ("fit", "validate", "test", "predict")
TOOLS = {
    "doctor": "unlabelled.commands.doctor",
    "check": "unlabelled.commands.check_media",
    "check-features": "unlabelled.commands.check_features",
    "convert": "unlabelled.commands.convert",
    "hierarchy": "unlabelled.commands.hierarchy",
}

USAGE = """\
usage: {prog} COMMAND [options]

  fit       train:     {prog} fit --config configs/demo/selavi.yaml
  validate  evaluate a checkpoint on the validation split
  test      evaluate a checkpoint:  {prog} test --config FILE --ckpt_path FILE
  predict   write down what a checkpoint says of the test split
  doctor    say what is installed, and try out the decoders
  check     look for broken media files:  {prog} check DIR
  check-features  look for broken feature files of HowTo100M's layout:  {prog} check-features ROOT LIST
  hierarchy  compare hierarchies of any features:  {prog} hierarchy FEATURES.npy
  convert   turn published captions and retrieval sets into safe tables:  {prog} convert FILE FOLDER

Later --config files win over earlier ones, and options over files: --data.init_args.root DIR.
{prog} fit --help lists the options, {prog} fit --model.help SeLaVi those of a class."""


def run_tool(args: Sequence[str], prog: str) -> int | None:
    """Run what needs no Lightning: usage, tools, and the refusal of an unknown command.

    Returns: The exit code, or ``None`` where the rest of the command line is for ``cli.py``.
    """
    command = args[0] if args else ""
    if command in TOOLS:
        tool: Callable[[list[str]], int] = importlib.import_module(TOOLS[command]).main
        return tool(list(args[1:]))
    if not command or command in ("-h", "--help", "help"):
        print(USAGE.format(prog=prog))
        return 0 if command else 2
    if command not in EXPERIMENTS and not command.startswith("-"):
        print(f"error: no command {command!r}{hint(command, [*EXPERIMENTS, *TOOLS])}", file=sys.stderr)
        return 2
    return None


def main() -> int:
    """Find the experiment layer and hand over to it."""
    code = run_tool(sys.argv[1:], "unlabelled")
    if code is not None:
        return code
    sys.path.insert(0, str(experiment_root(Path(__file__).resolve().parent)))
    result: int = importlib.import_module("cli").main()
    return result


if __name__ == "__main__":
    sys.exit(main())
