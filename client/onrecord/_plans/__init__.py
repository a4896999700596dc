"""What each method of the client does, as plans: see `onrecord._steps`."""
