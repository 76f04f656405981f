// The views, the controls of the header, and the keys.

const view = document.getElementById("view");
const views = [["Clusters", drawClusters], ["Map", drawMapView], ["Tree", drawTreeView]];
if (data.next) views.push(["Label next", drawNext]);
if (data.queries) views.push(["Own files", drawQueries]);
if (data.compare) views.push(["Comparison", drawCompare]);
let shownView = 0;
let query = "";

function redraw(fresh = false) {
  stopPlayback();
  computeClusters();
  sizesOfNodes = null;
  if (query) drawSearch(); else views[shownView][1](view, fresh);
  drawHeader();
}

function drawHeader() {
  document.getElementById("cut-number").textContent = cut;
  const input = document.getElementById("cut");
  input.value = cut;
  input.setAttribute("aria-valuetext", `${cut} clusters`);
  document.getElementById("undo").disabled = !actions.length;
  document.getElementById("redo").disabled = !undone.length;
  const { nmi, purity } = data.scores;
  document.getElementById("scores").textContent = nmi ? `With the classes: NMI ${nmi[cut - 1].toFixed(3)}, purity ${purity[cut - 1].toFixed(3)}` : "";
  [...document.getElementById("tabs").children].forEach((tab, number) => tab.setAttribute("aria-current", String(number === shownView && !query)));
}

function setCut(number) {
  const wanted = Math.min(Math.max(number, Math.min(2, numLeaves)), numLeaves);
  if (wanted === cut) return;
  cut = wanted;
  redraw();
  report(`${cut} clusters`);
}

function setView(number) {
  shownView = number;
  query = "";
  document.getElementById("search").value = "";
  redraw();
}

function drawSearch() {
  const found = byConfidence.filter((row) => data.names[row].toLowerCase().includes(query));
  view.replaceChildren(element("h2", { text: `${found.length} found` }), tileGrid(found, "Found samples"));
  report(`${found.length} found`);
}

function drawNext() {
  const text = "Labels of these samples are the most informative: groups without any label first, then the least certain ones.";
  view.replaceChildren(element("p", { class: "facts", text }), tileGrid(data.next, "Label next"));
}

function summary() {
  const ids = new Set(data.clusterOfLeaf);
  const empty = Math.max(...ids) + 1 - ids.size;
  const bare = data.kinds.filter((kind) => kind === "none").length;
  const parts = [`${numSamples} samples`, `${data.clusters} clusters of the method`];
  if (empty) parts.push(`at least ${empty} more are empty`);
  if (bare) parts.push(`${bare} samples without a preview`);
  return `${parts.join(", ")}. `;
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape") return closeDetail();
  if (event.target.matches("input, select, textarea")) return;
  const tile = event.target.closest(".tile");
  if (tile && event.key.startsWith("Arrow")) { event.preventDefault(); return moveFocus(tile, event.key); }
  if (tile && event.key === "j") return toggleJunk(Number(tile.dataset.row));
  const keys = { "+": () => setCut(cut + 1), "-": () => setCut(cut - 1), u: undo, r: redo, "/": () => document.getElementById("search").focus(), "?": toggleKeys };
  views.forEach((_, number) => { keys[number + 1] = () => setView(number); });
  if (keys[event.key]) { event.preventDefault(); keys[event.key](); }
}

function toggleKeys() {
  const keys = document.getElementById("keys");
  keys.hidden = !keys.hidden;
  document.getElementById("help").setAttribute("aria-expanded", String(!keys.hidden));
}

function onChange(action) {
  if (action?.type === "name" && !query && views[shownView][1] !== drawMapView) { // the field keeps its focus
    const heading = document.getElementById(`c${action.node}`);
    if (heading) heading.textContent = titleOf(action.node);
    rowCache.clear();
    drawHeader();
    refreshDetail();
    return;
  }
  const focused = document.activeElement?.dataset?.row;
  redraw(true);
  refreshDetail();
  if (focused !== undefined) document.querySelector(`#view .tile[data-row="${focused}"]`)?.focus();
}

// The player of the details goes on.
function refreshDetail() {
  if (shownRow < 0) return;
  document.querySelector("#detail dl").replaceWith(detailFacts(shownRow));
  document.querySelector("#detail .actions").replaceWith(detailTools(shownRow));
}

function start() {
  document.getElementById("title").textContent = data.title;
  document.getElementById("summary").append(summary(), element("bdi", { text: data.root }));
  const input = document.getElementById("cut");
  input.min = Math.min(2, numLeaves);
  input.max = numLeaves;
  input.addEventListener("input", () => setCut(Number(input.value)));
  const method = document.getElementById("cut-method");
  method.textContent = `The method's ${data.clusters}`;
  method.addEventListener("click", () => setCut(data.clusters));
  views.forEach(([name], number) => document.getElementById("tabs").append(element("button", { type: "button", text: name, onclick: () => setView(number) })));
  document.getElementById("last-view").textContent = views.length;
  const overlays = document.getElementById("maps");
  overlays.hidden = !data.maps;
  overlays.addEventListener("click", () => overlays.setAttribute("aria-pressed", String(document.body.classList.toggle("with-maps"))));
  const actionsOf = { undo, redo, "export-csv": exportCsv, "export-json": exportJson, help: toggleKeys };
  for (const [id, run] of Object.entries(actionsOf)) document.getElementById(id).addEventListener("click", run);
  document.getElementById("search").addEventListener("input", (event) => { query = event.target.value.trim().toLowerCase(); redraw(); });
  document.addEventListener("keydown", onKey);
  listeners.push(onChange);
  restore();
  redraw(true);
}

start();
