"""Each mistake is explained in one line with the key, the expected value and the nearest right name."""

from __future__ import annotations

import inspect
import logging
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from lightning.pytorch.cli import LightningCLI
from torch._utils import ExceptionWrapper

import cli
from callbacks import SeededSteps
from tests._helpers.parsing import DEMO, ROOT, Parsed, parse
from unlabelled.commands.errors.explanation import explain
from unlabelled.commands.errors.run_errors import line_for_user
from unlabelled.commands.errors.suggestions import hint, known_classes, nearest, options_of, public_path
from unlabelled.data.media.reader import DecodeError


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.delenv("UNLABELLED_TRACEBACK", raising=False)
    for name in ("PL_GLOBAL_SEED", "PL_SEED_WORKERS"):  # restored after a run that sets them
        monkeypatch.setenv(name, "0")


def explanation(capsys: pytest.CaptureFixture[str], *args: str) -> str:
    """Run a wrong command; return its one line on stderr, after checking that the exit code is 2."""
    capsys.readouterr()
    try:
        code: Any = cli.main(args)
    except SystemExit as stop:
        code = stop.code
    out, err = capsys.readouterr()
    assert code == 2
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    return err.removeprefix("error: ").rstrip("\n")


def test_nested_aliases_are_refused_before_they_are_expanded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bomb = tmp_path / "bomb.yaml"
    lists = "\n".join(f"a{n}: &a{n} [{', '.join(9 * [f'*a{n - 1}'])}]" for n in range(1, 12))
    bomb.write_text(f"a0: &a0 [lol]\n{lists}\n")
    line = explanation(capsys, "fit", f"--config={DEMO}", f"--config={bomb}")
    assert line == f"{bomb}: 7.5e+10 values with those of its aliases (*name), at most 100000"
    bomb.write_text("a: &a {b: *a}\n")
    line = explanation(capsys, "fit", f"--config={bomb}")
    assert line == f"{bomb}: an alias (*name) stands in its own value; write the value itself"


def test_a_configuration_in_another_encoding(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "latin.yaml"
    path.write_bytes(b"# f\xfcr mich\ntrainer: {max_epochs: 1}\n")
    line = explanation(capsys, "fit", f"--config={DEMO}", f"--config={path}")
    assert line == f"{path}: not UTF-8 at byte 4; save it as UTF-8"


MISTAKES = yaml.safe_load(Path(__file__).with_name("mistakes.yaml").read_text())


@pytest.mark.parametrize("case", MISTAKES["edits"], ids=lambda case: case["wrong"])
def test_mistake_in_a_file(case: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = (ROOT / DEMO).read_text().splitlines()
    number = next(n for n, text in enumerate(lines) if case["right"] in text and not text.startswith("#"))
    lines[number] = lines[number].replace(case["right"], case["wrong"])
    path = tmp_path / "wrong.yaml"
    path.write_text("\n".join(lines))
    line = explanation(capsys, "fit", "--config", str(path))
    assert line.removesuffix(f" ({path}, line {number + 1})") == case["line"]


def test_the_line_of_the_mistake_is_named_for_relative_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.yaml").write_text("trainer:\n  max_epochs: 3\n  max_step: 3\n")
    monkeypatch.chdir(tmp_path)
    line = explanation(capsys, "fit", "--config", "sub/a.yaml")
    assert line == "trainer.max_step: no such option; did you mean trainer.max_steps? (sub/a.yaml, line 3)"


@pytest.mark.parametrize("case", MISTAKES["options"], ids=lambda case: " ".join(case["args"]))
def test_mistake_on_the_command_line(case: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert explanation(capsys, "fit", "--config", DEMO, *case["args"]) == case["line"]


@pytest.mark.parametrize("case", MISTAKES["files"], ids=lambda case: case["text"][:30])
def test_wrong_file(case: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "later.yaml"
    path.write_text(case["text"])
    line = explanation(capsys, "fit", "--config", DEMO, "--config", str(path))
    assert line == case["line"].replace("{file}", str(path))


def test_missing_options(capsys: pytest.CaptureFixture[str]) -> None:
    line = explanation(capsys, "fit", "--data", "Embedded")
    assert line == "model: missing; give --model, or a --config that has it"
    line = explanation(capsys, "fit", "--model", "SeLaVi", "--data", "Embedded")
    assert line == "model.init_args: SeLaVi needs video_encoder, audio_encoder, optimizer"
    line = explanation(capsys, "--config", DEMO, "fit")
    assert line == "options come after the command: fit --config FILE ..."
    assert explanation(capsys, "fti") == "there is no command 'fti'; did you mean fit?"


def test_an_unknown_message_of_jsonargparse_becomes_one_line() -> None:
    message = 'Parser key "model":\n  Something new about\n  it:\n    - and more\n' + "x" * 500
    line = explain(message)
    assert "\n" not in line
    assert line.startswith("model: Something new about")
    assert len(explain("y" * 5000)) < 310


def test_usage_and_unknown_commands_do_not_import_torch() -> None:
    script = (
        "import sys; from unlabelled.__main__ import run_tool; run_tool([], 'p'); run_tool(['fti'], 'p'); "
        "print('torch' in sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert result.stdout.endswith("False\n")
    assert "doctor" in result.stdout
    assert result.stderr == "error: there is no command 'fti'; did you mean fit?\n"


def test_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 2
    assert cli.main(["--help"]) == 0
    out = capsys.readouterr().out
    for command in (*LightningCLI.subcommands(), "doctor", "check"):
        assert out.count(f"\n  {command} ") == 2


def run_time_error(capsys: pytest.CaptureFixture[str], *args: str) -> str:
    assert cli.main(args) == 1
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    assert len(lines) == 1
    return lines[0]


def test_a_missing_root(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    args = ["--config", DEMO, "--data", "VGGSound", "--data.root", str(tmp_path / "no")]
    args += ["--trainer.logger", "false", "--trainer.default_root_dir", str(tmp_path)]
    line = run_time_error(capsys, "fit", *args)
    assert line.startswith("error: VGGSound: root=")
    assert line.endswith("set --data.init_args.root to the folder of the data set")


@pytest.mark.parametrize(
    ("args", "line"),
    [
        ("--data=Videos --data.root=x --data.val_share=1.5", "val_share=1.5 and test_share=0.0 must be"),
        ("--data=Sounds --data.root=x --data.segment_seconds=0", "segment_seconds=0 must be above 0"),
        ("--data=Videos --data.root=x --data.stride_seconds=1", "Videos: stride_seconds=1.0 requires"),
        ("--data.init_args.pipeline.init_args.colour_jitter=2", "AudioVisualPipeline: colour_jitter=2.0"),
        ("--trainer.callbacks+=RunLength --trainer.callbacks.num_steps=0", "RunLength: num_steps must be"),
    ],
)
def test_a_wrong_value_that_a_constructor_refuses(
    args: str, line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Where an argument is of one class or null, jsonargparse raises an error of its own from that one.
    out = ["--config", DEMO, "--trainer.default_root_dir", str(tmp_path / "runs")]
    assert run_time_error(capsys, "fit", *out, *args.split()).startswith(f"error: {line}")
    assert not list((tmp_path / "runs").glob("*"))


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "there is no file"), (b"PK\x03\x04 cut short", "is damaged or no checkpoint")],
)
def test_a_missing_or_truncated_checkpoint(
    content: bytes | None, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.ckpt"
    if content is not None:
        path.write_bytes(content)
    line = run_time_error(capsys, "test", "--config", DEMO, "--ckpt_path", str(path))
    assert line.startswith("error: ckpt_path: ")
    assert str(path) in line
    assert words in line


def test_bugs_and_the_environment_variable_show_the_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli.CLI, "instantiate_classes", lambda self: int("x"))
    with pytest.raises(ValueError, match="invalid literal"):
        cli.main(["fit", "--config", DEMO])
    monkeypatch.setenv("UNLABELLED_TRACEBACK", "1")
    with pytest.raises(FileNotFoundError):
        cli.main(["test", "--config", DEMO, "--ckpt_path", "no.ckpt"])


def raised(module: str, source: str) -> Exception:
    try:
        exec(source, {"__name__": module})
    except Exception as error:
        return error
    raise AssertionError(f"{source!r} raises no error")


@pytest.mark.parametrize(
    ("module", "source", "line"),
    [
        ("unlabelled.x", "raise ValueError('root\\n  is none')", "error: root is none"),
        ("callbacks", "raise FileNotFoundError('no list')", "error: no list"),
        ("unlabelled.x", "int('x')", None),
        ("unlabelled.x", "a, b = [1]", None),
        ("unlabelled.x", "raise RuntimeError('a row was visited twice')", None),
        ("unlabelledx", "raise ValueError('of another package')", None),
        ("numpy", "raise ValueError('shapes do not match')", None),
        (
            "torch.optim.sgd",
            "raise ValueError('Invalid learning rate: -1')",
            "error: Invalid learning rate: -1",
        ),
        ("anything", "open('/no/such/file')", "error: [Errno 2] No such file or directory: '/no/such/file'"),
    ],
)
def test_errors_for_users_are_distinguished_from_bugs(module: str, source: str, line: str | None) -> None:
    assert line_for_user(raised(module, source)) == line


def test_the_rank_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "3")
    assert line_for_user(DecodeError("a.mp4", "truncated")) == "error (rank 3): a.mp4: truncated"


def test_batchnorm_on_a_single_sample() -> None:
    with pytest.raises(ValueError, match="more than 1 value") as caught:
        torch.nn.BatchNorm1d(2)(torch.ones(1, 2))
    line = line_for_user(caught.value)
    assert line is not None
    assert "a single sample; give --data.init_args.batch_size 2 or more" in line


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (DecodeError("a.mp4", "truncated"), "error: a.mp4: truncated"),
        (ValueError("stored at 8000 Hz"), "error: stored at 8000 Hz"),
        (RuntimeError("some bug"), None),
        (None, None),
    ],
)
def test_an_error_in_a_worker_of_a_data_loader(error: Exception | None, line: str | None) -> None:
    try:
        if error is not None:
            raise error
        int("x")
    except Exception:
        sent = ExceptionWrapper(where="in DataLoader worker process 0")  # as a worker sends an error
    with pytest.raises(Exception, match="worker process") as caught:
        sent.reraise()
    assert line_for_user(caught.value) == line


def checkpoint(tmp_path: Path) -> str:
    hparams = {"_class_path": "lightning_modules.SeLaVi", "num_clusters": 7}
    torch.save({"hyper_parameters": hparams}, tmp_path / "a.ckpt")
    return str(tmp_path / "a.ckpt")


def test_a_checkpoint_does_not_replace_the_model(tmp_path: Path) -> None:
    config = parse("test", "--config", DEMO, "--ckpt_path", checkpoint(tmp_path))
    assert config.model.init_args.num_clusters == 9


def test_the_private_hook_of_lightning_would_replace_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If this test fails, Lightning has renamed its hook: override the new one in ``cli.CLI``."""
    assert "self._parse_ckpt_path()" in inspect.getsource(LightningCLI.__init__)
    monkeypatch.setattr(Parsed, "_parse_ckpt_path", LightningCLI._parse_ckpt_path, raising=False)
    config = parse("test", "--config", DEMO, "--ckpt_path", checkpoint(tmp_path))
    assert config.model.init_args.num_clusters == 7


WARNINGS = (
    "The 'train_dataloader' does not have many workers which may be a bottleneck.",
    "`isinstance(treespec, LeafSpec)` is deprecated, use something else.",
    "The number of training batches (3) is smaller than the logging interval",
)


def test_only_tips_are_hidden(caplog: pytest.LogCaptureFixture) -> None:
    cli.hide_notices()
    logger = logging.getLogger("lightning.pytorch.utilities.rank_zero")
    with caplog.at_level(logging.INFO, logger.name):
        logger.info("💡 Tip: For seamless cloud logging, try installing litlogger")
        logger.info("GPU available: False")
    assert "Tip" not in caplog.text
    assert "GPU available" in caplog.text
    assert not logger.filter(logging.LogRecord("a", 20, "a", 1, "a Tip: b", None, None))
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        cli.hide_notices()
        for text in WARNINGS:
            warnings.warn(text, stacklevel=1)
    assert [str(each.message) for each in warned] == [WARNINGS[-1]]


def test_own_warnings_are_one_line() -> None:
    cli.hide_notices()
    own = warnings.formatwarning("a\nb", UserWarning, str(ROOT / "datamodules" / "splits.py"), 3)
    assert own == "warning: a\nb\n"
    for category, file in (
        (UserWarning, "lightning/a.py"),
        (DeprecationWarning, str(ROOT / "callbacks/a.py")),
    ):
        assert "a.py:3: " in warnings.formatwarning("text", category, file, 3)


def test_suggestions() -> None:
    assert nearest("NUM_CLUSTER", ["num_heads", "num_clusters"]) == "num_clusters"
    assert nearest("zzz", ["num_heads", "num_clusters"]) is None
    assert hint("zzz", ["a", "b"]) == "; there are a, b"
    assert hint("zzz", [str(n) for n in range(100)]) == ""
    assert {"root", "batch_size", "csv_file"} <= set(options_of("datamodules.VGGSound"))
    assert "self" not in options_of("datamodules.VGGSound")
    assert "lightning_modules.SeLaVi" in known_classes()
    assert public_path(SeededSteps) == "callbacks.SeededSteps"
    assert os.path.basename(inspect.getfile(SeededSteps)) == "seeded_steps.py"
