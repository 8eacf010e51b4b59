"""Programs that use the deployed pattern, to run or to learn from."""
