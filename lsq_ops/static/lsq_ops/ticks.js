// One box ticks all boxes of its table. It is hidden until this script runs; without it the boxes work one by one.
const showTickAll = () => document.querySelectorAll("[data-tick-all]").forEach((box) => { box.hidden = false; });
showTickAll();
document.addEventListener("htmx:afterSettle", showTickAll);
document.addEventListener("change", (event) => {
  if (!event.target.matches("[data-tick-all]")) return;
  const boxes = event.target.closest("table").querySelectorAll("tbody input[type=checkbox]");
  boxes.forEach((box) => { box.checked = event.target.checked; });
});
