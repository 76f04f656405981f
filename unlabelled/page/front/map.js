// The map: all samples in a plane. Hover shows a sample, a click its details; wheel, two fingers or buttons zoom.

const margin = 14; // pixels
const hoverPixels = 14;
let map = null; // made when it is first shown, and kept, so that it keeps the focus and its zoom

function makeMap() {
  const canvas = element("canvas", { class: "map", tabindex: 0, role: "application", "aria-roledescription": "map",
    "aria-label": `Map of ${numSamples} samples; near samples are similar`, "aria-describedby": "map-keys" });
  const overlay = d3.create("svg:svg").attr("class", "overlay").attr("aria-hidden", "true");
  const tip = element("div", { class: "tip", hidden: true });
  const tools = element("div", { class: "selection" });
  const zoom = d3.zoom().scaleExtent([1, 40]).filter(isZoom).on("zoom", onZoom);
  const zoomTo = (text, change) => element("button", { type: "button", text, onclick: change });
  const buttons = element("p", { class: "map-tools actions" },
    zoomTo("Zoom in", () => zoomMap(1.6)), zoomTo("Zoom out", () => zoomMap(1 / 1.6)), zoomTo("Whole map", wholeMap));
  const place = element("div", { class: "map-place" }, canvas, overlay.node(), tip, buttons);
  map = { canvas, overlay, tip, tools, place, zoom, transform: d3.zoomIdentity, width: 0, height: 0, x: [], y: [], tree: null };
  d3.select(canvas).call(zoom).on("dblclick.zoom", null);
  canvas.addEventListener("pointermove", showTip);
  canvas.addEventListener("pointerleave", () => { tip.hidden = true; });
  addLasso(canvas);
  new ResizeObserver(placeSamples).observe(canvas);
}

function drawMapView(view) {
  if (!map) makeMap();
  if (!map.place.isConnected) view.replaceChildren(map.place, mapKeys(), map.tools);
  placeSamples();
  drawSelection();
}

// A plain drag draws a loop, so that the view is moved with Shift, or with two fingers.
function isZoom(event) {
  return event.type === "wheel" || (event.shiftKey && !event.button) || event.touches?.length > 1;
}

function onZoom({ transform }) {
  map.transform = transform;
  map.tip.hidden = true;
  if (isDrawing()) dropLoop(); // a second finger
  drawOverlay();
  requestAnimationFrame(paintMap);
}

function zoomMap(factor, at) {
  d3.select(map.canvas).call(map.zoom.scaleBy, factor, at);
}

function wholeMap() {
  d3.select(map.canvas).call(map.zoom.transform, d3.zoomIdentity);
}

// Places in pixels of the whole map, and a tree that finds the nearest one.
function placeSamples() {
  const { canvas } = map;
  const { clientWidth: width, clientHeight: height } = canvas;
  if (!width) return;
  Object.assign(map, { width, height, x: new Float32Array(numSamples), y: new Float32Array(numSamples) });
  data.positions.forEach(([x, y], row) => {
    map.x[row] = margin + x * (width - 2 * margin);
    map.y[row] = margin + y * (height - 2 * margin);
  });
  map.tree = d3.quadtree(byConfidence.filter((row) => !junk[row]), (row) => map.x[row], (row) => map.y[row]);
  map.zoom.extent([[0, 0], [width, height]]).translateExtent([[0, 0], [width, height]]);
  paintMap();
}

function paintMap() {
  if (!map?.canvas.isConnected) return;
  const { canvas, width, height, transform: { k, x: left, y: top } } = map;
  const scale = devicePixelRatio || 1;
  canvas.width = width * scale;
  canvas.height = height * scale;
  const paint = canvas.getContext("2d");
  paint.scale(scale, scale);
  const radius = (numSamples > 5000 ? 1.5 : numSamples > 1000 ? 2.5 : 4) * Math.min(Math.sqrt(k), 3);
  const dot = numSamples > 5000 && k < 4
    ? (x, y) => paint.fillRect(x - radius, y - radius, 2 * radius, 2 * radius) // circles take ten times as long
    : (x, y) => { paint.beginPath(); paint.arc(x, y, radius, 0, 7); paint.fill(); };
  for (const each of clusters) {
    paint.fillStyle = colourOf(each.node);
    for (const row of each.rows) {
      const x = left + k * map.x[row], y = top + k * map.y[row];
      if (x < -radius || y < -radius || x > width + radius || y > height + radius) continue;
      paint.globalAlpha = selected.size && !selected.has(row) ? 0.2 : 0.9;
      dot(x, y);
    }
  }
  paintShown(paint, radius);
}

// A ring around the sample whose details are shown.
function paintShown(paint, radius) {
  if (shownRow < 0) return;
  const [x, y] = map.transform.apply([map.x[shownRow], map.y[shownRow]]);
  paint.globalAlpha = 1;
  paint.strokeStyle = getComputedStyle(map.canvas).color;
  paint.lineWidth = 2;
  paint.beginPath();
  paint.arc(x, y, 2 * radius + 2, 0, 7);
  paint.stroke();
}

// The sample that is nearest to a place in pixels of the canvas; -1: there is none within a distance.
function nearestOnMap([x, y], distance = hoverPixels) {
  return map.tree?.find(...map.transform.invert([x, y]), distance / map.transform.k) ?? -1;
}

function showTip(event) {
  const { tip } = map;
  const row = isDrawing() ? -1 : nearestOnMap([event.offsetX, event.offsetY]);
  tip.hidden = row < 0;
  if (row < 0) return;
  tip.style.left = `${Math.min(event.offsetX + 16, map.width - 180)}px`;
  tip.style.top = `${event.offsetY + 16}px`;
  if (tip.dataset.row === String(row)) return;
  tip.dataset.row = row;
  tip.replaceChildren(thumbnail(row), element("bdi", { text: shortName(row) }));
}

function selectionChanged() {
  paintMap();
}
