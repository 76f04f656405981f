"""The text of docs/published.md."""

from __future__ import annotations

from collections.abc import Iterator

from tools.layout import ROOT
from tools.published.commands import table_commands
from tools.published.cost import content, row_days
from tools.published.papers import PAPERS, read_paper
from tools.published.tables import FOLDER, Paper, Row, Table, read

PAGE = ROOT / "docs" / "published.md"

_HEAD = """\
# Published numbers

<!-- python -m tools.published writes this page from docs/published and configs/sweeps: edit those. -->

Every table of the five papers, as far as their texts are public: the number, the commands that would repeat
it, and what was measured here. **No run of this page has been made at full scale**: "not run" has the cost of
the training and of the evaluation beside it. What was measured on small data is in [Results](results.md).

- Commands run in the folder of the repository, in their order. Add `--data.init_args.root DIR` where the data
  are not at the place that a configuration names, and `--config configs/trainer/FILE.yaml` on other machines
  ([Scaling](scaling.md)).
- A sweep runs all rows of its table and writes one table of measured and published numbers.
- Methods that the papers cite and the package does not have are left out.

## Costs

Days and hours of one {gpu} are computed, not measured:

$$\\mathrm{{days}} = \\frac{{E \\, N \\, (6 M_t + 2 M_f)}}{{86400 \\cdot F \\cdot s}}$$

with E epochs of N samples, $M_t$ multiply-adds per sample of the networks that are trained (two operations
each, and twice as many for the gradients), and $M_f$ of those that are only passed forward (target networks,
clustering passes, frozen encoders). F = {peak:.0f}e12 operations per second is the peak of the {gpu} in
bfloat16; its share s = {share} is an assumption, at half of it the times double. Reading and decoding, heads,
validation, tests and communication are left out, so that they are lower bounds. A training includes those
that it starts from. For comparison: SeLaVi's appendix A.2 states two days on 64 GPUs, of a type that it does
not name, for VGG-Sound: 128 days, in float32 according to the released code.
"""


def render() -> str:
    """Return the page."""
    gpu = content()["gpu"]
    parts = [_HEAD.format(gpu=gpu["name"], peak=gpu["peak"] / 1e12, share=gpu["share"])]
    for paper in map(read_paper, PAPERS):
        parts += _paper(paper)
    parts += ["## Recipes without a row\n", "\n".join(_others())]
    return "\n".join(part.rstrip("\n") + "\n" for part in parts)


def _paper(paper: Paper) -> Iterator[str]:
    yield f"## {paper.title}\n"
    yield f"{paper.source}. Method, equations and differences: [{paper.title}]({paper.page}).\n"
    yield f"Measured on small data: {paper.measured}.\n"
    yield paper.notes
    for table in paper.tables:
        yield f"### {paper.title}, {table.name}\n"
        yield f"{table.caption[0].upper()}{table.caption[1:]}.\n"
        yield "\n".join(_rows(table))
        if table.notes:
            yield table.notes
        if commands := list(table_commands(table)):
            block = "```sh\n" + "\n".join(commands) + "\n```"
            folded = f'<details markdown="1">\n<summary>Commands</summary>\n\n{block}\n\n</details>'
            yield block if len(commands) == 1 else folded


def _rows(table: Table) -> Iterator[str]:
    heads = ["", *table.scores, "measured here"]
    yield "| " + " | ".join(heads) + " |"
    yield "|---" * len(heads) + "|"
    for row in table.rows:
        yield "| " + " | ".join([row.name, *row.published, _measured(row, table)]) + " |"


def _measured(row: Row, table: Table) -> str:
    if row.measured is not None:
        return row.measured
    days = row_days(row)
    if days is None:
        return "no command" if table.command is None else "not run"
    return f"not run: {_time(days[0])} + {_time(days[1])}"


def _time(days: float) -> str:
    if days >= 10:
        return f"{days:.0f} days"
    if days >= 1:
        return f"{days:.1f} days"
    return f"{24 * days:.1f} h" if 24 * days >= 0.1 else "minutes"


def _others() -> Iterator[str]:
    for entry in read(FOLDER / "others.yaml"):
        names = ", ".join(f"`{name}`" for name in entry["recipes"])
        yield f"- {names}: {entry['why']}."
