"""`dxdask dump`: chosen events as files of other programs, or as pictures."""

from __future__ import annotations

from pathlib import Path

from dxdask.cli import arguments, output
from dxdask.cli.app import app
from dxdask.cli.options import Arguments, Config, Directory, Expert, File


@app.command()
def dump(
    given: Arguments = None,
    out: Directory = Path(),
    config: Config = False,
    expert: Expert = 0,
    file: File = None,
) -> None:
    """Write chosen events (hits, indexed, by number ...) as NXmx, CBF or PNG."""
    from dxdask.pipeline.dump.parameters import DumpParameters

    paths, texts = arguments.split(given or [])
    parameters = arguments.read_parameters(DumpParameters, file, texts)
    if config:
        return output.configuration(parameters, expert)
    from dxdask.pipeline.dump.write import dump_store
    from dxdask.storage.store.store import Store

    store = Store.open(arguments.one_store(paths, "dump"), mode="r")
    done = dump_store(store, out, parameters)
    for problem in done.problems:
        output.line(f"skipped image {problem['image']} of {problem['run']}: {problem['reason']}")
    if len(done.files) <= 3:
        for name in done.files:
            output.line(f"wrote {name}")
    else:
        output.line(f"wrote {done.files[0]} ... {Path(done.files[-1]).name}")
    output.line(f"{done.n_events} events in {len(done.files)} files")
    return None
