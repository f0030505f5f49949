"""Modules of a detector: where they are in its panels, whether they moved, and the re-cut detector.

layouts, borders : rectangles of the modules in a panel.
recut, recut_rows : a detector whose panels are the modules, and tables of spots on it.
"""
