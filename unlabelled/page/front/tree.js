// The tree as dendrogram and in the Poincare disk, and a walk through it node by node.

let walked = numNodes - 1;

function drawTreeView(view) {
  const walk = element("section", { class: "walk", "aria-label": "Node of the tree" });
  const dendrogram = figure("Dendrogram", dendrogramSvg());
  const disk = figure("Poincar\u00e9 disk", diskSvg());
  view.replaceChildren(element("div", { class: "trees" }, dendrogram, disk), walk);
  drawWalk(walk);
}

function figure(caption, content) {
  return element("figure", {}, content, element("figcaption", { text: caption }));
}

function nodeColour(node) {
  const shown = clusters[clusterOfLeaf[data.order[spans[node][0]]]].node;
  const within = spans[node][0] >= spans[shown][0] && spans[node][1] <= spans[shown][1];
  return within ? colourOf(shown) : "currentColor";
}

// The branches from each node to its two parts.
const branches = data.merges.flatMap((parts, merge) => parts.map((child) => ({ node: numLeaves + merge, child })));

function dendrogramSvg() {
  const width = 640, height = 320, margin = 12;
  const step = (width - 2 * margin) / Math.max(1, numLeaves - 1);
  const rise = (height - 3 * margin) / Math.max(1, numLeaves - 1);
  const x = Float64Array.from({ length: numNodes }, (_, node) => margin + positions[node] * step);
  data.merges.forEach(([left, right], merge) => { x[numLeaves + merge] = (x[left] + x[right]) / 2; });
  const y = (node) => height - margin - Math.max(0, node - numLeaves + 1) * rise;
  const svg = treeSvg(`0 0 ${width} ${height}`, "dendrogram", "Dendrogram; the walk below has the same nodes as buttons.");
  addBranches(svg, "branch", ({ node, child }) => `M${x[node]} ${y(node)}H${x[child]}V${y(child)}`);
  const level = height - margin - (numLeaves - cut + 0.5) * rise;
  svg.append("line").attr("class", "cut-line").attr("x2", width).attr("y1", level).attr("y2", level);
  addNodes(svg, (node) => [x[node], y(node)], 4);
  return svg.node();
}

function diskSvg() {
  const svg = treeSvg("-1.03 -1.03 2.06 2.06", "disk", "The same tree in the Poincar\u00e9 disk.");
  svg.append("circle").attr("r", 1).attr("class", "rim");
  addBranches(svg, "branch thin", ({ node, child }) => geodesic(data.disk[node], data.disk[child]));
  addNodes(svg, (node) => data.disk[node], 0.018);
  return svg.node();
}

function treeSvg(viewBox, name, label) {
  return d3.create("svg:svg").attr("viewBox", viewBox).attr("class", name).attr("role", "img").attr("aria-label", label);
}

function addBranches(svg, name, path) {
  svg.selectAll("path").data(branches).join("path").attr("class", name).attr("d", path).attr("stroke", ({ child }) => nodeColour(child));
}

function addNodes(svg, place, radius) {
  svg.selectAll(".node").data(d3.range(numNodes)).join("circle").attr("class", "node")
    .attr("cx", (node) => place(node)[0]).attr("cy", (node) => place(node)[1])
    .attr("r", (node) => (node === walked ? 2 * radius : radius)).attr("fill", nodeColour)
    .on("click", (_, node) => walkTo(node))
    .append("title").text((node) => nodeNames.get(node) || `${rowCount(node)} samples`);
}

// The arc of a circle orthogonal to the rim; straight through the origin.
function geodesic([ax, ay], [bx, by]) {
  const cross = ax * by - ay * bx;
  const from = `M${ax} ${ay}`;
  if (Math.abs(cross) < 1e-4) return `${from}L${bx} ${by}`;
  const a = ax * ax + ay * ay + 1, b = bx * bx + by * by + 1;
  const cx = (by * a - ay * b) / (2 * cross), cy = (ax * b - bx * a) / (2 * cross);
  const radius = Math.sqrt(Math.max(cx * cx + cy * cy - 1, 1e-6));
  return `${from}A${radius} ${radius} 0 0 ${cross > 0 ? 0 : 1} ${bx} ${by}`;
}

let sizesOfNodes = null;

function rowCount(node) {
  if (!sizesOfNodes) {
    sizesOfNodes = new Int32Array(numNodes);
    for (let row = 0; row < numSamples; row++) if (!junk[row]) sizesOfNodes[leafOf[row]]++;
    data.merges.forEach(([left, right], merge) => { sizesOfNodes[numLeaves + merge] = sizesOfNodes[left] + sizesOfNodes[right]; });
  }
  return sizesOfNodes[node];
}

function walkTo(node) {
  walked = node;
  redraw();
  document.querySelector(".walk button:not([disabled])")?.focus({ preventScroll: true });
}

function drawWalk(walk) {
  const rows = rowsOf(walked);
  const step = (text, node) => element("button", { type: "button", text, disabled: node < 0 || node === undefined, onclick: () => walkTo(node) });
  const [left, right] = walked >= numLeaves ? data.merges[walked - numLeaves] : [-1, -1];
  const buttons = element("p", { class: "actions" }, step("Up", parents[walked]), step("Left branch", left), step("Right branch", right));
  const name = element("input", { type: "text", value: nodeNames.get(walked) || "", placeholder: titleOf(walked), "aria-label": "Name of this node", maxlength: 200, dir: "auto" });
  name.addEventListener("change", () => act({ type: "name", node: walked, text: name.value.trim() }, "The node is named."));
  const facts = element("p", { class: "facts" }, ...clusterFacts({ node: walked, rows }));
  walk.replaceChildren(buttons, name, facts, tileStrip(rows, stripLength, titleOf(walked)));
}
