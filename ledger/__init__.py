"""Perdure: a ledger of credentials that outlive their issuer."""
