"""The command line: ``python cli.py fit|validate|test|predict --config ...``, and the tools."""

from __future__ import annotations

import sys

from unlabelled.__main__ import run_tool
from unlabelled.commands.start_up import import_torchmetrics, remember_protocols

# Before the imports below, because `doctor` must run where they fail, and the usage should appear at once.
if __name__ == "__main__" and (_code := run_tool(sys.argv[1:], "python cli.py")) is not None:
    sys.exit(_code)
if "torchmetrics" not in sys.modules:
    import_torchmetrics()

import argparse
import contextlib
import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import torch
from jsonargparse import Namespace
from lightning import LightningDataModule, Trainer
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.fabric.utilities.rank_zero import _get_rank, rank_zero_only
from lightning.pytorch.cli import ArgsType, LightningArgumentParser, LightningCLI
from lightning.pytorch.utilities import rank_zero_info
from lightning.pytorch.utilities.exceptions import SIGTERMException

import callbacks
import datamodules
import lightning_modules
import unlabelled
from callbacks.training.save_config import SaveConfig
from lightning_modules import embed_folder
from unlabelled.commands.errors.checkpoint import check_checkpoint, check_start
from unlabelled.commands.errors.disk import hide_in_threads, note_full
from unlabelled.commands.errors.explanation import explain
from unlabelled.commands.errors.overlays import fitting, misfit
from unlabelled.commands.errors.run_errors import line_for_user, traceback_wanted
from unlabelled.commands.errors.suggestions import abstract_methods, import_path
from unlabelled.commands.errors.user_files import unusable
from unlabelled.commands.runs.batch_change import batch_change
from unlabelled.commands.runs.checks import check_accelerator, check_monitors, missing_package
from unlabelled.commands.runs.folders import RunFolder
from unlabelled.commands.runs.lock import locked
from unlabelled.commands.runs.outputs import LOGGER, checkpoint_folders, direct
from unlabelled.commands.runs.placement import forget_choice, name_of, place
from unlabelled.contracts import EvaluatesOnSets
from unlabelled.stop_signals import STOP

remember_protocols()
_OWN = (unlabelled, lightning_modules, datamodules, callbacks)
_format_of_lightning = warnings.formatwarning


class Parser(LightningArgumentParser):
    """A parser that explains a wrong configuration in one line instead of two pages."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.folder = Path.cwd()  # jsonargparse changes to the folder of a file while it reads the file

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Print the key, what was expected and the nearest right name; exit with code 2."""
        if not self.exit_on_error or traceback_wanted():  # parsers of nested classes raise
            super().error(message, ex)
        args = getattr(self, "args", None) or getattr(getattr(self, "parent_parser", None), "args", [])
        with contextlib.chdir(self.folder):
            line = explain(message, _options(self), _config_files(args))
        print(f"error: {line}", file=sys.stderr)
        raise SystemExit(2)


def _options(parser: argparse.ArgumentParser) -> list[str]:
    """Return the dotted options of a command; for the parser of all commands, those of the given one."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return max((_options(each) for each in action.choices.values()), key=len)
    return [action.dest for action in parser._actions if action.option_strings]


def _rank() -> int:
    """Return the rank, which a launcher may have set after Lightning was imported; 0 for one process."""
    return max(_get_rank() or 0, int(getattr(rank_zero_only, "rank", 0)))


def _config_files(args: Sequence[str]) -> list[str]:
    pairs = zip(args, [*args[1:], ""], strict=False)
    files = [value for name, value in pairs if name in ("-c", "--config")]
    return files + [name.partition("=")[2] for name in args if name.startswith("--config=")]


class CLI(LightningCLI):
    """LightningCLI in subclass mode, with errors of one line, and a folder for each run."""

    folder: RunFolder | None = None

    def __init__(self, args: ArgsType = None) -> None:
        failed, self._locks = True, contextlib.ExitStack()
        self._given = sys.argv[1:] if args is None else args
        try:
            super().__init__(
                lightning_modules.BaseModule,
                LightningDataModule,
                trainer_class=Trainer,
                trainer_defaults={
                    "logger": LOGGER,
                    "callbacks": [callbacks.ResumableRun(), callbacks.StopAtSignal()],
                },
                save_config_callback=SaveConfig,
                parser_class=Parser,
                parser_kwargs={"allow_abbrev": False},  # else --trainer.max_epoch is taken as max_epochs
                subclass_mode_model=True,
                subclass_mode_data=True,
                auto_configure_optimizers=False,
                args=args,
            )
            failed = False
            if torch.distributed.is_available() and torch.distributed.is_initialized():
                torch.distributed.destroy_process_group()  # a thread of it may abort the end of the process
        except (OSError, RuntimeError) as error:
            note_full(error, self._written())
            raise
        finally:
            self._locks.close()
            if self.folder is not None and _rank() == 0:
                steps = getattr(getattr(self, "trainer", None), "global_step", 0)
                self.folder.remove_unused(failed and steps == 0)
                forget_choice()

    def _written(self) -> list[str]:
        """Return the folders that the command writes to."""
        run = None if self.folder is None else self.folder.output
        root = getattr(getattr(self, "trainer", None), "default_root_dir", None)
        data = getattr(getattr(self, "datamodule", None), "root", None)
        return [str(folder) for folder in (run, root, data) if folder is not None]

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add the name of the run, and the callbacks that every run has."""
        parser.add_argument(
            "--run",
            type=str | None,
            default=None,
            help="Name of the run, whose folder in trainer.default_root_dir (null: runs) has all its output; "
            "null: the configuration's name.",
        )
        parser.add_lightning_class_args(callbacks.SeededSteps, "seeded_steps")
        parser.add_lightning_class_args(callbacks.DivergenceChecks, "divergence")
        parser.add_lightning_class_args(callbacks.RankTimeout, "rank_timeout")

    def _prepare_subcommand_parser(
        self, klass: type, subcommand: str, **kwargs: Any
    ) -> LightningArgumentParser:
        """Return the parser of a command, without options if another command is given: each takes 0.1 s."""
        given = self._given[0] if isinstance(self._given, list) and self._given else None
        if given in self.subcommands() and given != subcommand:
            return self.init_parser(**kwargs)
        return super()._prepare_subcommand_parser(klass, subcommand, **kwargs)

    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        """Parse, and refuse what jsonargparse accepts: unfit data, no trainer options, abstract classes."""
        given = self._given
        if isinstance(given, list):
            files = _config_files(given)
            if line := unusable(files) or misfit(files, given):
                parser.error(line)
        super().parse_arguments(parser, args)
        config = self.config[self.config.subcommand]
        if not isinstance(config.trainer, Namespace):
            parser.error(f"trainer: expected options by name (NAME: VALUE), got {config.trainer!r}")
        for key in ("model", "data"):
            path = config[key].class_path
            if missing := abstract_methods(import_path(path)):
                parser.error(f"{key}.class_path: {path} is abstract: it lacks {missing[0]}; name a subclass")

    def before_instantiate_classes(self) -> None:
        """Check the checkpoint and the devices before the data are indexed, which may take minutes."""
        config = self.config[self.config.subcommand]
        check_checkpoint(config.ckpt_path, resumes=self.config.subcommand == "fit")
        check_start(config.model.get("init_args") or {})
        if config.weights_only is None:  # Lightning would run code from a checkpoint at a URL
            config.weights_only = True
        check_accelerator(config.trainer)

    def instantiate_classes(self) -> None:
        """Create all objects; loggers and checkpoints that name no folder follow that of the run."""
        command, given = self.config.subcommand, self.config
        name = name_of([str(file) for file in given[command].config or []], given[command].model.class_path)
        self.config = given.clone()
        config = self.config[command]
        self.folder = place(config, command, name, _rank())
        given[command].run = given[command].run or name
        if self.folder is not None:
            direct(config, command, self.folder)
            rank_zero_info(f"run {self.folder.name}: output in {self.folder.output}")
        if command == "fit" and config.trainer.enable_checkpointing is not False and _rank() == 0:
            self._lock(config.trainer)
        if command == "fit" and (change := batch_change([str(file) for file in config.config or []], config)):
            rank_zero_info(change)
        starts = config.ckpt_path is not None or check_start(config.model.get("init_args") or {})
        if command != "fit" and not starts:
            rank_zero_info(f"{command} without --ckpt_path: the weights are initial ones, of no run")
        self._saved = given
        try:
            super().instantiate_classes()
        except ValueError as error:
            if (line := missing_package(str(error))) is None:
                raise
            raise MisconfigurationException(line) from error

    def _lock(self, trainer: Namespace) -> None:
        """Keep other trainings out of the folders of the checkpoints."""
        if trainer.fast_dev_run:
            return
        for folder in checkpoint_folders(trainer, Path(trainer.default_root_dir or ".")):
            if "://" not in folder:
                self._locks.enter_context(locked(Path(folder)))

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Create the trainer; the saved configuration names no folder, as a run of it has its own."""
        self.config = self._saved
        trainer: Any = super().instantiate_trainer(**kwargs)
        for each in trainer.callbacks:
            if isinstance(each, callbacks.RankTimeout):
                each.prepare(trainer)
        return trainer  # type: ignore[no-any-return]

    def before_fit(self) -> None:
        """Check the monitored metrics before the data are indexed."""
        check_monitors(self.model, self.trainer.callbacks)  # type: ignore[attr-defined]

    def before_predict(self) -> None:
        """Add the table of predictions, unless a callback writes files or the data are evaluation sets."""
        writers = (callbacks.ClusterPredictions, callbacks.ExportEncoder, callbacks.ExportFeatures)
        added: list[Any] = self.trainer.callbacks  # type: ignore[attr-defined]
        if not any(isinstance(each, writers) for each in added) and not isinstance(
            self.datamodule, EvaluatesOnSets
        ):
            added.append(callbacks.ClusterPredictions())

    def _parse_ckpt_path(self) -> None:
        """Keep the model of the command line.

        Lightning replaces its class and hyper-parameters by those of the checkpoint: ``test --model A
        --ckpt_path b.ckpt`` would test B without a warning. Instead, ``BaseModule.on_load_checkpoint``
        refuses a checkpoint of another method or shape.
        """


def hide_notices() -> None:
    """Hide advertisements and notes to developers that Lightning and torch print in every run."""
    for pattern in (
        r".*does not have many workers",  # the configurations set their number
        r"LightningCLI's args parameter",  # tests and notebooks call main(args)
        r"Found \d+ module\(s\) in eval mode at the start of training",  # a frozen encoder is
        r"`isinstance\(treespec, LeafSpec\)` is deprecated",  # a note of torch to Lightning
        r"You're resuming from a checkpoint that ended before the epoch ended",  # the loader goes on
    ):
        warnings.filterwarnings("ignore", pattern)
    logging.getLogger("lightning.pytorch.utilities.rank_zero").addFilter(_is_no_tip)
    warnings.formatwarning = _format_warning


def _format_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    """Return a warning of this package without the line of code that raises it."""
    if category is UserWarning and any(Path(filename).is_relative_to(each.__path__[0]) for each in _OWN):
        return f"warning: {message}\n"
    return _format_of_lightning(message, category, filename, lineno, line)


def _is_no_tip(record: logging.LogRecord) -> bool:
    return "Tip:" not in record.getMessage()


def main(args: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        args: The command line after the program's name; ``None``: that of this process.

    Returns: The exit code: 0; 1 after an error that one line on stderr explains; 143 after SIGTERM, 130 after
        SIGINT; else that of a tool.

    Raises:
        SystemExit: The command line or a configuration is wrong; the code is 2.
    """
    given = sys.argv[1:] if args is None else list(args)
    code = run_tool(given, "python cli.py")
    if code is not None:
        return code
    hide_notices()
    hide_in_threads()
    try:
        if given[0] == "embed":
            return embed_folder.main(given[1:])
        with STOP.handled():
            CLI(None if args is None else list(args))
    except SIGTERMException:
        return STOP.exit_code
    except Exception as error:
        note_full(error, ())
        line = line_for_user(error, (MisconfigurationException,))
        if line is None or traceback_wanted():
            raise
        if holds := getattr(error, "holds", None):  # of data that lack a modality
            line += f"; {fitting(holds)}"
        print(line, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
