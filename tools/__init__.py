"""Everything around the product, and nothing that it needs."""
