"""What a load needs of AWS, what it costs, and which quota it meets first: docs/scaling.md."""
