"""The explorer in a browser: how soon a walk is on the screen, and how smoothly its window is dragged.

A 4-stage network on images of 224 px is served on a free port of this machine, and Chromium, without a
screen or a graphics card, opens images that the server has not walked before, each with an empty cache.
Results go to results/explorer.json.

    python benchmarks/explorer.py [--visits 12] [--result FILE]
"""

import argparse
import json
import os
import statistics
import tempfile
from pathlib import Path
from typing import Any

from serve import NETWORKS, serving, trained

HERE = Path(__file__).parent
RESULT = HERE / "results/explorer.json"
NETWORK = "224 px, 4 stages"
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
#: Seconds until the first paint of the walk, and milliseconds between frames while the window is dragged.
AIMS = {"first paint s": 1.0, "p95 frame ms": 50.0}
MOVES = 120

#: Notes when a map of the walk is on the screen, and when all are that are in sight.
WATCH = """
const seen = (canvas) => {
  const box = canvas.getBoundingClientRect();
  return box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth;
};
const watch = () => {
  const maps = [...document.querySelectorAll(".walk:not([hidden]) .flow canvas")].filter(seen);
  const drawn = maps.filter((canvas) => canvas.dataset.drawn);
  // What is drawn in this frame is on the screen at the next.
  if (drawn.length && !window.firstMap) requestAnimationFrame((now) => (window.firstMap ??= now));
  if (drawn.length && drawn.length === maps.length) return requestAnimationFrame((now) => (window.allMaps = now));
  requestAnimationFrame(watch);
};
requestAnimationFrame(watch);
"""

#: Notes the time between frames, and how many moves of the pointer arrived.
FRAMES = """
() => {
  const found = (window.frames_ = { gaps: [], moves: 0, going: true });
  let before = performance.now();
  document.addEventListener("pointermove", () => found.moves++, true);
  const tick = (now) => {
    found.gaps.push(now - before);
    before = now;
    if (found.going) requestAnimationFrame(tick);
  };
  requestAnimationFrame(tick);
}
"""


def visit(browser: Any, address: str, image: int) -> dict[str, float]:
    """Return the seconds from opening an image's address to its maps on the screen."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.add_init_script(WATCH)
    page.goto(f"{address}/?view=walk&image={image}", wait_until="commit")
    # The page's policy forbids the driver's own way of waiting.
    while not page.evaluate("window.allMaps"):
        page.wait_for_timeout(20)
    first, all_maps = page.evaluate("[window.firstMap, window.allMaps]")
    context.close()
    return {"first": first / 1000, "all": all_maps / 1000}


def dragged(browser: Any, address: str) -> dict[str, float]:
    """Return the milliseconds between frames while the window is dragged over the image."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(f"{address}/?view=walk&image=0")
    page.wait_for_selector(".stepper canvas[data-reached]")
    before = page.locator(".stepping .window canvas")
    before.scroll_into_view_if_needed()
    box = before.bounding_box()
    page.mouse.move(box["x"] + 5, box["y"] + 5)
    page.mouse.down()
    page.wait_for_timeout(300)
    page.evaluate(FRAMES)
    for number in range(MOVES):
        share = (number + 1) / (MOVES + 1)
        page.mouse.move(box["x"] + share * box["width"], box["y"] + (0.5 + 0.4 * (number % 9 - 4) / 4) * box["height"])
        page.wait_for_timeout(12)
    found = page.evaluate("() => { frames_.going = false; return frames_; }")
    page.mouse.up()
    page.close()
    gaps = sorted(found["gaps"])
    return {
        "moves": found["moves"],
        "frames": len(gaps),
        "median frame ms": round(statistics.median(gaps), 1),
        "p95 frame ms": round(gaps[int(0.95 * len(gaps))], 1),
        "longest frame ms": round(gaps[-1], 1),
    }


def measure(visits: int) -> dict[str, Any]:
    """Return all figures."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as name:
        run = trained(NETWORKS[NETWORK], Path(name))
        with serving(run) as server, sync_playwright() as driver:
            address = f"http://127.0.0.1:{server.port}"
            browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            visit(browser, address, visits)  # the browser's own first page
            times = [visit(browser, address, image) for image in range(visits)]
            drag = dragged(browser, address)
            version = browser.version
            browser.close()
    firsts, alls = (sorted(one[which] for one in times) for which in ("first", "all"))
    return {
        "network": NETWORK,
        "browser": f"Chromium {version}",
        "visits": visits,
        "first map s": {"median": round(statistics.median(firsts), 3), "longest": round(firsts[-1], 3)},
        "all maps in sight s": {"median": round(statistics.median(alls), 3), "longest": round(alls[-1], 3)},
        "drag": drag,
    }


def table(result: dict[str, Any]) -> str:
    """Return the figures as a Markdown table."""
    first, all_maps, drag = (result[name] for name in ("first map s", "all maps in sight s", "drag"))
    return "\n".join(
        [
            "| | median | longest of all |",
            "|---|---|---|",
            f"| first map on the screen, s | {first['median']:.2f} | {first['longest']:.2f} |",
            f"| all maps in sight, s | {all_maps['median']:.2f} | {all_maps['longest']:.2f} |",
            f"| between frames while the window is dragged, ms | {drag['median frame ms']:.0f} "
            f"| {drag['longest frame ms']:.0f} |",
        ]
    )


def main() -> None:
    from convstage.environment import environment
    from convstage.machine import processor

    parser = argparse.ArgumentParser(description=str(__doc__).split("\n")[0])
    parser.add_argument("--visits", type=int, default=12)
    parser.add_argument("--result", type=Path, default=RESULT)
    asked = parser.parse_args()
    result = {
        "what": str(__doc__).split("\n")[0],
        "machine": {"processor": processor(), "cores": os.cpu_count(), "load before": os.getloadavg()[0]},
        "environment": environment(),
        **measure(asked.visits),
    }
    result["reached"] = {
        "first paint": result["first map s"]["longest"] <= AIMS["first paint s"],
        "drag": result["drag"]["p95 frame ms"] <= AIMS["p95 frame ms"],
    }
    asked.result.write_text(json.dumps(result, indent=1) + "\n")
    print(table(result))
    print(json.dumps(result["reached"]))


if __name__ == "__main__":
    main()
