"""The command plugin's behaviour, seen through the engine.

The same tests run against the published plugin: `COMMAND_PLUGIN=FILE pytest tests/plugin` takes its binary or its
archive instead of what the toolchain holds.
"""
