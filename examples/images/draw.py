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


if __name__ == "__main__":
    bar_chart().save(Path(__file__).with_name("chart.png"), optimize=True)
