"""What runs in Lambda: SQS messages in, one conditional PutItem per event_id, failures reported."""
