"""Models as refinement sees them: what moves, which parameters are free, and what shares them.

crystals, strain : crystals as arrays, static or varying along the scan.
detector_parts : parts of a detector and their moves. layout : the free parameters of everything.
state : all models at one point of a refinement, and after a step from there.
"""
