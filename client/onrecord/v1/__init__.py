"""Generated from proto/onrecord/v1 by `make proto`. Do not edit."""
