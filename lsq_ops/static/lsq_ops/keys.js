// Unfold makes some of its buttons of spans and divs. They get what a button has: a role, a place in the order, a name,
// Enter and Space; and whoever opens something with them stands in it, and comes back by Escape.
const NAMES = { sidebarDesktopOpen: "menu", sidebarMobileOpen: "menu", "switchTheme('light')": "light", "switchTheme('dark')": "dark", "switchTheme('auto')": "system" };
const said = (word) => document.getElementById("words")?.dataset[word] ?? "";
const PANELS = {
  sidebarMobileOpen: () => document.getElementById("nav-sidebar"),
  openUserLinks: (button) => button.parentElement.querySelector("nav"),
  filterOpen: () => document.getElementById("changelist-filter"),
};
const FOCUSABLE = "a[href], button, input:not([type=hidden]), select, textarea, [tabindex='0']";
const openers = new Map();

const words = (table, button) => Object.keys(table).find((word) => button.getAttribute("x-on:click").includes(word));

function dress(button) {
  button.dataset.dressed = "";
  const name = words(NAMES, button);
  if (name) button.setAttribute("aria-label", said(NAMES[name]));
  const opens = words(PANELS, button);
  if (opens) button.addEventListener("click", () => setTimeout(() => enter(button, PANELS[opens](button)), 150));
  if (button.matches("button, a[href]")) return;
  button.setAttribute("role", "button");
  button.tabIndex = 0;
  button.addEventListener("keydown", (event) => {
    if (event.target !== button || (event.key !== "Enter" && event.key !== " ")) return;
    event.preventDefault();
    button.click();
  });
}

function enter(button, panel) {
  if (!panel || !panel.offsetParent && getComputedStyle(panel).position !== "fixed") return;
  const first = [...panel.querySelectorAll(FOCUSABLE)].find((one) => one.getClientRects().length);
  if (!first) return;
  openers.set(panel, button);
  first.focus();
}

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const [panel, button] of openers) {
    if (!panel.contains(document.activeElement)) continue;
    openers.delete(panel);
    if (!button.getAttribute("x-on:click").includes("filterOpen")) button.click();
    button.focus();
  }
});

document.addEventListener("DOMContentLoaded", () => {
  document.getElementById("searchbar-submit")?.setAttribute("aria-label", said("search"));
  document.querySelectorAll(".material-symbols-outlined:not([x-on\\:click])").forEach((icon) => icon.setAttribute("aria-hidden", "true"));
  document.querySelectorAll("[x-on\\:click]:not(#changelist-filter-close)").forEach(dress);
});
