"""`dxdask why`: what became of a frame, a spot, or the observations of a Miller index."""

from __future__ import annotations

from dxdask.cli import arguments, output
from dxdask.cli.app import app
from dxdask.cli.layout import brief_table
from dxdask.cli.options import Arguments, Json
from dxdask.errors import ParameterError
from dxdask.parameters import Parameters, parameter


class WhyParameters(Parameters):
    """Parameters of `dxdask why`."""

    hkl: tuple[int, int, int] | None = parameter(
        None, "Miller index; its equivalents are included."
    )
    spot: int | None = parameter(None, "Row of the spots of all runs, from 0.", ge=0)
    branch: str = parameter("main", "Branch of the store.")


@app.command()
def why(given: Arguments = None, json: Json = False) -> None:
    """Explain what became of a frame (STORE RUN IMAGE), hkl=H,K,L or spot=ROW; or all fates."""
    from dxdask.ledger.sums import sum_rows
    from dxdask.ledger.why import Explanation
    from dxdask.ledger.why import why as explain
    from dxdask.storage.store.store import Store
    from dxdask.tables import Table

    paths, texts = arguments.split(given or [])
    arguments.need(paths, "why", "a store")
    parameters = arguments.read_parameters(WhyParameters, None, texts)
    path = arguments.one_store(paths[:1], "why")
    run, image = (paths[1:] + [None, None])[:2] if len(paths) < 4 else ("", "")
    if len(paths) > 3 or (image is not None and not image.isdecimal()):
        raise ParameterError("dxdask why takes a store, a run and the number of an image")
    if run is not None and image is None and parameters.hkl is None:
        raise ParameterError(f"give the number of an image: dxdask why {path} {run} 1")
    store = Store.open(path, mode="r", branch=parameters.branch)
    if run is None and parameters.hkl is None and parameters.spot is None:
        rows = sum_rows(store)
        found = Explanation(tables=[Table(name="ledger", title="Fates", rows=rows)])
    else:
        number = None if image is None else int(image)
        found = explain(store, run, number, hkl=parameters.hkl, spot=parameters.spot)
    if json:
        return output.as_json(found.to_dict())
    output.lines(found.lines)
    for table in found.tables:
        if table.rows:
            output.lines(["", *brief_table(table)[0]])
    return None
