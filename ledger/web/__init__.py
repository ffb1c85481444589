"""HTTP lives here and nowhere else."""
