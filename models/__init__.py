"""Named circuits: anatomy, parameter values and their citation, one file each."""
