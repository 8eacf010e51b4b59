"""The same program on an embedded AWS: no Docker, no account, no Pulumi CLI."""
