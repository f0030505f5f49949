"""Modules of a detector: where they are in its panels, whether they moved, and the re-cut detector.

refine : refinement with a part for each module where modules moved. parameters : its parameters.
layouts, borders : rectangles of the modules in a panel.
recut, recut_rows, cutting : detectors whose panels are the modules, and tables of spots on them.
residuals : residuals by module or region. model_changes, blocks, moves : moves of modules fitted to
residuals. significance, relative : against each other. proposal : what to do. stills : the same for
metrology.
"""
