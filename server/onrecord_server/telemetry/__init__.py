"""The server as seen from outside, where that is asked for: metrics for Prometheus, traces for OpenTelemetry.

Both only listen: calls are told to `rpc.calls.CallObserver`s, the engine's work to `checking.meter.Meter`s. A server
that was asked for neither imports neither library.
"""
