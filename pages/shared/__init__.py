"""What the pages share: the workspace, the gallery, charts and exports."""
