"""DVC and git: the workspace's files and their versions."""
