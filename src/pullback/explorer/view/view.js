// The explorer: a map, two end points, a line and a geodesic, and what they decode to. A backend computes:
//   box                               [[x0, x1], [y0, y1]]
//   map(metric, show)                 calls show({box, n, factors}) with finer and finer maps
//   at(metric, z)                     {image, factor}
//   curves(metric, start, end, quick) {line, geodesic}, each {length, converged, points, speed, film}
//   fan(metric, z, length)            {points, count, steps}
// All of them return promises; factors are those of metric.js.

import { HTML } from "./template.js";
import { ellipse, QUANTITIES, singularValues } from "./metric.js";
import { colour, limits, paintImages, paintMap, path } from "./paint.js";

const NAMES = { start: "Start", end: "End", probe: "Point to look at" };

/** The explorer in the element `root`. `options`: metrics [{id, label}]; shape and range of the images; digits
 * [{label, image}] that can be picked; changed(state), called when the reader changes the state, which is
 * {start, end, probe, metric, quantity, fan}; failed(error). */
export class View {
  constructor(root, options) {
    root.classList.add("pb");
    root.innerHTML = HTML;
    this.options = options;
    this.el = Object.fromEntries([...root.querySelectorAll("[data-id]")].map((e) => [e.dataset.id, e]));
    const { el } = this;
    for (const [id, { title }] of Object.entries(QUANTITIES)) el.quantity.add(new Option(title, id));
    for (const { id, label } of options.metrics) el.metric.add(new Option(label, id));
    el.metrics.hidden = options.metrics.length < 2;
    for (const id of ["quantity", "metric"]) el[id].onchange = () => this.set({ [id]: el[id].value });
    el.fan.onchange = () => this.set({ fan: el.fan.checked });
    for (const id of Object.keys(NAMES)) this._handle(id);
    (options.digits ?? []).forEach((digit, i) => this._digit(digit, i));
    el.map.addEventListener("pointermove", (event) => {
      if (!this.dragged && event.pointerType === "mouse") this.set({ probe: this._position(event) });
    });
    el.map.addEventListener("pointerdown", (event) => {
      if (!event.target.classList.contains("pb-handle")) this._drag("probe", event);
    });
    new ResizeObserver(() => this._place()).observe(el.map);
  }

  /** Show what a backend computes, from a state on; `codes` are the latent points of the digits. */
  open(backend, state, codes = []) {
    this.backend = backend;
    this.codes = codes;
    this.el.picker.hidden = !codes.length;
    this.map = this.found = this.point = null;
    const [[x0, x1], [y0, y1]] = backend.box;
    this.el.map.style.aspectRatio = `${x1 - x0} / ${y1 - y0}`;
    this.el.map.style.setProperty("--ratio", (x1 - x0) / (y1 - y0));
    this.state = null;
    return this.set(state, false);
  }

  /** Change a part of the state. */
  set(change, tell = true) {
    const before = this.state ?? {}, state = (this.state = { ...before, ...change });
    const { el } = this, differs = (...names) => names.some((name) => before[name] !== state[name]);
    for (const id of ["start", "end", "probe"]) state[id] = this._inside(state[id]);
    el.quantity.value = state.quantity;
    el.metric.value = state.metric;
    el.fan.checked = state.fan;
    this._place();
    [...el.digits.children].forEach((button, i) => {
      const same = (z) => this.codes[i] && this._inside(this.codes[i]).every((x, d) => x === z[d]);
      button.classList.toggle("pb-picked", Boolean(same(state.start) || same(state.end)));
    });
    const work = [];
    if (differs("start", "end", "metric")) work.push(this._curves());
    if (differs("metric")) work.push(this._map());
    else if (differs("quantity")) this._paint();
    if (differs("probe", "metric")) work.push(this._point());
    if (differs("probe", "metric", "fan")) work.push(Promise.resolve(this.found || work[0]).then(() => this._fan()));
    if (tell) this.options.changed?.(state);
    return Promise.all(work);
  }

  // Where things are

  _inside(z) {
    return z.map((x, d) => Math.min(Math.max(x, this.backend.box[d][0]), this.backend.box[d][1]));
  }

  _share(z) {
    const [[x0, x1], [y0, y1]] = this.backend.box;
    return [(z[0] - x0) / (x1 - x0), (y1 - z[1]) / (y1 - y0)];
  }

  _position(event) {
    const r = this.el.map.getBoundingClientRect(), [[x0, x1], [y0, y1]] = this.backend.box;
    const [right, down] = [(event.clientX - r.left) / r.width, (event.clientY - r.top) / r.height];
    return [x0 + (x1 - x0) * right, y1 - (y1 - y0) * down];
  }

  _place() {
    if (!this.state) return;
    const { el, state } = this;
    el.svg.setAttribute("viewBox", `0 0 ${el.map.clientWidth} ${el.map.clientHeight}`);
    for (const id of Object.keys(NAMES)) {
      const [x, y] = this._share(state[id]);
      el[id].style.left = `${100 * x}%`;
      el[id].style.top = `${100 * y}%`;
      const [a, b] = state[id].map((v) => v.toFixed(2));
      el[id].setAttribute("aria-label", `${NAMES[id]}; arrow keys move it`);
      el[id].setAttribute("aria-valuetext", `latent point ${a}, ${b}`);
      el[id].setAttribute("aria-valuenow", a);
    }
    this._drawCurves();
    this._drawPoint();
    this._drawRays();
  }

  get _pixels() {
    const { clientWidth: w, clientHeight: h } = this.el.map;
    return (z) => this._share(z).map((s, d) => s * (d ? h : w));
  }

  // The reader's hands

  _handle(id) {
    const handle = this.el[id];
    handle.addEventListener("pointerdown", (event) => this._drag(id, event));
    handle.addEventListener("keydown", (event) => {
      const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
      if (!way) return;
      event.preventDefault();
      const step = event.shiftKey ? 0.05 : 0.01;
      const side = this.backend.box.map(([low, high]) => high - low);
      this._moving();
      this.set({ [id]: this.state[id].map((x, d) => x + way[d] * step * side[d]) });
    });
  }

  _digit({ label, image }, i) {
    const button = document.createElement("button"), canvas = document.createElement("canvas");
    button.type = "button";
    button.setAttribute("aria-label", `a handwritten ${label}`);
    paintImages(canvas, image, this.options.shape, this.options.range);
    button.append(canvas);
    button.onclick = () => {
      const id = (this.picks = (this.picks ?? 0) + 1) % 2 ? "start" : "end";
      this.set({ [id]: this.codes[i] });
    };
    this.el.digits.append(button);
  }

  _drag(id, event) {
    event.preventDefault();
    const { map } = this.el;
    this.el[id].focus({ preventScroll: true });
    this.dragged = id;
    const move = (e) => {
      this._moving();
      this.set({ [id]: this._position(e) });
    };
    const stop = () => {
      this.dragged = null;
      map.removeEventListener("pointermove", move);
      for (const name of ["pointerup", "pointercancel"]) map.removeEventListener(name, stop);
    };
    map.setPointerCapture(event.pointerId);
    map.addEventListener("pointermove", move);
    for (const name of ["pointerup", "pointercancel"]) map.addEventListener(name, stop);
    if (id === "probe") move(event);
  }

  /** While something moves, sketched curves are good enough; the exact ones follow when it rests. */
  _moving() {
    this.moving = true;
    clearTimeout(this.rest);
    this.rest = setTimeout(() => {
      this.moving = false;
      this._curves();
    }, 120);
  }

  // What is computed: of each kind one request at a time, and the newest wish next

  async _latest(kind, ask, show) {
    this.wish ??= {};
    if (kind in this.wish) {
      this.wish[kind] = [ask, show];
      return;
    }
    this.wish[kind] = [ask, show];
    try {
      while (this.wish[kind]) {
        const [now, then] = this.wish[kind];
        this.wish[kind] = null;
        const backend = this.backend, result = await now(backend);
        if (backend === this.backend) then(result);
      }
    } catch (error) {
      this.options.failed?.(error);
    } finally {
      delete this.wish[kind];
    }
  }

  _curves() {
    const { metric, start, end } = this.state;
    return this._latest("curves", (b) => b.curves(metric, start, end, Boolean(this.moving)), (found) => {
      this.found = found;
      this._drawCurves();
      this._drawFilms();
    });
  }

  _map() {
    const { metric } = this.state, { backend } = this;
    return backend.map(metric, (map) => {
      if (backend !== this.backend || metric !== this.state.metric) return;
      this.map = map;
      this._paint();
      this._drawPoint();
    });
  }

  _point() {
    const { metric, probe } = this.state;
    return this._latest("at", (b) => b.at(metric, probe), (point) => {
      this.point = point;
      this._drawPoint();
    });
  }

  _fan() {
    const { metric, probe, fan } = this.state;
    if (!fan) {
      this.rays = null;
      this._drawRays();
      return null;
    }
    const length = this.found ? this.found.geodesic.length / 2 : 1;
    return this._latest("fan", (b) => b.fan(metric, probe, length), (rays) => {
      this.rays = this.state.fan ? rays : null;
      this._drawRays();
    });
  }

  // What is drawn

  _paint() {
    if (!this.map) return;
    const { el, map, state } = this, quantity = QUANTITIES[state.quantity];
    const values = new Float64Array(map.n ** 2).map((_, i) => quantity.of(map.factors.subarray(3 * i, 3 * i + 3)));
    const range = limits(values), [low, high] = range.map((v) => v.toFixed(1));
    paintMap(el.heat, values, map.n, range, state.quantity);
    el.heat.setAttribute("aria-label", `Map of the latent space: ${quantity.title}`);
    el.low.textContent = `${low} ${quantity.low}`;
    el.high.textContent = `${quantity.high} ${high}`;
    el.scale.width = 256;
    el.scale.height = 1;
    const context = el.scale.getContext("2d");
    for (let i = 0; i < 256; i++) {
      context.fillStyle = `rgb(${colour(state.quantity, i / 255).join()})`;
      context.fillRect(i, 0, 1, 1);
    }
    el.scale.setAttribute("aria-label", `Colours: ${quantity.label} from ${low} to ${high}`);
    el.mapCaption.textContent =
      `Each point is an image. ${quantity.caption} (${quantity.label}). Drag the disc and the square.`;
  }

  _drawCurves() {
    if (!this.found) return;
    for (const [id, curve] of [["line", this.found.line], ["curve", this.found.geodesic]]) {
      const d = path(curve.points, this._pixels);
      this.el[id].setAttribute("d", d);
      this.el[`${id}Edge`].setAttribute("d", d);
    }
  }

  _drawFilms() {
    const { el, options } = this, { line, geodesic } = this.found;
    el.lineLength.textContent = `Straight line: length ${line.length.toFixed(2)}`;
    el.curveLength.textContent = `Geodesic: length ${geodesic.length.toFixed(2)}`;
    const more = Math.round(100 * (line.length / geodesic.length - 1));
    el.verdict.textContent = geodesic.converged
      ? `The straight line is ${more} % longer: along it the image changes ${more} % more in all.`
      : "No geodesic was found here: the solver did not converge.";
    for (const [id, curve] of [["line", line], ["curve", geodesic]]) {
      paintImages(el[`${id}Film`], curve.film, options.shape, options.range ?? limits(curve.film));
    }
    const top = Math.max(...line.speed, ...geodesic.speed) || 1;
    for (const [id, { speed }] of [["line", line], ["curve", geodesic]]) {
      const points = new Float64Array(2 * speed.length);
      speed.forEach((value, i) => points.set([i / (speed.length - 1), value / top], 2 * i));
      el[`${id}Speed`].setAttribute("d", path(points, ([x, y]) => [200 * x, 80 * (1 - y)]));
    }
  }

  _drawPoint() {
    if (!this.point) return;
    const { el, options, point, state } = this, [s, t] = singularValues(point.factor);
    paintImages(el.image, point.image, options.shape, options.range ?? limits(point.image));
    const number = (x) => (x === 0 ? "0" : x >= 0.01 ? x.toFixed(2) : x.toExponential(1));
    el.pointCaption.textContent =
      `The image at the point (${state.probe.map((v) => v.toFixed(2)).join(", ")}). A small step changes it by ` +
      `${number(s)} times its length at most, by ${number(t)} at least (the singular values).`;
    if (!this.map) return;
    const [cx, cy] = this._pixels(state.probe), [x0, x1] = this.backend.box[0], scale = el.map.clientWidth / (x1 - x0);
    const { long, short, angle } = ellipse(point.factor, this._ellipseSize());
    const most = 3 * el.map.clientWidth; // of an axis that the metric does not bound
    el.ellipse.setAttribute("rx", Math.min(long * scale, most));
    el.ellipse.setAttribute("ry", Math.min(short * scale, most));
    el.ellipse.setAttribute("transform", `translate(${cx} ${cy}) rotate(${(-180 / Math.PI) * angle})`);
  }

  /** The change of the image that an ellipse stands for: such that a typical one is a twelfth of the map wide. */
  _ellipseSize() {
    if (this.map.size) return this.map.size;
    const areas = [];
    for (let i = 0; i < this.map.n ** 2; i++) {
      const [s, t] = singularValues(this.map.factors.subarray(3 * i, 3 * i + 3));
      areas.push(Math.sqrt(s * t));
    }
    areas.sort((a, b) => a - b);
    const side = this.backend.box[0][1] - this.backend.box[0][0];
    return (this.map.size = (side / 24) * (areas[areas.length >> 1] || areas.at(-1) || 1));
  }

  _drawRays() {
    const { rays, el } = this;
    el.rays.replaceChildren();
    if (!rays) return;
    const each = 2 * (rays.steps + 1);
    for (let i = 0; i < rays.count; i++) {
      const ray = document.createElementNS("http://www.w3.org/2000/svg", "path");
      ray.setAttribute("d", path(rays.points.subarray(i * each, (i + 1) * each), this._pixels));
      el.rays.append(ray);
    }
  }
}
