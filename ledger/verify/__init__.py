"""The stand-alone verifier: core, one small JSON-RPC reader, nothing else."""
