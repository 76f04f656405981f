"""Checkpoints are whole or absent."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch

from callbacks.training.checkpoint_files import WholeCheckpoints
from unlabelled.commands.runs.whole import is_whole

CONTENT = {"state_dict": {"weight": torch.arange(100.0)}}


def write(path: Path, **more: Any) -> None:
    WholeCheckpoints().save_checkpoint({**CONTENT, **more}, path)


def test_a_checkpoint_is_written_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "new" / "last.ckpt"
    for step in (1, 2):
        write(path, global_step=step)
        assert is_whole(path)
        assert torch.load(path, weights_only=True)["global_step"] == step
        assert [each.name for each in path.parent.iterdir()] == ["last.ckpt"]


@pytest.mark.parametrize("moment", ["os.fsync", "pathlib.Path.replace"])
def test_a_process_that_is_killed_while_it_writes_leaves_the_previous_one(
    moment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "last.ckpt"
    write(path, global_step=1)
    process = os.fork()
    if process == 0:
        monkeypatch.setattr(moment, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
        write(path, global_step=2)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == -signal.SIGKILL
    assert {each.name for each in tmp_path.iterdir()} == {"last.ckpt", "last.ckpt.part"}
    assert torch.load(path, weights_only=True)["global_step"] == 1
    write(path, global_step=3)
    assert [each.name for each in tmp_path.iterdir()] == ["last.ckpt"]


def test_a_full_disk_leaves_the_previous_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "last.ckpt"
    write(path, global_step=1)

    def full(content: Any, file: Any) -> None:
        file.write(b"PK")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError, match=r"checkpoint: .*last\.ckpt cannot be written: .*No space left"):
        write(path, global_step=2)
    assert [each.name for each in tmp_path.iterdir()] == ["last.ckpt"]
    assert torch.load(path, weights_only=True)["global_step"] == 1


class _Program:
    """A pickle of it creates a file when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """Serve the folder."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(tmp_path)))
    with server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_no_code_of_a_checkpoint_at_a_url_is_run(url: str, tmp_path: Path) -> None:
    write(tmp_path / "good.ckpt")
    torch.save({**CONTENT, "more": _Program(tmp_path / "run")}, tmp_path / "bad.ckpt")
    (tmp_path / "cut.ckpt").write_bytes((tmp_path / "good.ckpt").read_bytes()[:300])
    read = partial(WholeCheckpoints().load_checkpoint, weights_only=True)
    assert torch.equal(read(f"{url}/good.ckpt")["state_dict"]["weight"], CONTENT["state_dict"]["weight"])
    for name, reason in (
        ("bad", "is refused: it contains other objects"),
        ("cut", "is damaged or no checkpoint"),
    ):
        with pytest.raises(ValueError, match=rf"ckpt_path: '{url}/{name}\.ckpt' {reason}"):
            read(f"{url}/{name}.ckpt")
    assert not (tmp_path / "run").exists()
    with pytest.raises(OSError, match="not found"):
        read(f"{url}/none.ckpt")
