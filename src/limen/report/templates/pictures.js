// Pictures that the page holds at its end are handed out when they come near, and all of them before printing.
const drawPicture = (() => {
  let waiting = [];

  function draw(image) {
    const number = image.dataset.picture;
    if (number === undefined) return;
    const held = document.getElementById(`picture-${number}`);
    // The end of the page may still be on its way.
    if (!held) return void waiting.push(image);
    delete image.dataset.picture;
    image.src = `data:image/png;base64,${held.textContent}`;
  }

  function retry() {
    const late = waiting;
    waiting = [];
    late.forEach(draw);
    if (document.readyState === "loading") setTimeout(retry, 50);
  }

  const near = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        near.unobserve(target);
        draw(target);
      }
    },
    { rootMargin: "600px" },
  );
  for (const image of document.querySelectorAll("img[data-picture]")) near.observe(image);
  document.addEventListener("DOMContentLoaded", retry);
  setTimeout(retry, 50);
  addEventListener("beforeprint", () => {
    for (const image of document.querySelectorAll("img[data-picture]")) {
      if (image.checkVisibility()) draw(image);
    }
  });
  return draw;
})();
