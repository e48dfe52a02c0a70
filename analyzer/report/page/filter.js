"use strict";
(() => {
  const form = document.getElementById("filter"), list = document.getElementById("finding-list");
  if (!form) return;
  const items = [...list.querySelectorAll(".finding")], groups = [...list.querySelectorAll(".rule")];
  const rule = item => item.parentElement.matches(".rule") ? item.parentElement.firstElementChild.textContent + " " : "";
  const texts = items.map(item => (rule(item) + item.textContent).toLowerCase());
  const field = document.getElementById("find-finding"), output = document.getElementById("found-findings");
  const apply = () => {
    const wanted = field.value.trim().toLowerCase();
    const levels = new Set([...form.querySelectorAll("input:checked")].map(box => box.value));
    let shown = 0;
    items.forEach((item, n) => {
      const hit = levels.has(item.dataset.severity) && texts[n].includes(wanted);
      item.hidden = !hit;
      shown += hit;
    });
    for (const group of groups) {
      group.hidden = !group.querySelector(".finding:not([hidden])");
      if (wanted && !group.hidden) group.open = true;
    }
    output.textContent = shown === items.length ? "" : shown + " of " + items.length + " shown";
  };
  form.addEventListener("input", apply);
  form.addEventListener("submit", event => event.preventDefault());
})();
