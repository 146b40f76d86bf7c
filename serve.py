"""The server of the app: `python serve.py FOLDERS`, which is what `afterimage app` does."""

import sys
from pathlib import Path

from streamlit.web import cli

cli.main(["run", str(Path(__file__).with_name("app.py")), "--", *sys.argv[1:]])
