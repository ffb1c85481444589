"""Write the vector files again. A test fails when what is committed differs."""

from tests.vector_sources import (
    baked,
    checkpoints,
    credentials,
    durable,
    reports,
    trees,
    trust,
)

SOURCES = (credentials, durable, baked, trees, trust, checkpoints, reports)


def main() -> None:
    """Write every file of every source, and remove what no source makes any more."""
    for source in SOURCES:
        files = source.files()
        for old in source.FOLDER.rglob("*"):
            if old.is_file() and str(old.relative_to(source.FOLDER)) not in files:
                old.unlink()
        for name, data in files.items():
            path = source.FOLDER / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        print(f"{source.FOLDER.name}: {len(files)} files")


if __name__ == "__main__":
    main()
