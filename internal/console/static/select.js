// Comfort only: every page works without it. One box selects all rows of the page, "/" goes to the search.
(() => {
  "use strict";
  const all = document.querySelector("#all");
  const boxes = [...document.querySelectorAll("input[name=m]")];
  if (all) {
    all.hidden = false;
    all.addEventListener("change", () => boxes.forEach((box) => { box.checked = all.checked; }));
    boxes.forEach((box) => box.addEventListener("change", () => { all.checked = boxes.every((b) => b.checked); }));
  }
  document.addEventListener("keydown", (event) => {
    const search = document.querySelector("input[name=q]");
    if (event.key === "/" && search && !/^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName)) {
      event.preventDefault();
      search.focus();
    }
  });
})();
