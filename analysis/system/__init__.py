"""Files, processes, packages, this machine, units."""
