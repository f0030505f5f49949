"""Positions of the panels of a detector: refined from stills, and compared.

`refine` is the job `dxdask refine_metrology`, `shifts` are `detector_shifts` and
`detector_statistics`; `parameters` is what these commands take.
"""
