// What the page uses of D3.
export { greatest, mean, range, rollup, sum } from "d3-array";
export { polygonContains } from "d3-polygon";
export { quadtree } from "d3-quadtree";
export { create, select } from "d3-selection";
export { zoom, zoomIdentity } from "d3-zoom";
