"""What the handler costs, beside other ways to write it."""
