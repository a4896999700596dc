"""`python -m onrecord_server` is `onrecord serve`."""

from onrecord_server.config import serve_command

if __name__ == "__main__":
    serve_command()(prog_name="python -m onrecord_server")
