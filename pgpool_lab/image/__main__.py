"""Command line for the engine: prints the image's path as the last line of standard output.

python -m pgpool_lab.image build --recipe JSON
python -m pgpool_lab.image take --recipe JSON    (a stock image, with what its machines need)
python -m pgpool_lab.image seed NODE FOLDER      (reads the seed's files from standard input)
python -m pgpool_lab.image forget-seed NODE FOLDER

By hand, from the checkout, for a lab from a stock image without a way to the internet:

python -m pgpool_lab.image plain STACK           (makes the image that image.source names)
python -m pgpool_lab.image mirror STACK          (makes the folder that image.mirror names)
"""

from __future__ import annotations

import sys
from pathlib import Path

from pgpool_lab.errors import LabError
from pgpool_lab.image import seed, standin, stock
from pgpool_lab.image.builder import build
from pgpool_lab.image.recipe import ImageRecipe
from pgpool_lab.paths import LabPaths
from pgpool_lab.progress import end_when_told, fail
from pgpool_lab.settings import from_stack_file


def main(arguments: list[str]) -> int:
    match arguments:
        case ["build", "--recipe", text]:
            print(build(ImageRecipe.from_json(text)))
            return 0
        case ["take", "--recipe", text]:
            print(stock.obtain(ImageRecipe.from_json(text)))
            return 0
        case ["plain", stack]:
            print(standin.plain(from_stack_file(LabPaths(stack).stack_file)))
            return 0
        case ["mirror", stack]:
            print(standin.mirror(from_stack_file(LabPaths(stack).stack_file)))
            return 0
        case ["seed", node, folder]:
            print(seed.write(sys.stdin.read(), Path(folder), node))
            return 0
        case ["forget-seed", node, folder]:
            seed.remove(Path(folder), node)
            return 0
        case _:
            print(__doc__, file=sys.stderr)
            return 2


if __name__ == "__main__":
    end_when_told()
    try:
        sys.exit(main(sys.argv[1:]))
    except LabError as error:
        sys.exit(fail(error))
    except KeyboardInterrupt:
        print("interrupted; the same command begins anew", file=sys.stderr)
        sys.exit(130)
