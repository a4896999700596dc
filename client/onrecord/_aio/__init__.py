"""What the client is when it awaits. `onrecord._sync` is the same, waiting."""
