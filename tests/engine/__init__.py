"""The program under the real Pulumi engine and AWS provider, on the embedded AWS."""
