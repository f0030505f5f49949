"""Stills: from raw events to merged intensities as one graph.

=============== =================================================================================
`process`       the job `dxdask stills_process`, from files or on what a store holds
`step`          `dxdask hits` and `dxdask postrefine`: one step on what a store holds
`follow`        `follow=true`: files as they come
`parameters`    what these commands take
`catalogue`     the steps: names, needs, parameters
`inputs`        what the steps read: lazy frames, calibrated if asked for, and what events share
`plan`          the graph of the steps that the store does not hold yet
`before`        runs whose results are in the store when others have come since
`tally`         what is told on the way: events, hits, crystals
=============== =================================================================================
"""
