"""The chain: web3 lives here and nowhere else."""
