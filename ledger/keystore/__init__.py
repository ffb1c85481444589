"""Private keys at rest: sealed under the master key, backed up under a passphrase."""
