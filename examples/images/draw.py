"""Draws the sample images of this folder with Pillow: ``python examples/images/draw.py``."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw

BARS = {"Q1": 42, "Q2": 78, "Q3": 61, "Q4": 95}


def bar_chart() -> Image.Image:
    """Return a bar chart of four quarters."""
    image = Image.new("RGB", (480, 360), "white")
    draw = ImageDraw.Draw(image)
    draw.text((180, 12), "Revenue by quarter", fill="black")
    draw.line([(50, 40), (50, 310), (450, 310)], fill="black", width=2)
    for value in range(0, 101, 25):
        y = 310 - 2.6 * value
        draw.line([(45, y), (450, y)], fill="#dddddd" if value else "black")
        draw.text((20, y - 6), str(value), fill="black")
    for index, (label, value) in enumerate(BARS.items()):
        x = 80 + 95 * index
        draw.rectangle([x, 310 - 2.6 * value, x + 55, 309], fill="#3f7fbf", outline="black")
        draw.text((x + 20, 318), label, fill="black")
    return image


def parabola() -> Image.Image:
    """Return the graph of y = x^2 / 2 - 2 on a grid from -4 to 4."""
    image = Image.new("RGB", (360, 360), "white")
    draw = ImageDraw.Draw(image)

    def place(x: float, y: float) -> tuple[float, float]:
        return 180 + 40 * x, 180 - 40 * y

    for tick in range(-4, 5):
        colour = "black" if tick == 0 else "#dddddd"
        draw.line([place(tick, -4), place(tick, 4)], fill=colour, width=2 if tick == 0 else 1)
        draw.line([place(-4, tick), place(4, tick)], fill=colour, width=2 if tick == 0 else 1)
        if tick:
            draw.text((175 + 40 * tick, 184), str(tick), fill="black")
            draw.text((186, 174 - 40 * tick), str(tick), fill="black")
    points = [step / 20 for step in range(-69, 70)]
    draw.line([place(x, x * x / 2 - 2) for x in points], fill="#bf3f3f", width=3, joint="curve")
    return image


def triangle() -> Image.Image:
    """Return a right triangle ABC with two of its sides marked."""
    image = Image.new("RGB", (400, 320), "white")
    draw = ImageDraw.Draw(image)
    a, b, c = (60, 260), (340, 260), (60, 50)
    draw.polygon([a, b, c], fill="#e8f0e0", outline="black", width=2)
    draw.rectangle([60, 240, 80, 260], outline="black", width=2)
    for name, (x, y) in {"A": (44, 262), "B": (346, 256), "C": (54, 32)}.items():
        draw.text((x, y), name, fill="black")
    draw.text((194, 268), "4", fill="black")
    draw.text((42, 150), "3", fill="black")
    return image


if __name__ == "__main__":
    for name, drawn in {"chart": bar_chart, "parabola": parabola, "triangle": triangle}.items():
        drawn().save(Path(__file__).with_name(f"{name}.png"), optimize=True)
