"""`dxdask cluster script`: the job script that a batch queue would be given."""

from __future__ import annotations

import typer

from dxdask.cli import arguments, output
from dxdask.cli.app import app
from dxdask.cli.options import Arguments, Config, Expert, File

cluster = typer.Typer(no_args_is_help=True, help="Look at the jobs of a batch queue.")
app.add_typer(cluster, name="cluster")


@cluster.command()
def script(
    given: Arguments = None, config: Config = False, expert: Expert = 0, file: File = None
) -> None:
    """Print the job script of cluster=slurm (or another queue); nothing is submitted."""
    from dxdask.errors import ParameterError
    from dxdask.pipeline.parameters import Running

    paths, texts = arguments.split(given or [])
    # `slurm` alone is as good as cluster=slurm
    parameters = arguments.read_parameters(
        Running, file, [*(f"cluster={path}" for path in paths), *texts], ("cluster",)
    )
    if config:
        return output.configuration(parameters, expert, ("cluster",))
    from dxdask.cluster.configuration import site_configuration
    from dxdask.cluster.extra import require_extra
    from dxdask.cluster.jobqueue import script as job_script
    from dxdask.cluster.parameters import QUEUES, kind_of

    kind = kind_of(parameters.cluster)
    if kind not in (*QUEUES, "file"):
        raise ParameterError(
            f"cluster={kind} has no job script: give cluster={' or '.join(QUEUES)}, or FILE.yaml"
        )
    require_extra("dask_jobqueue", f"cluster={kind}")
    with site_configuration(parameters.cluster, kind) as queue:
        output.on_terminal(job_script(queue, parameters.cluster).rstrip("\n"))
    return None
