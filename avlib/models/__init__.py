"""Networks, one file each, under their published parameter names."""
