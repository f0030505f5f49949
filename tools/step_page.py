"""The reference page of the Python functions of steps, made from their declarations."""

from __future__ import annotations

from collections.abc import Iterator

from parameter_pages import page_of

import dxdask
from dxdask.pipeline.declaration import Step
from dxdask.pipeline.steps import all_steps

_HEAD = """# Steps

Each step is a function of the package, `dxdask.find_spots(store, min_spot_size=2)`, and a command,
`dxdask find_spots STORE min_spot_size=2`. All take the same arguments:

::: dxdask.pipeline.step_functions.StepFunction.__call__
    options:
      heading_level: 2
      show_root_heading: false
"""


def step_page() -> str:
    """Return the text of the page."""
    return "\n".join([_HEAD, *(line for step in all_steps() for line in _section(step))]) + "\n"


def _section(step: Step) -> Iterator[str]:
    page = page_of(step)
    is_usual = page == step.name
    yield f"## {step.name if is_usual else f'{step.name} of stills'}\n"
    yield f"{step.title}\n"
    scope = step.scope if isinstance(step.scope, str) else "run or ensemble, by its parameters"
    facts = {
        "parameters": f"[{page}](../parameters/{page}.md)",
        "for": " and ".join(step.kinds),
        "needs": ", ".join(step.needs) or "the runs",
        "scope": scope,
        "reads frames": "yes" if step.reads_frames else "no",
        "also called": ", ".join(step.aliases),
    }
    yield from (f"- {what}: {value}" for what, value in facts.items() if value)
    function = getattr(dxdask, step.name, None)
    example = (getattr(function, "__doc__", "") or "").partition("Examples\n--------\n")[2]
    if example and is_usual:
        yield f"\n```pycon\n{example.strip()}\n```"
    yield ""
