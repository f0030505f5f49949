"""Stills: from raw events to merged intensities as one graph.

`process`       the job `dxdask stills_process`, from files or on a store
`follow`        `follow=true`: files as they come
`parameters`    parameters of the steps for stills and of the job
`events`        the pass over the frames: spots, hits, crystals, observations
`calibrate`     runs with frames as photons
`peaks`         peaks of peakfinder8 in the place of spots
`counter`       events, hits and crystals so far
"""
