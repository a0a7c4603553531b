"""Learning before an audience: by the levels of messages in seconds, and by language models with adapters."""
