"""A report as one HTML page."""


def render(report: dict[str, object]) -> str:
    return str(report)
