"""The wheel that is built is the one that runs: installed alone, away from the sources."""

import json
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def _run(*command: str | Path, cwd: Path) -> str:
    result = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel and install it, without its dependencies, where only those of this environment are seen."""
    folder = tmp_path_factory.mktemp("wheel")
    _run(sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder / "dist", cwd=ROOT)
    (wheel,) = (folder / "dist").glob("*.whl")
    home = folder / "venv"
    venv.create(home, with_pip=False)
    python = home / "bin" / "python"
    _run(
        sys.executable,
        "-m",
        "pip",
        "--python",
        python,
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        wheel,
        cwd=folder,
    )
    # A path in a .pth is searched, but its own .pth files, and so our editable install, are not followed.
    ours = sysconfig.get_path("purelib", vars={"base": str(home), "platbase": str(home)})
    (Path(ours) / "dependencies.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    return home / "bin"


def test_the_installed_wheel_tells_its_version(installed: Path) -> None:
    assert _run(installed / "qos-monitor", "version", cwd=installed).startswith("qos-monitor 0.1.0")


def test_the_installed_wheel_does_not_reach_back_to_the_sources(installed: Path) -> None:
    ask = "import collectors, qos_monitor, rules; print(collectors.__file__, qos_monitor.__file__, rules.__file__)"
    places = _run(installed / "python", "-c", ask, cwd=installed).split()
    assert all(Path(place).is_relative_to(installed.parent) for place in places), places


def test_the_installed_wheel_judges_a_world(installed: Path, tmp_path: Path) -> None:
    world = tmp_path / "world.json"
    world.write_text("{}", encoding="utf-8")
    told = _run(installed / "qos-monitor", "judge", world, "--as-of", "2026-11-02T11:00:00Z", cwd=tmp_path)
    assert json.loads(told)["cases"] == []


def test_the_installed_wheel_carries_its_schema_and_its_migrations(installed: Path) -> None:
    ask = (
        "from importlib.resources import files; p = files('qos_monitor'); versions = 'storage/migrations/versions'; "
        "print(p.joinpath('claims/claim.schema.json').is_file(), any(p.joinpath(versions).iterdir()))"
    )
    assert _run(installed / "python", "-c", ask, cwd=installed).split() == ["True", "True"]
