"""The load generator behind `onrecord bench`: schedules, calls, figures, charts. Needs the client's packages only."""
