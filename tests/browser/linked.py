"""The views of the Kasthuri case, linked: the cells that show them, and what a page of them says and is told."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import JSHandle, Page

__all__ = ["FROM_PYTHON", "HEARD", "SETUP", "Shown"]

SETUP = """
import json, time
from ndlab import explore, samples
from ndlab.graph import Graph

listed = samples.kasthuri_spreadsheet()
synapses = samples.kasthuri_synapses().assign(pre_id=listed.pre_id, post_id=listed.post_id)
for axis in "zyx":
    synapses[axis] = synapses[f"{axis}_um"] * 1000
synapses = synapses.rename(columns={"synapse_id": "id"})
drawing = samples.kasthuri_drawing((200, 200, 200))
G = Graph.from_edges(synapses.pre_id, synapses.post_id)
G = G.with_nodes({"kind": ["axon" if one in set(listed.pre_id) else "dendrite" for one in G.ids]})
image = explore.image(em=drawing["image"], neurites=drawing["labels"], points={"synapses": synapses}, height=330)
graph = explore.graph(G, color="kind", size="degree", seed=1, height=330)
table = explore.table(synapses, id="id", classes="axon_type", noun="synapses", height=420)
assert graph.wait(300)
linked = explore.link(image, graph, table)
linked
"""
HEARD = """
now = linked.selection
for _ in range(200):
    mine = [len(image.selection.get("synapses", ())), graph.selection, len(table.selected)]
    if len(now) and mine == [len(now.synapses), now.neurons, len(now.rows)]: break
    time.sleep(0.1)
picked = {name: len(ids) for name, ids in image.selection.items()}
print(json.dumps([linked.selection.now, graph.selection, picked, [int(one) for one in table.selected]]))
"""
FROM_PYTHON = "linked.selection.synapses = [1, 2, 3]; linked.selection.save('three')"


class Shown:
    """Linked views on a page."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.image = self._found(".ndl-picture", "ndlabView")
        self.graph = self._found(".ndg-stage", "ndlabGraph")
        self.table = self._found(".ndt-area", "ndlabTable")
        self.link = self._found(".ndl-link", "ndlabLink")
        self.until(self.graph, "v => v.explorer.placed && v.explorer.size.width > 1")
        self.image.evaluate("v => v.idle()")

    def _found(self, selector: str, name: str) -> JSHandle:
        element = self.page.locator(selector).first
        element.wait_for()
        return element.evaluate_handle(
            "(e, name) => { while (e && !e[name]) e = e.parentElement; return e[name]; }", name
        )

    def until(self, view: JSHandle, code: str, value: Any = None) -> None:
        self.page.wait_for_function(f"([v, value]) => ({code})(v, value)", arg=[view, value])

    def corner(self, selector: str) -> tuple[float, float, float, float]:
        # Cells that run come into sight, and push out what was.
        self.page.evaluate("() => document.querySelector('.ndl-link').scrollIntoView()")
        box = self.page.locator(selector).first.bounding_box()
        assert box is not None
        return box["x"], box["y"], box["width"], box["height"]

    def free_node(self) -> tuple[str, float, float]:
        """The largest node that no other covers, and where it stands in the window."""
        name, x, y = self.graph.evaluate(
            """({explorer: e, stage}) => {
                const {centre, scale} = e.camera, free = [];
                e.data.names.forEach((name, row) => {
                    const at = [e.size.width / 2 + (e.flat[2 * row] - centre[0]) / scale,
                                e.size.height / 2 + (e.flat[2 * row + 1] - centre[1]) / scale];
                    const seen = at.every((one, axis) => one > 9 && one < [e.size.width, e.size.height][axis] - 9);
                    if (seen && stage.node(at) === row) free.push([e.sizes[row], name, ...at]);
                });
                return free.sort((a, b) => b[0] - a[0])[0].slice(1); }"""
        )
        left, top, _, _ = self.corner(".ndg-stage")
        return name, left + x, top + y

    def state(self) -> dict[str, Any]:
        """What each view has selected, as the page has it."""
        found: dict[str, Any] = {
            "image": self.image.evaluate("v => v.state.selection"),
            "alone": self.image.evaluate("v => v.state.layers.find(l => l.id === 'neurites').isolated"),
            "nodes": self.graph.evaluate("v => v.explorer.state.selection"),
            "lights": self.graph.evaluate("v => v.explorer.lights.length / 2"),
            "rows": self.table.evaluate("v => v.explorer.mask.reduce((sum, one) => sum + one, 0)"),
        }
        return found

    def pointed(self) -> dict[str, Any]:
        """What each view lights up because another one points at it."""
        rings = "v => v.picture.parentElement.querySelectorAll('.ndi-pointed.ndi-over').length"
        found: dict[str, Any] = {
            "segments": self.image.evaluate("v => v.elsewhere.segments"),
            "rings": self.image.evaluate(rings),
            "lines": self.page.locator(".ndg-hints line").count(),
            "names": self.page.locator(".ndg-hints text").all_text_contents(),
            "rows": self.table.evaluate("v => [...v.explorer.pointed]"),
            "lit": self.table.evaluate("v => v.stage.roles.reduce((sum, one) => sum + (one === 3 ? 1 : 0), 0)"),
        }
        return found

    def show_points(self, visible: bool) -> None:
        self.image.evaluate(
            "(v, visible) => v.update((s) => ({...s, "
            "layers: s.layers.map((l) => l.id === 'synapses' ? {...l, visible} : l)}))",
            visible,
        )
        self.image.evaluate("v => v.idle()")

    def green(self) -> list[int]:
        found: list[int] = self.image.evaluate("v => [...v.pixels().data.filter((_, i) => i % 4 === 1)]")
        return found

    def shot(self, pictures: Path, name: str) -> None:
        self.corner(".ndl-link")
        self.page.mouse.move(2, 2)
        self.image.evaluate("v => v.idle()")
        self.page.wait_for_timeout(200)
        self.page.screenshot(path=str(pictures / name))

    def shot_here(self, pictures: Path, name: str) -> None:
        """With the pointer where it is."""
        self.page.wait_for_timeout(200)
        self.page.screenshot(path=str(pictures / name))

    def brushed(self) -> int:
        """Draw round the left half of the points in the table; return how many rows that selected."""
        x, y, width, height = self.corner(".ndt-canvas")
        ring = [(0.02, 0.02), (0.5, 0.02), (0.5, 0.98), (0.02, 0.98), (0.02, 0.3)]
        ways = [(x + across * width, y + down * height) for across, down in ring]
        self.page.keyboard.down("Shift")
        self.page.mouse.move(*ways[0])
        self.page.mouse.down()
        for way in ways[1:]:
            self.page.mouse.move(*way, steps=4)
        self.page.mouse.up()
        self.page.keyboard.up("Shift")
        self.until(self.table, "v => v.explorer.mask.some((one) => one)")
        return int(self.state()["rows"])
