"""Parameters of the viewer."""

from __future__ import annotations

from dxdask.parameters import Parameters, parameter


class ViewParameters(Parameters):
    """Parameters of `dxdask view`."""

    branch: str = parameter("main", "Branch of the store whose results are shown.")
    port: int = parameter(
        0, "Port of this machine to listen on; 0: any that is free.", ge=0, le=65535
    )
    cache: float = parameter(512.0, "Memory for images that were read.", unit="MB", ge=1.0)
