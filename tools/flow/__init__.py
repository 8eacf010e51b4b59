"""A deployed stack from outside, on AWS or on the embedded one: send, wait, look, smoke test."""
