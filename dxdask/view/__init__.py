"""The viewer: frames and results of a store in a browser.

parameters : those of the command `view`.
server, handlers, result_handlers, replies : the HTTP server, its addresses, and what every reply
    has.
frames : images of a store, read without Dask, with sums and levels of resolution; binning : its
    kernels; tiles : parts of an image as bytes; blocks : several arrays as bytes.
runs : runs, panels and models as JSON; layout : panels as they stand in the laboratory.
overlays : spots and predictions of an image; rings : circles of equal resolution.
lattice_points : spots as points of the reciprocal lattice.
point : position, resolution and Miller index of a pixel.
thresholds, threshold_pictures : the quantities that a threshold compares, of what is in view.
masks : masks by reason, and regions drawn in the page.
scan : numbers along a scan, fates of stills. ledger : fates, and the report with links.
jobs : running jobs and their log. tables : tables of steps, held while they are the same.
page/ : the page, of one HTML, one CSS and several JavaScript files that are sent as one.
"""
