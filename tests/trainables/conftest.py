from pathlib import Path

import pytest
import torch

from tests.support.class_folders import image_names, write_images


@pytest.fixture(autouse=True)
def one_thread():
    """Tiny tensors are slower on several threads, and rounding depends on their number."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def three_folders(tmp_path) -> Path:
    """Images of two classes, with folders for training, validation and test."""
    root = tmp_path / "data"
    for split, count in [("train", 6), ("val", 3), ("test", 4)]:
        write_images(root, *image_names(f"{split}/one", count), *image_names(f"{split}/two", count - 1))
    return root
