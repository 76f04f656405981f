"""What a comparison leaves for people: ``table.md``, and TensorBoard's HParams."""

from __future__ import annotations

import functools
import shlex
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from unlabelled.commands.compare.plan import Method, Plan
from unlabelled.commands.compare.results import Result
from unlabelled.commands.compare.table import Column, columns, markdown
from unlabelled.data.media.storage import write_atomically
from unlabelled.environment import describe

LEGEND = """\
- ±: standard deviation over seeds (n - 1). Bold: the best mean, and all within its standard deviation.
- s: seconds of the training for an epoch, and of training and tests; without the start of Python, beside the
  other runs."""

Results = Mapping[str, Mapping[int, Result]]
"""By the method's name, by seed."""


def write_table(
    out: Path,
    plan: Plan,
    methods: Sequence[Method],
    results: Results,
    failed: Mapping[str, Sequence[int]],
    command: Sequence[str],
) -> None:
    """Write ``table.md``.

    Args:
        out: The folder.
        plan: Whose methods they are.
        methods: The rows.
        results: What is there so far.
        failed: By the method's name the seeds that failed.
        command: The arguments that the comparison was last called with.
    """
    table = markdown(
        {method.title: list(results[method.name].values()) for method in methods},
        {method.title: failed.get(method.name, []) for method in methods},
        columns(plan.epochs),
    )
    seeds = sorted({seed for each in results.values() for seed in each})
    call = shlex.join(["python", "-m", "unlabelled.commands.compare", *command])
    listed = ", ".join(map(str, seeds)) or "(none yet)"
    made = f"- {plan.epochs} epochs of each method, seeds {listed}; last call: `{call}`."
    text = f"# Comparison\n\n{table}\n\n{plan.notes}\n{LEGEND}\n{made}\n\n```\n{_machine()}\n```\n"
    write_atomically(str(out / "table.md"), lambda file: file.write(text.encode()))


def write_hparams(out: Path, plan: Plan, methods: Sequence[Method], results: Results) -> None:
    """Write every run's numbers to ``hparams/`` for TensorBoard's HParams, in place of older ones."""
    from torch.utils.tensorboard import SummaryWriter

    shutil.rmtree(out / "hparams", ignore_errors=True)
    shown = columns(plan.epochs)
    for method in methods:
        for seed, result in results[method.name].items():
            with SummaryWriter(str(out / "hparams" / f"{method.name}-seed{seed}")) as writer:
                facts = {"method": method.title, "seed": seed}
                writer.add_hparams(facts, metrics(result, shown), run_name=".")


@functools.cache
def _machine() -> str:
    return describe().strip()


def metrics(result: Result, shown: Sequence[Column]) -> dict[str, float]:
    """Return the numbers of a result by the titles of their columns."""
    found = {column.title: column.value(result) for column in shown}
    return {f"compare/{title}": value for title, value in found.items() if value is not None}
