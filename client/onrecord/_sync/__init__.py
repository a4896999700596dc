"""What the client is when it waits. Checks and record are generated from `onrecord._aio`, by `make client`."""
