// The gallery: originals handed out, tiles sorted and filtered, pictures flipped in place and enlarged.
if (document.getElementById("tiles")) {
  const find = (id) => document.getElementById(id);
  const box = find("tiles");
  const tiles = [...box.children];
  const [bySeries, byState, sortBy, sortOrder] = ["filter-series", "filter-state", "sort-by", "sort-order"].map(find);

  const originals = find("originals").children;
  for (const picture of document.querySelectorAll("img[data-original]")) {
    picture.src = originals[picture.dataset.original].src;
  }

  const shown = () => [...box.children].filter((tile) => !tile.hidden);

  function arrange() {
    const key = sortBy.value;
    sortOrder.disabled = key === "image";
    const direction = key !== "image" && sortOrder.value === "down" ? -1 : 1;
    const ordered = [...tiles].sort((a, b) => {
      const [x, y] = [a.dataset[key], b.dataset[key]];
      if (x === "" || y === "") return (x === "") - (y === "");
      return (x - y) * direction || tiles.indexOf(a) - tiles.indexOf(b);
    });
    box.append(...ordered);
    for (const tile of tiles) {
      tile.hidden =
        (bySeries.value !== "" && tile.dataset.series !== bySeries.value) ||
        (byState.value !== "" && tile.dataset.state !== byState.value);
    }
    const count = shown().length;
    find("gallery-count").textContent = `${count} of ${tiles.length} pictures`;
    find("gallery-empty").hidden = count > 0;
  }
  for (const choice of [bySeries, byState, sortBy, sortOrder]) choice.addEventListener("change", arrange);
  arrange();

  for (const button of document.querySelectorAll(".flip")) {
    button.addEventListener("click", () => {
      button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") !== "true"));
    });
  }

  const viewer = find("viewer");
  const frame = find("viewer-frame");
  const layers = [...viewer.querySelectorAll("[data-layer]")];
  let current = null;

  const sources = (tile) => ({
    original: tile.querySelector("img.under"),
    adversarial: tile.querySelector("img.adversarial"),
    difference: tile.querySelector("img.difference"),
    lost: tile.querySelector("img.lost"),
  });

  // All layers stay in place and only one is visible: the flip is instant, and nothing shifts.
  function open(tile, layer) {
    if (tile !== current) {
      current = tile;
      const pictures = Object.entries(sources(tile)).map(([name, picture]) => {
        const copy = picture ? picture.cloneNode() : document.createElement("span");
        copy.className = `${picture?.classList.contains("small") ? "small" : ""} ${picture ? "" : "missing"}`;
        if (!picture) copy.textContent = "image missing";
        copy.dataset.name = name;
        return copy;
      });
      frame.replaceChildren(...pictures);
      const heading = [".attack code", "footer code"].map((name) => tile.querySelector(name).textContent);
      find("viewer-title").textContent = heading.join(" · ");
      const texts = [".classes", ".distances"].map((name) => tile.querySelector(name).cloneNode(true));
      find("viewer-text").replaceChildren(...texts);
    }
    frame.dataset.layer = layer;
    for (const copy of frame.children) copy.hidden = copy.dataset.name !== layer;
    for (const button of layers) button.setAttribute("aria-pressed", String(button.dataset.layer === layer));
    if (!viewer.open) viewer.showModal();
  }

  const flip = () => open(current, frame.dataset.layer === "adversarial" ? "original" : "adversarial");
  function move(step) {
    const list = shown();
    open(list[(list.indexOf(current) + step + list.length) % list.length], frame.dataset.layer);
  }

  for (const button of document.querySelectorAll(".enlarge")) {
    button.addEventListener("click", () => {
      open(button.closest(".tile"), "adversarial");
      frame.focus();
    });
  }
  for (const button of layers) button.addEventListener("click", () => open(current, button.dataset.layer));
  frame.addEventListener("click", flip);
  find("viewer-previous").addEventListener("click", () => move(-1));
  find("viewer-next").addEventListener("click", () => move(1));
  find("viewer-close").addEventListener("click", () => viewer.close());
  viewer.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step) move(step);
    else if (event.key === "f") flip();
    else return;
    event.preventDefault();
  });
}
