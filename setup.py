"""Builds the package with the published results inside; all else is in pyproject.toml."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithResults(build_py):
    """Copies the published results to nodelib/results, where they are sought once installed."""

    def run(self) -> None:
        """Build as usual, then copy; an editable install reads the repository's own folder."""
        super().run()
        if not self.editable_mode:
            target = Path(self.build_lib, "nodelib", "results")
            results = Path("results")
            for entry in sorted(
                [*results.glob("*.json"), *results.glob("weights/**/*.safetensors")]
            ):
                place = target / entry.relative_to(results)
                self.mkpath(str(place.parent))
                self.copy_file(str(entry), str(place))


setup(cmdclass={"build_py": BuildWithResults})
