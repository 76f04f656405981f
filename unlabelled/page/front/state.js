// The data of the page, what the user has changed, and helpers for elements.
// data: columns of n samples (names, starts, ends, leaves, confidences, near, positions, kinds, thumbnails, media, ...)
// and the tree over L leaves (merges, heights, order, disk); see unlabelled/page/build.py.

const data = JSON.parse(document.getElementById("data").textContent);
const numSamples = data.names.length;
const numLeaves = data.order.length;
const numNodes = 2 * numLeaves - 1;
const parents = new Int32Array(numNodes).fill(-1);
data.merges.forEach(([left, right], merge) => { parents[left] = parents[right] = numLeaves + merge; });
const byConfidence = Array.from({ length: numSamples }, (_, row) => row)
  .sort((a, b) => data.confidences[b] - data.confidences[a] || a - b);

// Changes are a list of actions, so that undo takes the last one away and a reload repeats all.
const storageKey = `unlabelled-page-${data.id}`;
let actions = [];
let undone = [];
let nodeNames = new Map();
let leafOf = Int32Array.from(data.leaves);
let junk = new Uint8Array(numSamples);
let moved = new Uint8Array(numSamples);
const listeners = [];

function isAction(each) {
  const rows = Array.isArray(each?.rows) && each.rows.every((row) => Number.isInteger(row) && row >= 0 && row < numSamples);
  if (each?.type === "name") return Number.isInteger(each.node) && each.node >= 0 && each.node < numNodes && typeof each.text === "string";
  if (each?.type === "move") return rows && Number.isInteger(each.leaf) && each.leaf >= 0 && each.leaf < numLeaves;
  return each?.type === "junk" && rows && typeof each.on === "boolean";
}

function apply(action) {
  if (action.type === "name") {
    if (action.text) nodeNames.set(action.node, action.text); else nodeNames.delete(action.node);
  } else if (action.type === "move") {
    for (const row of action.rows) { leafOf[row] = action.leaf; moved[row] = 1; junk[row] = 0; }
  } else {
    for (const row of action.rows) junk[row] = action.on ? 1 : 0;
  }
}

function replay() {
  nodeNames = new Map();
  leafOf = Int32Array.from(data.leaves);
  junk = new Uint8Array(numSamples);
  moved = new Uint8Array(numSamples);
  actions.forEach(apply);
}

function store() {
  try {
    localStorage.setItem(storageKey, JSON.stringify(actions));
  } catch {
    report("This browser keeps nothing for this page: export the labels before you close it.");
  }
}

function restore() {
  try {
    const kept = JSON.parse(localStorage.getItem(storageKey) || "[]");
    actions = Array.isArray(kept) ? kept.filter(isAction) : [];
  } catch {
    actions = [];
  }
  replay();
}

function act(action, message) {
  actions.push(action);
  undone = [];
  apply(action);
  changed(message, action);
}

function undo() {
  if (!actions.length) return report("Nothing to undo.");
  undone.push(actions.pop());
  replay();
  changed("Undone.");
}

function redo() {
  if (!undone.length) return report("Nothing to redo.");
  const action = undone.pop();
  actions.push(action);
  apply(action);
  changed("Redone.");
}

function changed(message, action = null) {
  store();
  listeners.forEach((listen) => listen(action));
  report(message);
}

let clearing = 0;

function report(message) {
  const status = document.getElementById("status");
  status.textContent = message;
  clearTimeout(clearing);
  clearing = setTimeout(() => { status.textContent = ""; }, 5000);
}

// All text is set as text, never as markup.
function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "text") made.textContent = value;
    else if (name === "class") made.className = value;
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}
