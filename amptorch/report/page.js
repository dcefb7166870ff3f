"use strict";
// The page reads without this: it names points under the pointer, and draws frames.

const data = JSON.parse(document.getElementById("data").textContent);
const tip = document.getElementById("tip");
const SVG = "http://www.w3.org/2000/svg";

// --- points under the pointer -------------------------------------------------------------------
const REACH = 14; // pixels of an image

function nearest(points, x, y) {
  let best = null, least = REACH * REACH;
  points.y.forEach((column) => {
    for (let i = 0; i < column.length; i++) {
      const distance = (points.x[i] - x) ** 2 + (column[i] - y) ** 2;
      if (distance < least) { least = distance; best = { i, x: points.x[i], y: column[i] }; }
    }
  });
  return best;
}

function told(points, i) {
  const lines = ["frame " + points.frame[i]];
  if (points.group[i]) lines[0] += ", group " + points.group[i];
  if (points.what[i]) lines.push(points.what[i]);
  lines.push("reference " + points.reference[i] + " " + points.axis);
  lines.push("predicted " + points.predicted[i] + " " + points.axis);
  lines.push("error " + points.error[i] + " " + points.unit);
  return lines.join("\n");
}

function place(event) {
  const box = tip.getBoundingClientRect(), room = 14;
  const right = event.clientX + room + box.width < document.documentElement.clientWidth;
  const left = right ? event.clientX + room : Math.max(4, event.clientX - room - box.width);
  const top = Math.min(event.clientY + room, window.innerHeight - box.height - 4);
  tip.style.left = left + "px";
  tip.style.top = Math.max(4, top) + "px";
  tip.style.visibility = "visible";
}

function follow(figure, points) {
  const image = figure.querySelector("svg");
  const ring = document.createElementNS(SVG, "circle");
  ring.setAttribute("class", "ring");
  ring.setAttribute("r", "5");
  ring.style.visibility = "hidden";
  image.append(ring);
  const hide = () => { tip.style.visibility = ring.style.visibility = "hidden"; };
  const show = (event) => {
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(
      image.getScreenCTM().inverse());
    const found = nearest(points, at.x, at.y);
    if (found === null) { hide(); return; }
    tip.textContent = told(points, found.i);
    ring.setAttribute("cx", found.x);
    ring.setAttribute("cy", found.y);
    ring.style.visibility = "visible";
    place(event);
  };
  image.addEventListener("pointermove", show);
  image.addEventListener("pointerdown", show);
  image.addEventListener("pointerleave", hide);
}

for (const [name, points] of Object.entries(data.points)) {
  follow(document.getElementById(name), points);
}

// --- frames in three dimensions -----------------------------------------------------------------
const SIZE = 0.55; // of an atom, in covalent radii
const LONGEST = 2.0; // Å that the largest force error is drawn
const LEAST = 0.2; // of the largest: smaller errors are not drawn

function multiply(a, b) {
  return a.map((row) => [0, 1, 2].map((j) => row[0] * b[0][j] + row[1] * b[1][j] + row[2] * b[2][j]));
}

function around(axis, angle) {
  const c = Math.cos(angle), s = Math.sin(angle);
  return axis === "x" ? [[1, 0, 0], [0, c, -s], [0, s, c]] : [[c, 0, s], [0, 1, 0], [-s, 0, c]];
}

function triples(flat) {
  const found = [];
  for (let i = 0; i < flat.length; i += 3) found.push([flat[i], flat[i + 1], flat[i + 2]]);
  return found;
}

function corners(cell) {
  if (cell === null) return [];
  return [0, 1, 2, 3, 4, 5, 6, 7].map((bits) => [0, 1, 2].map((axis) =>
    [0, 1, 2].reduce((sum, k) => sum + ((bits >> k) & 1) * cell[k][axis], 0)));
}

const EDGES = [];
for (let a = 0; a < 8; a++) for (let k = 0; k < 3; k++) if (!((a >> k) & 1)) EDGES.push([a, a | (1 << k)]);

class View {
  constructor(canvas, frame) {
    this.canvas = canvas;
    this.frame = frame;
    this.atoms = triples(frame.positions);
    this.errors = frame.errors === null ? [] : triples(frame.errors);
    this.corners = corners(frame.cell);
    const all = [...this.atoms, ...this.corners];
    const low = [0, 1, 2].map((k) => all.reduce((m, p) => Math.min(m, p[k]), Infinity));
    const high = [0, 1, 2].map((k) => all.reduce((m, p) => Math.max(m, p[k]), -Infinity));
    this.middle = low.map((value, k) => (value + high[k]) / 2);
    this.reach = 1.5 + Math.hypot(...low.map((value, k) => (high[k] - value) / 2));
    const most = this.errors.reduce((m, e) => Math.max(m, Math.hypot(...e)), 0);
    this.stretch = most > 0 ? LONGEST / most : 0;
    this.reset();
    this.listen();
  }

  reset() {
    this.turned = multiply(around("x", -1.25), [[0.87, -0.5, 0], [0.5, 0.87, 0], [0, 0, 1]]);
    this.draw();
  }

  turn(dx, dy) {
    this.turned = multiply(multiply(around("x", dy), around("y", dx)), this.turned);
    this.draw();
  }

  listen() {
    const canvas = this.canvas, held = new Map();
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      held.set(event.pointerId, event);
    });
    canvas.addEventListener("pointermove", (event) => {
      const last = held.get(event.pointerId);
      if (last === undefined) return;
      this.turn((event.clientX - last.clientX) / 90, (event.clientY - last.clientY) / 90);
      held.set(event.pointerId, event);
    });
    for (const end of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(end, (event) => held.delete(event.pointerId));
    }
    canvas.addEventListener("dblclick", () => this.reset());
    canvas.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: [-0.15, 0], ArrowRight: [0.15, 0], ArrowUp: [0, -0.15], ArrowDown: [0, 0.15] }[event.key];
      if (step === undefined) return;
      event.preventDefault();
      this.turn(...step);
    });
  }

  project(point) {
    const p = point.map((value, k) => value - this.middle[k]), t = this.turned;
    const [x, y, z] = t.map((row) => row[0] * p[0] + row[1] * p[1] + row[2] * p[2]);
    return { x: this.width / 2 + x * this.scale, y: this.height / 2 - y * this.scale, z };
  }

  draw() {
    const box = this.canvas.getBoundingClientRect(), dense = window.devicePixelRatio || 1;
    if (box.width === 0) return;
    this.canvas.width = Math.round(box.width * dense);
    this.canvas.height = Math.round(box.height * dense);
    const pen = this.canvas.getContext("2d"), style = getComputedStyle(document.body);
    pen.scale(dense, dense);
    this.width = box.width;
    this.height = box.height;
    this.scale = Math.min(box.width, box.height) / 2 / this.reach;
    this.cell(pen, style.getPropertyValue("--faint"));
    const seen = this.atoms.map((atom, i) => ({ ...this.project(atom), i }));
    seen.sort((a, b) => a.z - b.z);
    for (const atom of seen) this.sphere(pen, atom);
    if (this.stretch > 0) this.arrows(pen, style.getPropertyValue("--words"), style.getPropertyValue("--ground"));
  }

  cell(pen, color) {
    const at = this.corners.map((corner) => this.project(corner));
    pen.strokeStyle = color;
    pen.lineWidth = 1;
    pen.beginPath();
    for (const [a, b] of at.length ? EDGES : []) {
      pen.moveTo(at[a].x, at[a].y);
      pen.lineTo(at[b].x, at[b].y);
    }
    pen.stroke();
  }

  sphere(pen, { x, y, i }) {
    const kind = this.frame.kinds[i], radius = Math.max(1.5, this.frame.radii[kind] * SIZE * this.scale);
    pen.beginPath();
    pen.arc(x, y, radius, 0, 2 * Math.PI);
    pen.fillStyle = this.frame.colors[kind];
    pen.fill();
    const shade = pen.createRadialGradient(x - radius / 3, y - radius / 3, radius / 8, x, y, radius);
    shade.addColorStop(0, "rgba(255,255,255,.55)");
    shade.addColorStop(0.5, "rgba(255,255,255,0)");
    shade.addColorStop(1, "rgba(0,0,0,.4)");
    pen.fillStyle = shade;
    pen.fill();
  }

  arrows(pen, color, halo) {
    pen.lineCap = "round";
    for (const [width, stroke] of [[4, halo], [1.8, color]]) {
      pen.lineWidth = width;
      pen.strokeStyle = stroke;
      pen.beginPath();
      this.errors.forEach((error, i) => this.arrow(pen, this.atoms[i], error));
      pen.stroke();
    }
  }

  arrow(pen, atom, error) {
    if (this.stretch * Math.hypot(...error) < LEAST * LONGEST) return;
    const from = this.project(atom);
    const to = this.project(atom.map((value, k) => value + this.stretch * error[k]));
    const dx = to.x - from.x, dy = to.y - from.y, length = Math.hypot(dx, dy);
    if (length < 2) return;
    const ux = dx / length, uy = dy / length, head = Math.min(7, length / 2);
    pen.moveTo(from.x, from.y);
    pen.lineTo(to.x, to.y);
    for (const side of [-1, 1]) {
      pen.moveTo(to.x - head * (ux - side * uy / 2), to.y - head * (uy + side * ux / 2));
      pen.lineTo(to.x, to.y);
    }
  }
}

const views = data.frames.map((frame, i) => new View(document.getElementById("frame" + i), frame));
const redraw = () => views.forEach((view) => view.draw());
window.addEventListener("resize", redraw);
window.addEventListener("beforeprint", redraw);
window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
