"""Mask metrics against pixel-by-pixel counting, and what must hold of them whatever the mask."""

import numpy as np
import pytest

from trainables.mask_st.localisation import box_region, oracle_iou, overlap, pointing_game

SIZE = 32


def draw_boxes(rng: np.random.Generator, count: int) -> list[np.ndarray]:
    """Draw up to three boxes per image, at fractions of pixels; some images have none."""
    boxes = []
    for _ in range(count):
        corners = rng.uniform(0, SIZE - 4, (rng.integers(0, 4), 2))
        boxes.append(np.hstack([corners, np.minimum(corners + rng.uniform(3, 15, corners.shape), SIZE)]))
    return boxes


def is_near(x: float, y: float, boxes: np.ndarray, margin: float) -> bool:
    """Check whether a point is in a box, or no farther from one than `margin`."""
    for x0, y0, x1, y1 in boxes:
        nearest = min(max(x, x0), x1), min(max(y, y0), y1)
        if (x - nearest[0]) ** 2 + (y - nearest[1]) ** 2 <= margin**2:
            return True
    return False


@pytest.mark.parametrize("margin", [0.0, 2.5])
def test_regions_agree_with_asking_every_pixel(margin):
    for boxes in draw_boxes(np.random.default_rng(0), 10):
        reference = [[is_near(x + 0.5, y + 0.5, boxes, margin) for x in range(SIZE)] for y in range(SIZE)]
        np.testing.assert_array_equal(box_region(boxes, SIZE, margin), reference)


def test_a_box_of_whole_pixels_covers_just_these():
    region = box_region(np.array([[3, 5, 7, 6]]), SIZE)
    assert region.sum() == 4
    assert region[5, 3:7].all()


def test_the_peak_is_found_where_it_is_x_across_and_y_down():
    saliency = np.zeros((1, 8, 8))
    saliency[0, 1, 6] = 1  # cell of 4 × 4 pixels: x 24 to 28, y 4 to 8
    box, transposed_box = np.array([[24.0, 4, 28, 8]]), np.array([[4.0, 24, 8, 28]])
    assert pointing_game(saliency, [box], SIZE).hit_rate == 1
    assert pointing_game(saliency, [transposed_box], SIZE).hit_rate == 0


def test_the_tolerance_is_15_pixels_at_224():
    saliency = np.zeros((1, 224, 224))
    saliency[0, 100, 100] = 1
    for gap, hit in [(14, 1), (16, 0)]:
        box = np.array([[100.5 + gap, 90, 150, 110]])
        assert pointing_game(saliency, [box], 224).hit_rate == hit


def test_a_lone_noisy_cell_is_no_peak():
    saliency = np.zeros((1, 16, 16))
    saliency[0, 2:5, 2:5] = 0.8
    saliency[0, 12, 12] = 1
    assert pointing_game(saliency, [np.array([[4.0, 4, 10, 10]])], SIZE).hit_rate == 1


def test_chance_is_the_hit_rate_of_every_pixel_in_turn():
    boxes = draw_boxes(np.random.default_rng(1), 6)
    rates, chance = [], None
    for index in range(16 * 16):
        saliency = np.zeros((len(boxes), 16, 16))
        saliency[:, index // 16, index % 16] = 1
        result = pointing_game(saliency, boxes, 16)  # one cell per pixel
        rates.append(result.hit_rate)
        chance = result.chance
    assert 0 < chance < 1
    assert np.mean(rates) == pytest.approx(chance)


def test_a_saliency_that_knows_the_boxes_always_hits_and_noise_scores_chance():
    rng = np.random.default_rng(2)
    boxes = draw_boxes(rng, 600)
    knowing = np.stack([box_region(each, SIZE) if len(each) else np.zeros((SIZE, SIZE)) for each in boxes])
    assert pointing_game(knowing.astype(float), boxes, SIZE).hit_rate == 1
    noise = pointing_game(rng.random((600, SIZE, SIZE)), boxes, SIZE)
    assert noise.hit_rate == pytest.approx(noise.chance, abs=0.08)
    assert noise.images == sum(len(each) > 0 for each in boxes) < 600


def test_overlap_agrees_with_counting_pixels():
    rng = np.random.default_rng(3)
    boxes, masks = draw_boxes(rng, 12), rng.random((12, 8, 8)) < 0.3
    ious, iobbs, bounds = [], [], []
    for mask, image_boxes in zip(masks, boxes, strict=True):
        if not len(image_boxes):
            continue
        mask_pixels = {(x, y) for x in range(SIZE) for y in range(SIZE) if mask[y // 4, x // 4]}
        box_pixels = {(x, y) for x in range(SIZE) for y in range(SIZE) if is_near(x + 0.5, y + 0.5, image_boxes, 0)}
        ious.append(len(mask_pixels & box_pixels) / len(mask_pixels | box_pixels))
        iobbs.append(len(mask_pixels & box_pixels) / len(mask_pixels))
        bounds.append(min(len(mask_pixels), len(box_pixels)) / max(len(mask_pixels), len(box_pixels)))
    result = overlap(masks, boxes, SIZE)
    assert result.iou == pytest.approx(np.mean(ious))
    assert result.iobb == pytest.approx(np.mean(iobbs))
    assert result.oracle_iou == pytest.approx(np.mean(bounds))
    assert result.accuracy == pytest.approx([np.mean(np.array(ious) >= level) for level in (0.1, 0.3, 0.5)])
    assert result.images == len(ious) < 12


def test_no_mask_beats_the_oracle_of_its_area_and_one_inside_the_box_reaches_it():
    rng = np.random.default_rng(4)
    for share in (0.02, 0.1, 0.5, 0.95):
        boxes = draw_boxes(rng, 20)
        result = overlap(rng.random((20, SIZE, SIZE)) < share, boxes, SIZE)
        assert result.iou <= result.oracle_iou <= 1
        assert result.iou <= result.iobb <= 1
    mask = np.zeros((1, SIZE, SIZE), bool)
    mask[0, 10:14, 10:14] = True
    inside = overlap(mask, [np.array([[8, 8, 16, 16]])], SIZE)
    assert inside.iou == inside.oracle_iou == 16 / 64
    assert inside.iobb == 1


def test_boxes_that_overlap_count_once():
    box = np.array([8.0, 8, 16, 16])
    mask = np.ones((1, 4, 4), bool)
    assert overlap(mask, [np.stack([box, box])], SIZE) == overlap(mask, [box[None]], SIZE)


def test_cells_that_do_not_divide_the_image_stand_for_their_nearest_pixels():
    mask = np.zeros((1, 3, 3), bool)
    mask[0, :, 0] = True
    result = overlap(mask, [np.array([[0.0, 0, 4, 10]])], 10)  # columns 0 to 3 of 10 lie in the first of 3 cells
    assert result.iou == 1


def test_empty_masks_and_no_boxes_give_zeros_and_no_nan():
    none = np.zeros((0, 4))
    box = np.array([[8.0, 8, 16, 16]])
    masks, saliency = np.zeros((1, 4, 4), bool), np.zeros((1, 4, 4))
    assert overlap(masks, [box], SIZE) == (0, 0, (0, 0, 0), 0, 1)
    assert overlap(masks, [none], SIZE) == (0, 0, (0, 0, 0), 0, 0)
    assert pointing_game(saliency, [none], SIZE) == (0, 0, 0)
    np.testing.assert_array_equal(oracle_iou(np.array([0, 3, 8]), np.array([0, 6, 4])), [0, 0.5, 0.5])


def test_the_tolerance_scales_with_the_image():
    box = np.array([[0.0, 0, SIZE / 4, SIZE / 4]])
    small = pointing_game(np.zeros((1, 4, 4)), [box], SIZE).chance
    large = pointing_game(np.zeros((1, 4, 4)), [box * 8], SIZE * 8).chance
    assert small == pytest.approx(large, abs=0.03)
