"""The worker that seals batches and carries transactions to the chain."""
