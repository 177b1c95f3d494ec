// The gallery: images sorted, filtered and paged; pictures flipped in place and enlarged.
if (document.getElementById("images")) {
  const find = (id) => document.getElementById(id);
  const box = find("images");
  const rows = [...box.children].map((row) => ({ row, tiles: [...row.querySelectorAll(".tile")] }));
  const [bySeries, byState, sortBy, sortOrder, size] = ["filter-series", "filter-state", "sort-by", "sort-order", "page-size"].map(find);
  const pagers = [...document.querySelectorAll(".pager")];
  let ordered = rows;
  let start = 0;

  const fits = (tile) =>
    (bySeries.value === "" || tile.dataset.series === bySeries.value) &&
    (byState.value === "" || tile.dataset.state === byState.value);
  const shown = () => [...box.querySelectorAll(".image:not([hidden]) .tile:not([hidden])")];

  // An image counts by its most distorted picture among those that are shown.
  function worth({ tiles }, key) {
    const values = tiles.filter((tile) => fits(tile) && key in tile.dataset).map((tile) => +tile.dataset[key]);
    return values.length ? Math.max(...values) : null;
  }

  function arrange() {
    const key = sortBy.value;
    sortOrder.disabled = key === "";
    const direction = sortOrder.value === "down" ? -1 : 1;
    const kept = rows.filter(({ tiles }) => tiles.some(fits));
    const values = new Map(kept.map((one) => [one, key && worth(one, key)]));
    ordered = !key ? kept : kept.sort((a, b) => {
      const [x, y] = [values.get(a), values.get(b)];
      return x === null || y === null ? (x === null) - (y === null) : (x - y) * direction;
    });
    start = 0;
    turn();
  }

  function turn() {
    const count = +size.value;
    const page = ordered.slice(start, start + count);
    for (const { row } of rows) row.hidden = true;
    for (const { row, tiles } of page) {
      for (const tile of tiles) tile.hidden = !fits(tile);
      row.hidden = false;
    }
    box.prepend(...page.map(({ row }) => row));
    find("gallery-empty").hidden = ordered.length > 0;
    for (const pager of pagers) {
      pager.hidden = rows.length <= 4;
      pager.querySelector("span").textContent = `${ordered.length && start + 1}–${start + page.length} of ${ordered.length} images`;
      const [previous, next] = pager.querySelectorAll("button");
      previous.disabled = start === 0;
      next.disabled = start + count >= ordered.length;
    }
  }

  for (const pager of pagers) {
    for (const button of pager.querySelectorAll("button")) {
      button.addEventListener("click", () => {
        start = Math.max(0, start + button.dataset.step * size.value);
        turn();
        pagers[0].scrollIntoView();
      });
    }
  }
  for (const choice of [bySeries, byState, sortBy, sortOrder, size]) choice.addEventListener("change", arrange);
  find("gallery-controls").hidden = false;
  arrange();

  const original = (tile) => tile.closest(".image").querySelector("img.before");

  // The original of the row serves each of its tiles; a copy of it is made at the first flip.
  function flip(button) {
    const source = original(button);
    if (!source) return;
    if (!button.querySelector(".under")) {
      drawPicture(source);
      const under = source.cloneNode();
      under.className = `under ${source.classList.contains("small") ? "small" : ""}`;
      button.append(under);
    }
    button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") !== "true"));
  }

  const viewer = find("viewer");
  const frame = find("viewer-frame");
  const layers = [...viewer.querySelectorAll("[data-layer]")];
  let current = null;

  // All layers stay in place and only one is visible: the flip is instant, and nothing shifts.
  function open(tile, layer) {
    if (tile !== current) {
      current = tile;
      const row = tile.closest(".image");
      const pictures = layers.map(({ dataset }) => {
        const picture = dataset.layer === "before" ? original(tile) : tile.querySelector(`img.${dataset.layer}`);
        if (picture) drawPicture(picture);
        const copy = picture ? picture.cloneNode() : document.createElement("span");
        copy.className = picture ? (picture.classList.contains("small") ? "small" : "") : "missing";
        if (!picture) copy.textContent = "image missing";
        copy.loading = "eager";
        copy.dataset.name = dataset.layer;
        return copy;
      });
      frame.replaceChildren(...pictures);
      find("viewer-title").textContent = [tile.querySelector(".attack code"), row.querySelector(".original code")].map((each) => each.textContent).join(" · ");
      const texts = [row.querySelector(".classes"), tile.querySelector(".told")].map((each) => each.cloneNode(true));
      find("viewer-text").replaceChildren(...texts);
    }
    frame.dataset.layer = layer;
    for (const copy of frame.children) copy.hidden = copy.dataset.name !== layer;
    for (const button of layers) button.setAttribute("aria-pressed", String(button.dataset.layer === layer));
    if (!viewer.open) viewer.showModal();
  }

  const turnOver = () => open(current, frame.dataset.layer === "adversarial" ? "before" : "adversarial");
  function move(step) {
    const list = shown();
    open(list[(list.indexOf(current) + step + list.length) % list.length], frame.dataset.layer);
  }

  box.addEventListener("click", ({ target }) => {
    const button = target.closest("button");
    if (button?.className === "flip") flip(button);
    if (button?.className === "enlarge") {
      open(button.closest(".tile"), "adversarial");
      frame.focus();
    }
  });
  for (const button of layers) button.addEventListener("click", () => open(current, button.dataset.layer));
  frame.addEventListener("click", turnOver);
  find("viewer-previous").addEventListener("click", () => move(-1));
  find("viewer-next").addEventListener("click", () => move(1));
  find("viewer-close").addEventListener("click", () => viewer.close());
  viewer.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step) move(step);
    else if (event.key === "f") turnOver();
    else return;
    event.preventDefault();
  });
}
