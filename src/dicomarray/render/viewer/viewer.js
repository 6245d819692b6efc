"use strict";
const content = JSON.parse(byId("content").textContent), images = content.images;
const LAYOUTS = [["planes", 3, 1], ["axial", 0, 0], ["coronal", 1, 0], ["sagittal", 2, 0], ["3-D", 4, 0]];
const HU = [["soft tissue", -160, 240], ["lung", -1350, 150], ["bone", -500, 1300], ["brain", 0, 80],
  ["liver", -20, 180]];
// Four planes two by two, which two volumes beside each other have room for; what a cut leaves of 3-D.
const GRID = 2, CUT = [0.1, 180, 20], WHOLE = [2, 0, 0];
const views = [];

function byId(name) { return document.getElementById(name); }

function made(tag, parent, properties) {
  const element = Object.assign(document.createElement(tag), properties);
  parent.append(element);
  return element;
}

// --- what is in the page ------------------------------------------------------------------------------

function bytesOf(name) {
  const element = byId(name), text = atob(element.textContent), bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  element.remove();
  return bytes;
}

async function unpacked(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

async function loadNiivue() {
  const script = new TextDecoder().decode(await unpacked(bytesOf("niivue")));
  // a module that is part of the page runs when the browser gets to it
  made("script", document.head, { type: "module", textContent: script });
  for (let i = 0; i < 600 && !globalThis.NiivueOfBuild; i++) await new Promise(done => setTimeout(done, 50));
  if (!globalThis.NiivueOfBuild) throw new Error("NiiVue did not start");
}

// --- the views ----------------------------------------------------------------------------------------

async function makeView(index, files) {
  const image = images[index], figure = made("figure", byId("views"));
  const canvas = made("canvas", made("div", figure), { id: `view-${index}`, tabIndex: 0 });
  canvas.setAttribute("aria-label", image.title);
  const words = images.length > 1 ? `${image.title} · ${image.caption}` : image.caption;
  made("figcaption", figure, { textContent: words });
  const nv = new globalThis.NiivueOfBuild({
    isRadiologicalConvention: true, sagittalNoseLeft: true, isOrientationTextVisible: image.placed,
    isNearestInterpolation: true, dragAndDropEnabled: false, loadingText: "", logLevel: "error",
    backColor: [0, 0, 0, 1], crosshairColor: [0.2, 0.8, 1, 0.8], crosshairWidth: 1,
    crosshairWidthUnit: "percent", fontColor: [0.9, 0.75, 0.3, 1],
    show3Dcrosshair: true, multiplanarShowRender: 1, multiplanarLayout: images.length > 1 ? GRID : 0, isResizeCanvas: true,
  });
  await nv.attachToCanvas(canvas);
  await addImage(nv, image, files.images[index], 1);
  const view = { nv, image, index, canvas, masks: [], over: null };
  if (index === 0) for (const file of files.masks) view.masks.push(await addMasks(nv, file, view.masks.length));
  nv.onLocationChange = () => moved(view);
  nv.onIntensityChange = volume => { if (volume === nv.volumes[0]) showWindow(); };
  views.push(view);
  setInverted(view, image.inverted);
  return view;
}

async function addFile(nv, file, name, more) {
  return nv.addVolumeFromUrl({ url: name, name, buffer: file, trustCalMinMax: true, ...more });
}

async function addImage(nv, image, file, opacity) {
  const window = image.window ? { cal_min: image.window[0], cal_max: image.window[1] } : {};
  const volume = await addFile(nv, file, "image.nii", { colormap: "gray", opacity, ...window });
  if (image.window) { volume.cal_min = image.window[0]; volume.cal_max = image.window[1]; nv.updateGLVolume(); }
  return volume;
}

async function addMasks(nv, file, layer) {
  const volume = await addFile(nv, file, "masks.nii", { opacity: Number(byId("opacity").value) });
  const shown = content.segments.filter(one => one.layer === layer);
  const table = { R: [0], G: [0], B: [0], A: [0], I: [0], labels: [""] };
  for (const one of shown) {
    one.colour.forEach((value, channel) => table["RGB"[channel]].push(value));
    table.A.push(255); table.I.push(one.number); table.labels.push(one.label);
  }
  volume.setColormapLabel(table);
  nv.updateGLVolume();
  return volume;
}

function redraw(view) { view.nv.updateGLVolume(); view.nv.drawScene(); }

function setLayout(name) {
  const [, type, render] = LAYOUTS.find(one => one[0] === name);
  for (const { nv } of views) { nv.opts.multiplanarShowRender = render; nv.setSliceType(type); }
  for (const button of byId("layouts").children) {
    button.setAttribute("aria-pressed", String(button.textContent === name));
  }
}

function setInverted(view, inverted) {
  const ground = inverted ? 1 : 0;
  view.nv.volumes[0].colormapInvert = inverted;
  view.nv.opts.backColor = [ground, ground, ground, 1];
  view.nv.opts.fontColor = inverted ? [0.6, 0.35, 0, 1] : [0.9, 0.75, 0.3, 1];
  redraw(view);
}

function setStraight(straight) { for (const { nv } of views) { nv.setSliceMM(straight); nv.drawScene(); } }

function setWindow(lower, upper) {
  if (!(Number.isFinite(lower) && Number.isFinite(upper) && lower < upper)) return showWindow();
  for (const view of views) {
    if (view.image.colour || view.image.units !== images[0].units) continue;
    Object.assign(view.nv.volumes[0], { cal_min: lower, cal_max: upper });
    redraw(view);
  }
  showWindow();
}

function showWindow() {
  const { cal_min: lower, cal_max: upper } = views[0].nv.volumes[0];
  byId("lower").value = Number(lower.toPrecision(4));
  byId("upper").value = Number(upper.toPrecision(4));
}

function setTime(step) {
  for (const view of views) {
    const count = view.image.steps.length;
    view.nv.setFrame4D(view.nv.volumes[0].id, Math.min(step, count - 1));
  }
  moved(views[0]);
  byId("step").textContent = images.map(one => one.steps[Math.min(step, one.steps.length - 1)]).find(Boolean) || "";
}

// --- places -------------------------------------------------------------------------------------------

// Places are RAS mm where NiiVue speaks, and (slice, row, column) of the array where we do.
function inverseOf(m) {
  const [a, b, c] = [0, 1, 2].map(column => [m[0][column], m[1][column], m[2][column]]);
  const cross = (u, v) => [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]];
  const dot = (u, v) => u[0] * v[0] + u[1] * v[1] + u[2] * v[2], size = dot(a, cross(b, c));
  return [cross(b, c), cross(c, a), cross(a, b)].map(row => row.map(value => value / size));
}

function voxelAt(image, mm) {
  image.inverse ||= inverseOf(image.affine);
  const from = mm.map((value, axis) => value - image.affine[axis][3]);
  return image.inverse.map(row => row[0] * from[0] + row[1] * from[1] + row[2] * from[2]);
}

function mmOf(image, voxel) {
  return [0, 1, 2].map(axis => image.affine[axis][3] + voxel.reduce((sum, v, n) => sum + v * image.affine[axis][n], 0));
}

function placeOf(view) { return Array.from(view.nv.frac2mm(view.nv.scene.crosshairPos, 0, true)).slice(0, 3); }

function goTo(view, voxel) {
  const mm = mmOf(view.image, voxel);
  const linked = content.linked ? views : [view];
  for (const one of linked) {
    one.nv.scene.crosshairPos = one.nv.mm2frac(mm, 0, true);
    one.nv.drawScene();
  }
  moved(view);
}

function moved(view) {
  if (view !== views[0]) {
    if (content.linked && views[0]) follow(views[0], placeOf(view));
    return;
  }
  const mm = placeOf(view), exact = voxelAt(view.image, mm);
  const voxel = exact.map((value, axis) => Math.min(view.image.shape[axis] - 1, Math.max(0, Math.round(value))));
  view.voxel = voxel;
  [...byId("places").children].forEach((label, axis) => {
    label.querySelector("input").value = voxel[axis];
    label.querySelector("output").textContent =
      `${view.image.axes[axis]} ${voxel[axis] + 1} of ${view.image.shape[axis]}`;
  });
  if (content.linked && views[1]) follow(views[1], mm);
  const values = views.map(one => valueAt(one)).filter(Boolean);
  const names = content.segments.filter(one => one.layer >= 0 && !one.hidden && maskAt(view, one.layer) === one.number);
  byId("where").textContent = [
    view.image.placed ? sides(mm) : "", `[${voxel.join(", ")}]`, values.join(" | "), names.map(one => one.label).join(", "),
  ].filter(Boolean).join(" · ");
}

function follow(view, mm) {
  view.nv.scene.crosshairPos = view.nv.mm2frac(mm, 0, true);
  view.nv.drawScene();
  if (view === views[0]) moved(view);
}

function sides(mm) {
  return ["RL", "AP", "SI"].map((pair, axis) => `${pair[mm[axis] < 0 ? 1 : 0]} ${Math.abs(mm[axis]).toFixed(1)}`).join("  ")
    + " mm";
}

function valueAt(view) {
  if (view.image.colour) return "";
  const value = view.nv.volumes[0].getValue(...fileVoxel(view, view.nv.volumes[0]), view.nv.volumes[0].frame4D);
  return Number.isFinite(value) ? `${Number(value.toPrecision(6))} ${view.image.units}` : "";
}

function maskAt(view, layer) {
  const volume = view.masks[layer];
  return volume ? volume.getValue(...fileVoxel(view, volume), 0) : 0;
}

function fileVoxel(view, volume) { return Array.from(volume.mm2vox(placeOf(view))).slice(0, 3); }

// --- controls -----------------------------------------------------------------------------------------

function makeControls() {
  const [image] = images;
  for (const [name] of LAYOUTS) {
    made("button", byId("layouts"), { type: "button", textContent: name, onclick: () => setLayout(name) });
  }
  const presets = [["as opened", ...(image.window || [0, 1])], ["all values", ...image.range]];
  if (image.units === "HU") presets.push(...HU);
  byId("windowing").hidden = image.colour;
  byId("units").textContent = image.units;
  for (const [name] of presets) made("option", byId("presets"), { textContent: name });
  byId("presets").onchange = event => setWindow(...presets[event.target.selectedIndex].slice(1));
  byId("lower").onchange = byId("upper").onchange = () =>
    setWindow(byId("lower").valueAsNumber, byId("upper").valueAsNumber);
  byId("invert").checked = image.inverted;
  byId("invert").parentElement.hidden = image.colour;
  byId("invert").onchange = event => { for (const view of views) setInverted(view, event.target.checked); };
  byId("smooth").onchange = event => { for (const { nv } of views) nv.setInterpolation(!event.target.checked); };
  byId("straight-group").hidden = !images.some(one => one.oblique);
  byId("straight").onchange = event => setStraight(event.target.checked);
  byId("cut").onchange = event => { for (const { nv } of views) nv.setClipPlane(event.target.checked ? CUT : WHOLE); };
  const steps = Math.max(...images.map(one => one.steps.length));
  byId("time-bar").hidden = steps < 2;
  byId("time").max = steps - 1;
  byId("time").oninput = event => setTime(Number(event.target.value));
  image.shape.forEach((count, axis) => {
    const label = made("label", byId("places"), { hidden: count < 2 });
    const slider = made("input", label, { type: "range", min: 0, max: count - 1, value: 0 });
    slider.setAttribute("aria-label", image.axes[axis]);
    made("output", label);
    slider.oninput = () => goTo(views[0], views[0].voxel.with(axis, Number(slider.value)));
  });
}

function makeMaskControls() {
  byId("masks").hidden = !content.segments.length;
  byId("opacity").oninput = event => {
    for (const volume of views[0].masks) volume.opacity = Number(event.target.value);
    redraw(views[0]);
  };
  byId("alone").onchange = event => views[0].nv.setOpacity(0, event.target.checked ? 0 : 1);
  for (const one of content.segments) {
    const row = made("div", byId("segments")), box = made("input", row, { type: "checkbox", checked: one.layer >= 0 });
    made("i", row).style.background = `rgb(${one.colour})`;
    const name = made("button", row, { type: "button", textContent: one.label, title: "go there" });
    box.setAttribute("aria-label", `show ${one.label}`);
    box.disabled = name.disabled = one.layer < 0;
    if (one.layer < 0) name.textContent += " (no voxel)";
    box.onchange = () => { one.hidden = !box.checked; showSegment(one); };
    name.onclick = () => goTo(views[0], one.place);
  }
}

function showSegment(one) {
  const volume = views[0].masks[one.layer], { lut, min } = volume.colormapLabel;
  lut[4 * (one.number - (min || 0)) + 3] = one.hidden ? 0 : 255;
  redraw(views[0]);
  moved(views[0]);
}

async function makeBlend(file) {
  byId("blend-group").hidden = false;
  byId("blend").oninput = async event => {
    const view = views[0], opacity = Number(event.target.value);
    view.over ||= addImage(view.nv, images[1], file, 0);
    const volume = await view.over;
    volume.colormap = images[1].inverted ? "hot" : "gray";  // a PET over a CT is in colour
    volume.opacity = opacity;
    redraw(view);
  };
}

async function start() {
  if (!document.createElement("canvas").getContext("webgl2")) {
    throw new Error("this browser has no WebGL 2, which 3-D needs; the page of --viewer slices needs none");
  }
  await loadNiivue();
  const files = { images: [], masks: [] };
  for (let i = 0; i < images.length; i++) files.images.push(await unpacked(bytesOf(`image-${i}`)));
  for (let i = 0; byId(`masks-${i}`); i++) files.masks.push(await unpacked(bytesOf(`masks-${i}`)));
  makeControls();
  for (let i = 0; i < images.length; i++) await makeView(i, files);
  makeMaskControls();
  // two stacks that lie askew are in one place only in the planes of the patient
  byId("straight").checked = content.linked && images.some(one => one.oblique);
  if (byId("straight").checked) setStraight(true);
  if (content.linked && !images.some(one => one.colour)) makeBlend(files.images[1]);
  const first = content.segments.find(one => one.place);
  goTo(views[0], first ? first.place : images[0].shape.map(count => Math.floor(count / 2)));
  setLayout(images[0].placed ? "planes" : "axial");
  if (!images[0].placed) byId("layouts").hidden = byId("cut-group").hidden = true;
  if (!images[0].colour) showWindow();
  setTime(0);
  document.body.dataset.ready = "yes";
}

start().catch(error => {
  byId("failed").textContent = `The viewer does not start: ${error.message}`;
  byId("failed").hidden = false;
  document.body.dataset.ready = "no";
});
globalThis.viewer = { views, goTo, setLayout, setTime };
