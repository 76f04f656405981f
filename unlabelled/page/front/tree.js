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

function dendrogramSvg() {
  const width = 640, height = 320, margin = 12;
  const svg = svgElement("svg", { viewBox: `0 0 ${width} ${height}`, class: "dendrogram", role: "img", "aria-label": "Dendrogram; the walk below has the same nodes as buttons." });
  const x = new Float64Array(numNodes), y = new Float64Array(numNodes);
  const step = (width - 2 * margin) / Math.max(1, numLeaves - 1);
  for (let leaf = 0; leaf < numLeaves; leaf++) { x[leaf] = margin + positions[leaf] * step; y[leaf] = height - margin; }
  const rise = (height - 3 * margin) / Math.max(1, numLeaves - 1);
  data.merges.forEach(([left, right], merge) => {
    const node = numLeaves + merge;
    x[node] = (x[left] + x[right]) / 2;
    y[node] = height - margin - (merge + 1) * rise;
    for (const child of [left, right]) svg.append(svgElement("path", { d: `M${x[node]} ${y[node]}H${x[child]}V${y[child]}`, stroke: nodeColour(child), class: "branch" }));
  });
  const level = height - margin - (numLeaves - cut + 0.5) * rise;
  svg.append(svgElement("line", { x1: 0, x2: width, y1: level, y2: level, class: "cut-line" }));
  for (let node = 0; node < numNodes; node++) svg.append(nodeDot(node, x[node], y[node]));
  return svg;
}

function diskSvg() {
  const svg = svgElement("svg", { viewBox: "-1.03 -1.03 2.06 2.06", class: "disk", role: "img", "aria-label": "The same tree in the Poincar\u00e9 disk." });
  svg.append(svgElement("circle", { r: 1, class: "rim" }));
  data.merges.forEach(([left, right], merge) => {
    for (const child of [left, right]) svg.append(svgElement("path", { d: geodesic(data.disk[numLeaves + merge], data.disk[child]), stroke: nodeColour(child), class: "branch thin" }));
  });
  data.disk.forEach(([x, y], node) => svg.append(nodeDot(node, x, y, 0.018)));
  return svg;
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

function nodeDot(node, x, y, radius = 4) {
  const dot = svgElement("circle", { cx: x, cy: y, r: node === walked ? 2 * radius : radius, fill: nodeColour(node), class: "node" });
  dot.addEventListener("click", () => walkTo(node));
  const title = svgElement("title");
  title.textContent = nodeNames.get(node) || `${rowCount(node)} samples`;
  dot.append(title);
  return dot;
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
