"""The jobs: storage, graphs and cluster joined, and their faces in Python.

api : every job as a function. ensemble : the job of sweeps, and imports. step : one step of these.
catalogue : the steps, by name. steps : how each is built. plan : steps as one graph. run : a plan
    computed on a cluster.
frames, masks, memory : what steps read, and whether it fits. outputs, export : files written.
stills/, metrology/, dump/ : the jobs on stills, on where panels are, and of chosen events.
experiments/ : stores combined, split and cut. reindex_inputs : solutions and references.
pedestal, calibration, run_calibration : dark runs, and how a run is calibrated.
reference_geometry : where panels really are, from a store or a file.
"""
