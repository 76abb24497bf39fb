// The elements of the view, which it finds by their data-id.

export const HTML = `
<div class="pb-bar">
  <label>Colours show <select data-id="quantity"></select></label>
  <label data-id="metrics">Lengths count <select data-id="metric"></select></label>
  <label><input type="checkbox" data-id="fan"> fan of geodesics from the point</label>
</div>
<div class="pb-main">
  <div class="pb-left">
    <div class="pb-map" data-id="map">
      <canvas data-id="heat" role="img"></canvas>
      <svg data-id="svg" preserveAspectRatio="none">
        <g data-id="rays" class="pb-rays"></g>
        <path data-id="lineEdge" class="pb-edge pb-dashed"/><path data-id="line" class="pb-line pb-dashed"/>
        <path data-id="curveEdge" class="pb-edge"/><path data-id="curve" class="pb-line"/>
        <ellipse data-id="ellipse" class="pb-ellipse"/>
      </svg>
      <div class="pb-handle pb-probe" data-id="probe" role="slider" tabindex="0"></div>
      <div class="pb-handle pb-start" data-id="start" role="slider" tabindex="0"></div>
      <div class="pb-handle pb-end" data-id="end" role="slider" tabindex="0"></div>
    </div>
    <div class="pb-scale">
      <span data-id="low"></span><canvas data-id="scale" role="img"></canvas><span data-id="high"></span>
    </div>
    <p class="pb-caption" data-id="mapCaption"></p>
  </div>
  <div class="pb-pick" data-id="picker" hidden>
    <p class="pb-caption">Or pick two handwritten digits: the first is the start, the next the end.</p>
    <div class="pb-digits" data-id="digits"></div>
  </div>
  <div class="pb-right">
    <figure class="pb-films">
      <figcaption><b data-id="lineLength"></b> <span class="pb-key pb-key-dashed"></span></figcaption>
      <canvas data-id="lineFilm" role="img" aria-label="Images at equal steps along the straight line"></canvas>
      <figcaption><b data-id="curveLength"></b> <span class="pb-key"></span></figcaption>
      <canvas data-id="curveFilm" role="img" aria-label="Images at equal steps along the geodesic"></canvas>
    </figure>
    <p class="pb-caption" data-id="verdict" aria-live="polite"></p>
    <div class="pb-two">
      <figure>
        <svg data-id="speed" class="pb-speed" viewBox="-1 -1 202 82" preserveAspectRatio="none" role="img"
          aria-label="Speed of the image along the straight line and along the geodesic">
          <path d="M0 0V80H200" class="pb-axis"/><path data-id="lineSpeed" class="pb-plot pb-dashed"/>
          <path data-id="curveSpeed" class="pb-plot"/>
        </svg>
        <figcaption>How fast the image changes from start to end. The geodesic keeps one pace.</figcaption>
      </figure>
      <figure class="pb-point">
        <canvas data-id="image" role="img" aria-label="The image at the point"></canvas>
        <figcaption data-id="pointCaption"></figcaption>
      </figure>
    </div>
  </div>
</div>`;
