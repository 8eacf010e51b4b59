"""A producer: events as lines of JSON, sent to the queue in batches, resumable."""
