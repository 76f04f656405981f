"""Tables that a test prints and leaves in TensorBoard."""

from __future__ import annotations

from lightning import Trainer

from callbacks.shared.loggers import boards
from callbacks.shared.tables import Table, format_table


def print_tables(trainer: Trainer, tables: dict[str, Table], name: str) -> None:
    """Print titled tables of one set of columns, and add them to the TensorBoard log as text ``name``.

    Tables without rows are left out, and so are all processes but the first.
    """
    if not trainer.is_global_zero:
        return
    text = format_table({title: table for title, table in tables.items() if table})
    print(f"\n{text}\n")
    for board in boards(trainer):
        board.add_text(name, f"```\n{text}\n```", trainer.global_step)
