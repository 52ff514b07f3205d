"""A module a kind of camera, named by `camera: {platform: ...}`: its CONFIG_SCHEMA and open_camera (node/parts.py)."""
