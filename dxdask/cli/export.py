"""`dxdask export`: results in other programs' formats."""

from __future__ import annotations

from dxdask.cli import arguments, output
from dxdask.cli.app import app
from dxdask.cli.options import Arguments, Config, Expert, File


@app.command()
def export(
    given: Arguments = None, config: Config = False, expert: Expert = 0, file: File = None
) -> None:
    """Write results as MTZ, mmCIF, DIALS (.expt, .refl), CSV, XDS_ASCII or CrystFEL's."""
    from dxdask.pipeline.export import export_store
    from dxdask.pipeline.export_parameters import ExportParameters
    from dxdask.storage.store.store import Store

    paths, texts = arguments.split(given or [])
    parameters = arguments.read_parameters(ExportParameters, file, texts)
    if config:
        return output.configuration(parameters, expert)
    store = Store.open(arguments.one_store(paths, "export"), mode="r", branch=parameters.branch)
    for written in export_store(store, parameters):
        output.line(f"wrote {written}")
    return None
