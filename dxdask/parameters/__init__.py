"""Parameters: the base model of every step, and how names and values are assigned to it.

=============== ==========================================================================
`model`         `Parameters`, `parameter`: models that refuse what they do not know
`entries`       every parameter of a model with its dotted name, for `-c` and for assignments
`groups`        parameters that may be given several times
`assignments`   `a.b.c=value` and keywords applied to a model
`stored`        parameters as a store recorded them, perhaps by another version
=============== ==========================================================================
"""

from dxdask.parameters.model import Parameters, parameter

__all__ = ["Parameters", "parameter"]
