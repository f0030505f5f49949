"""Stills: hits, crystals, intensities and detector metrology from single shots.

The way of the data, file by file:

parameters : what is asked for. run : what the events of a run share. rows, parts : what is known of
    events on the way, a row each.
process : what one task does to its events, from pixels to observations.
hits/ : which events show a crystal, by spots or by the peaks of peakfinder8.
indexing/ : the crystal of each still, its cell known or found from all stills together.
refinement/ : orientation and cell of each still; how wide its reflections are.
integration/ : which reflections a still shows, and their pixels summed.
merging/ : settings, scales, partialities and merged intensities of all stills.
metrology/ : where the panels are, from the spots of all stills.
results, tables : all of it as the results of the steps. stored : these taken up again.

What several of them use: columns and fate, the table of stills and why events ended; scattering,
where spots scatter; crystals, strain, measurements, rays, residuals and outliers, for whatever is
refined against spots.

`dxdask.graphs.stills` does `process` in tasks, `dxdask.pipeline.stills` joins it to a store.
"""
