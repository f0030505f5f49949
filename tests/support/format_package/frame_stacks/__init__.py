"""Raw file formats outside of dxdask: a stack of frames, deflated images, a variant of SMV."""
