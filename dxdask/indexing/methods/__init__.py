"""Methods that find the lattice of spots in reciprocal space.

search_lattices : lattices by the method of the parameters. with_fall_back : one method after the
    other. parameters : of each method.
fft3d, fft1d, real_space_grid_search : basis vectors, whose triplets are lattices. vectors : which
    of them are kept.
pinkindexer, low_res_spot_match : orientations of a known cell.
"""
