"""The server of the app: `python serve.py FOLDERS`, which `make app` and `afterimage app` run."""

import sys
from pathlib import Path

from streamlit.runtime.pages_manager import PagesManager
from streamlit.web import cli

# Else the first visitor sees Streamlit's list of the folder pages until app.py has run once
PagesManager.uses_pages_directory = False
cli.main(["run", str(Path(__file__).with_name("app.py")), "--", *sys.argv[1:]])
