"""Route a question about an image and print the candidates, best first.

usage: python route.py MODEL IMAGE QUESTION
"""

from __future__ import annotations

import sys

import arms


def main(model: str, image: str, question: str) -> None:
    """Route and score one query."""
    with arms.Router(model) as router:
        decision = router.route(image, question)

        # The same candidates once more, as a table of one query: a column for each.
        names = [entry.name for entry in decision.ranked]
        logits = router.score([(image, question)], names, output="logit")[0]

        print(decision.name)
        for place, (entry, logit) in enumerate(zip(decision.ranked, logits, strict=True), start=1):
            print(f"{place}. {entry.name}: confidence {entry.confidence:.4f}, logit {logit:.4f}")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit("usage: route.py MODEL IMAGE QUESTION")
    try:
        main(*sys.argv[1:])
    except arms.ArmsError as error:
        sys.exit(f"route: {error}")
